"""
Assignment: in which experiments a unit is, and in which arm of each.

    experiments = Experiments.parse(data)                 # once
    assigned = experiments.assign("u7", {"country": "DE"})
    assigned.arm("new_ranker")                            # "treatment", "control", or None: not in it
    assigned.parameters("new_ranker")["depth"]
    assigned.exposures                                    # what was really asked for

Nothing is stored: the same declaration gives the same answer in every process and on every day.
"""

from __future__ import annotations

from collections.abc import Mapping

from streams.experiments.allocation import Allocation
from streams.experiments.deciding import Candidate, Decision, Guard, Lane, Status
from streams.experiments.declaration import Declaration, Experiment, parse_declaration
from streams.experiments.reading import ExperimentsError, Problem, Reading, suggestion
from streams.experiments.slots import Ranges, members
from streams.experiments.subject import NO_ATTRIBUTES, Subject
from streams.experiments.values import Value


class Assignments:
    """
    What was decided for one unit: all of its arms, and which of them were used.

    It belongs to the request that asked; what it says never changes, only `exposures` grows.
    """

    __slots__ = ("_arms", "_experiments", "_exposed", "_subject")

    def __init__(self, experiments: Experiments, subject: Subject, arms: dict[str, str]) -> None:
        self._experiments = experiments
        self._subject = subject
        self._arms = arms
        self._exposed: set[str] = set()

    @property
    def arms(self) -> dict[str, str]:
        """Experiment to arm, for the experiments that the unit is in: what events have as `assignments`."""
        return dict(self._arms)

    @property
    def exposures(self) -> dict[str, str]:
        """Those of `arms` that were asked for by `arm` or `parameters`: what had an effect."""
        return {name: arm for name, arm in self._arms.items() if name in self._exposed}

    def arm(self, experiment: str) -> str | None:
        """Return the unit's arm, and note that it was used; None if it is in none, or nothing of that name exists."""
        found = self._arms.get(experiment)
        if found is not None:
            self._exposed.add(experiment)
        return found

    def parameters(self, experiment: str) -> dict[str, Value]:
        """
        Return the parameters of an experiment for the unit, and note that they were used.

        Outside of the experiment they are the declared defaults, or what the control arm has. Where no experiment of
        that name exists there are none.
        """
        return self._experiments.parameters(experiment, self._subject, self.arm(experiment))

    def decision(self, experiment: str) -> Decision:
        """
        Say why the unit is in an experiment or not; this is no use of it.

        Raises
        ------
        KeyError
            If no experiment of that name is declared.
        """
        return self._experiments.explain(experiment, self._subject)


class Experiments:
    """Declared experiments, ready to decide; `parse` makes them. Safe to use from many threads."""

    def __init__(self, declaration: Declaration, ranges: Mapping[str, Ranges], statuses: Mapping[str, Status]) -> None:
        self.declaration = declaration
        self._candidates = {
            name: Candidate(experiment, statuses[name]) for name, experiment in declaration.experiments.items()
        }
        by_layer: dict[str, list[Candidate]] = {}
        for candidate in self._candidates.values():
            by_layer.setdefault(candidate.experiment.layer, []).append(candidate)
        self._lanes = {
            name: Lane(declaration.layers[name], candidates, ranges) for name, candidates in by_layer.items()
        }
        self._active = tuple(self._lanes[name] for name, found in by_layer.items() if any(c.is_open for c in found))
        self._guards = tuple(map(Guard, declaration.holdouts.values()))

    @staticmethod
    def parse(data: object, allocation: Allocation | None = None) -> Experiments:
        """
        Read a declaration: the section `experimentation` of a configuration, as plain data.

        Parameters
        ----------
        data : mapping
            As YAML or JSON gives it.
        allocation : Allocation, optional
            What runs where, from `plan`. Without it experiments run on the slots that they declare, and those with a
            place in the queue wait.

        Raises
        ------
        ExperimentsError
            With every problem and its place.
        """
        reading = Reading()
        declaration = parse_declaration(data, reading)
        if reading.problems:
            raise ExperimentsError(reading.problems)
        if allocation is None:
            found = declaration.experiments.items()
            return Experiments(
                declaration,
                {name: experiment.slots for name, experiment in found},
                {name: "running" if experiment.queue is None else "waiting" for name, experiment in found},
            )
        problems = _misfits(declaration, allocation)
        if problems:
            raise ExperimentsError(problems)
        statuses = {name: _status(experiment, allocation) for name, experiment in declaration.experiments.items()}
        running = {name for name, status in statuses.items() if status == "running"}
        return Experiments(declaration, {name: allocation.runs[name].slots for name in running}, statuses)

    def assign(
        self,
        unit_id: str | None = None,
        attributes: Mapping[str, object] = NO_ATTRIBUTES,
        *,
        request_id: str | None = None,
    ) -> Assignments:
        """
        Decide every experiment for a unit.

        Parameters
        ----------
        unit_id, request_id : str, optional
            As the events of the service have them. Without the one that is an experiment's unit, or with an empty
            one, nobody is in that experiment.
        attributes : Mapping
            What rules and parameters look at; what is missing there makes the rule not match.

        Raises
        ------
        TypeError
            If an id is neither text nor None.
        """
        subject = Subject(unit_id, request_id, attributes)
        held = self._held(subject)
        arms: dict[str, str] = {}
        for lane in self._active:
            found = lane.choose(subject, held)
            if found is not None:
                arms[found[0]] = found[1]
        return Assignments(self, subject, arms)

    def explain(self, experiment: str, subject: Subject) -> Decision:
        """Say why a subject is in an experiment or not. Raises KeyError if it is not declared."""
        candidate = self._candidate(experiment)
        return self._lanes[candidate.experiment.layer].explain(candidate, subject, self._held(subject))

    def parameters(self, experiment: str, subject: Subject, arm: str | None) -> dict[str, Value]:
        """Evaluate the parameters of an experiment for a subject in an arm, or in none."""
        if experiment not in self._candidates:
            return {}
        declared = self._candidates[experiment].experiment
        return declared.parameters.evaluate(subject, arm or declared.control, exposed=arm is not None)

    def _candidate(self, experiment: str) -> Candidate:
        if experiment not in self._candidates:
            raise KeyError(f"no experiment is called {experiment}{suggestion(experiment, self._candidates)}")
        return self._candidates[experiment]

    def _held(self, subject: Subject) -> list[Guard]:
        return [guard for guard in self._guards if guard.holds(subject)]


def _status(experiment: Experiment, allocation: Allocation) -> Status:
    if experiment.name in allocation.ended:
        return "ended"
    run = allocation.runs.get(experiment.name)
    return "running" if run is not None and run.layer == experiment.layer else "waiting"


def _misfits(declaration: Declaration, allocation: Allocation) -> list[Problem]:
    """Say which runs do not fit their layers."""
    problems: list[Problem] = []
    owners: dict[tuple[str, int], str] = {}
    for name, run in allocation.runs.items():
        layer = declaration.layers.get(run.layer)
        if layer is None or name not in declaration.experiments:
            continue
        if run.slots and run.slots[-1][1] >= layer.slots:
            problems.append((("runs", name), f"has slot {run.slots[-1][1]} of {layer.slots} in layer {layer.name}"))
        taken = [slot for slot in members(run.slots) if (run.layer, slot) in owners]
        if taken:
            problems.append((("runs", name), f"has slot {taken[0]}, which {owners[run.layer, taken[0]]} has as well"))
        owners.update(dict.fromkeys(((run.layer, slot) for slot in members(run.slots)), name))
    return problems
