"""
The section `assertions`: rules that the predictions of a model must keep.

Expressions are read when the section is, so that what is wrong with one is said with its place in the file; names of
features and attributes, and of models, can only be checked once all of the file is known (`check_against_models`).
"""

# ruff: noqa: TRY004 - pydantic collects ValueErrors and lets TypeErrors through
from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from streams.config.fields import Duration
from streams.config.problems import Problem, Problems, Where, shown, unknown
from streams.core.assertion.errors import ExpressionError
from streams.core.assertion.node import ListColumn, NumberColumn, TextColumn
from streams.core.assertion.parse import parse_condition, parse_expression
from streams.core.assertion.rules import (
    Agree,
    Expect,
    Flicker,
    OverTime,
    Rate,
    Rule,
    Severity,
    Stable,
)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


def _optional(description: str, alias: str | None = None) -> Any:
    """Describe a key that may be left out, and has no default that could be written instead."""
    return Field(default=None, alias=alias, description=description, json_schema_extra=_never_null)


def _never_null(schema: dict[str, Any]) -> None:
    """Allow a value only: null is what stands for a key that was left out."""
    del schema["default"]
    schema |= next(one for one in schema.pop("anyOf") if one != {"type": "null"})


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class StableConfig(_Frozen):
    """How far the score of a unit may move from one prediction to its next."""

    by: float = Field(ge=0, strict=True, allow_inf_nan=False, description="By how much it may move")
    within: Duration = Field(description="Predictions further apart are not compared")


class FlickerConfig(_Frozen):
    """A unit's label must not be left and come back."""

    within: Duration = Field(description="How soon coming back is flicker")


class RateConfig(_Frozen):
    """How many predictions a unit may have."""

    at_most: int = Field(ge=1, le=100_000, strict=True, description="How many are allowed")
    within: Duration = Field(description="In every period of this length")


class AgreeConfig(_Frozen):
    """Predictions of one request must agree."""

    with_: str | None = _optional("The model that it must agree with; other predictions of the model itself", "with")
    by: Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)] | None = _optional(
        "How far apart scores may be; labels must be the same where it is left out"
    )
    within: Duration = Field(description="Predictions further apart are not compared")


class AssertionConfig(_Frozen):
    """One rule: one of `expect`, `require`, `stable`, `flicker`, `rate` and `agree`."""

    model: str = Field(description="The model whose predictions it is about")
    when: str | None = _optional("An expression: the predictions that it is about; all")
    expect: str | None = _optional("An expression that is true of every prediction")
    require: Annotated[tuple[str, ...], Field(min_length=1)] | None = _optional(
        "Columns that every prediction has, such as features.amount"
    )
    stable: StableConfig | None = _optional("The score of a unit does not jump")
    flicker: FlickerConfig | None = _optional("The label of a unit does not come and go")
    rate: RateConfig | None = _optional("A unit does not have too many predictions")
    agree: AgreeConfig | None = _optional("Predictions of one request agree")
    severity: Severity = Field(default="warning", description="How bad it is if it fails")

    @field_validator("when", "expect")
    @classmethod
    def _can_be_read(cls, text: str | None) -> str | None:
        if text is not None:
            parse_condition(text)
        return text

    @field_validator("require")
    @classmethod
    def _are_columns(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in names or ():
            if not isinstance(parse_expression(name), NumberColumn | TextColumn | ListColumn):
                raise ValueError(f"{shown(name)} is no column: an expression belongs under `expect`")
        return names

    @model_validator(mode="after")
    def _has_one_rule(self) -> Self:
        given = [name for name in _RULES if getattr(self, name) is not None]
        if len(given) != 1:
            says = f"has several rules ({', '.join(given)})" if given else "has no rule"
            raise ValueError(f"{says}: write one of {', '.join(_RULES)}")
        return self

    def rule(self, name: str) -> Rule:
        """Return the rule as the core knows it."""
        return Rule(name, self.model, self._check(), self.when, self.severity)

    def _check(self) -> Expect | OverTime:
        if self.stable is not None:
            return Stable(self.stable.by, self.stable.within)
        if self.flicker is not None:
            return Flicker(self.flicker.within)
        if self.rate is not None:
            return Rate(self.rate.at_most, self.rate.within)
        if self.agree is not None:
            return Agree(self.agree.with_ or self.model, self.agree.within, self.agree.by)
        return Expect(self.expect or " and ".join(f"not {name} is missing" for name in self.require or ()))


def _have_names(section: dict[str, AssertionConfig]) -> dict[str, AssertionConfig]:
    """Names stand in labels and addresses."""
    bad = [name for name in section if not _NAME.fullmatch(name)]
    if bad:
        raise Problems(((name,), "a name has up to 100 letters, digits, _ and -") for name in bad)
    return section


AssertionsConfig = Annotated[dict[str, AssertionConfig], AfterValidator(_have_names)]
"""The whole section: rules by name."""

_RULES = ("expect", "require", "stable", "flicker", "rate", "agree")


def assertion_keys() -> frozenset[str]:
    """Return the keys of a rule, as they stand in the file."""
    return frozenset(AssertionConfig.model_fields)


def rules_of(section: Mapping[str, AssertionConfig]) -> list[Rule]:
    """Return the rules of a section, in the order in which they were declared."""
    return [one.rule(name) for name, one in section.items()]


def check_against_models(
    section: Mapping[str, AssertionConfig],
    models: Collection[str],
    columns: Mapping[str, Collection[str]] | None = None,
) -> None:
    """
    Check what a section names against what is declared elsewhere.

    Parameters
    ----------
    section
        Rules by name.
    models
        Names of the models.
    columns
        The columns that were declared for each model, such as "features.amount". Where none is declared for a model
        under `features` or under `attributes`, names in that map are not checked.

    Raises
    ------
    Problems
        With everything that does not fit.
    """
    found = [*_unknown_models(section, models), *_unknown_columns(section, columns or {})]
    if found:
        raise Problems(found)


def _unknown_models(section: Mapping[str, AssertionConfig], models: Collection[str]) -> Iterator[Problem]:
    for name, one in section.items():
        if one.model not in models:
            yield (name, "model"), f"{shown(one.model)} is no model{unknown(one.model, models)}"
        other = one.agree.with_ if one.agree else None
        if other is not None and other not in models:
            yield (name, "agree", "with"), f"{shown(other)} is no model{unknown(other, models)}"


def _unknown_columns(
    section: Mapping[str, AssertionConfig], columns: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    for name, one in section.items():
        for where, text in _expressions(one):
            try:
                parse_expression(text, columns.get(one.model))
            except ExpressionError as error:
                yield (name, *where), str(error)


def _expressions(one: AssertionConfig) -> Iterator[tuple[Where, str]]:
    """Every expression of a rule, with its place."""
    yield from ((("when",), text) for text in [one.when] if text is not None)
    yield from ((("expect",), text) for text in [one.expect] if text is not None)
    yield from ((("require", number), text) for number, text in enumerate(one.require or ()))
