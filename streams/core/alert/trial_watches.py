"""All experiments that are watched for harm: their looks, in the order of event time, and the notices of these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from streams.config.models import Config
from streams.core.alert.alerting import Alerting
from streams.core.alert.cause import Grouping
from streams.core.alert.notice import Notice
from streams.core.alert.trial_watch import Concern, TrialWatch
from streams.core.catalog import Catalog
from streams.core.detect.plan import watch_of
from streams.core.trials import Key, Look

_GONE = "is over: the experiment is declared no more"


class TrialWatches:
    """Watches every experiment on every model that it is of; without experiments it does nothing."""

    def __init__(self, catalog: Catalog) -> None:
        config, docket = catalog.config, catalog.docket
        self._tick = docket.tick
        plans = {(plan.trial.model, plan.trial.experiment): plan for plan in docket.plans}
        self._watches = {key: TrialWatch(plan, _concern(config, key), docket.tick) for key, plan in plans.items()}
        self._gone: list[Alerting] = []

    def step(self, looks: Iterable[Look], time: int) -> list[Notice]:
        """Take in looks, which are all that there are until the event time `time` (us)."""
        return [*self._leave(time), *self._look(looks), *self._pass(time)]

    def _look(self, looks: Iterable[Look]) -> Iterator[Notice]:
        for look in looks:
            yield from self._watches[look.model, look.experiment].look(look.tick, asked=look.asked, rows=look.rows)

    def _pass(self, time: int) -> Iterator[Notice]:
        for watch in self._watches.values():
            yield from watch.pass_to(time)

    def _leave(self, time: int) -> Iterator[Notice]:
        """End what is open of experiments that are declared no more."""
        gone, self._gone = self._gone, []
        for alerting in gone:
            yield from alerting.finish(max(time, alerting.last + 1), _GONE)

    def snapshot(self) -> list[dict[str, Any]]:
        """Everything as plain data."""
        return [
            {"model": model, "experiment": experiment, **watch.snapshot()}
            for (model, experiment), watch in self._watches.items()
        ]

    def restore(self, saved: Iterable[Mapping[str, Any]]) -> None:
        """Go on from a snapshot; experiments that were not in it begin anew, alerts of others are over."""
        for one in saved:
            key = one["model"], one["experiment"]
            if key in self._watches:
                self._watches[key].restore(one)
                continue
            alerting = Alerting(one["model"], (), Grouping(self._tick))
            alerting.restore(one["alerting"])
            self._gone.append(alerting)


def _concern(config: Config, key: Key) -> Concern:
    """Return whom harm concerns: whom the experiment names, else whoever the model's alerts are for."""
    model, name = key
    experiment, watch = config.experimentation.experiments[name], watch_of(config, model)
    return Concern(experiment.urgency, experiment.team or watch.team, watch.runbook, is_canary=experiment.is_canary)
