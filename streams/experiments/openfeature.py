"""
A provider for OpenFeature (https://openfeature.dev), for services that ask for flags.

    from openfeature import api
    from streams.experiments import Experiments
    from streams.experiments.openfeature import ExperimentsProvider

    api.set_provider(ExperimentsProvider(Experiments.parse(data)))
    details = api.get_client().get_string_details("new_ranker", "control", EvaluationContext("u7", {"country": "DE"}))

A flag is the name of an experiment, whose value is the unit's arm, or `experiment.parameter`. The targeting key is
the unit; the attribute `request_id` is that of experiments whose unit is the request. Needs the extra `openfeature`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError, InvalidContextError, TargetingKeyMissingError, TypeMismatchError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata

from streams.experiments import deciding
from streams.experiments.assignment import Experiments
from streams.experiments.reading import shown, suggestion
from streams.experiments.subject import Subject

T = TypeVar("T")
Objects = Sequence[FlagValueType] | Mapping[str, FlagValueType]

_REASONS: Mapping[deciding.Reason, Reason] = MappingProxyType(
    {
        "whitelist": Reason.TARGETING_MATCH,
        "rule": Reason.TARGETING_MATCH,
        "split": Reason.SPLIT,
        "disabled": Reason.DISABLED,
    }
)
"""How reasons are called there; all others are `DEFAULT`, for the unit is not in the experiment."""


class ExperimentsProvider(AbstractProvider):
    """
    Resolves flags by experiments.

    What is not in an experiment gets the caller's default for its arm, and the declared default for its parameters.
    The variant is the arm; the flag's metadata say the `experiment` and the `decision`, so that a hook can log both.
    """

    def __init__(self, experiments: Experiments) -> None:
        super().__init__()
        self._experiments = experiments

    def get_metadata(self) -> Metadata:
        """Name the provider."""
        return Metadata(name="streams")

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Resolve a parameter that is true or false."""
        return self._resolve(flag_key, default_value, evaluation_context, _boolean)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Resolve an arm, or a parameter that is text."""
        return self._resolve(flag_key, default_value, evaluation_context, _string)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Resolve a parameter that is a whole number."""
        return self._resolve(flag_key, default_value, evaluation_context, _integer)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Resolve a parameter that is a number."""
        return self._resolve(flag_key, default_value, evaluation_context, _float)

    def resolve_object_details(
        self, flag_key: str, default_value: Objects, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Objects]:
        """Resolve a parameter that is a list or a mapping."""
        return self._resolve(flag_key, default_value, evaluation_context, _object)

    def _resolve(
        self, flag: str, default: T, context: EvaluationContext | None, typed: Callable[[object], T | None]
    ) -> FlagResolutionDetails[T]:
        """Decide, and give the value its type. Raises an OpenFeatureError, which the client turns into details."""
        name, dot, parameter = flag.partition(".")
        if name not in self._experiments.declaration.experiments:
            declared = self._experiments.declaration.experiments
            raise FlagNotFoundError(f"no experiment is called {name}{suggestion(name, declared)}")
        subject = _subject(context)
        decision = self._experiments.explain(name, subject)
        if decision.reason == "no_unit":
            self._refuse_missing_unit(name)
        value: object = decision.arm
        if dot:
            values = self._experiments.parameters(name, subject, decision.arm)
            if parameter not in values:
                raise FlagNotFoundError(f"{name} has no parameter {parameter}{suggestion(parameter, values)}")
            value = values[parameter]
        found = default if value is None and not dot else typed(value)
        if found is None:
            raise TypeMismatchError(f"{flag} is {shown(value)}, and not of the type that was asked for")
        return FlagResolutionDetails(
            found,
            reason=_REASONS.get(decision.reason, Reason.DEFAULT),
            variant=decision.arm,
            flag_metadata={"experiment": name, "decision": decision.reason},
        )

    def _refuse_missing_unit(self, experiment: str) -> None:
        if self._experiments.declaration.experiments[experiment].unit == 0:
            raise TargetingKeyMissingError(f"the targeting key is the unit of experiment {experiment}")
        raise InvalidContextError(f"the attribute request_id is the unit of experiment {experiment}")


def _subject(context: EvaluationContext | None) -> Subject:
    context = context or EvaluationContext()
    request = context.attributes.get("request_id")
    if request is not None and not isinstance(request, str):
        raise InvalidContextError(f"the attribute request_id must be text, not {request!r}")
    try:
        return Subject(context.targeting_key, request, context.attributes)
    except TypeError as error:
        raise InvalidContextError(str(error)) from error


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _object(value: object) -> Objects | None:
    return value if isinstance(value, list | dict) else None
