"""
The section `privacy`: what becomes of each field before it is stored, and how long it is stored.

It holds no secret, only where it is; `streams.privacy` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from streams.config.fields import Duration
from streams.config.problems import Problem, Problems, shown, unknown
from streams.core.metric.crowd import LARGEST
from streams.core.privacy.rule import DROP, HASH, KEEP, Rule
from streams.core.window_spec import DAY

PLACES_HINT = (
    "secrets do not belong in the configuration: name the environment variable that holds it with `secret_env`, "
    "or the file with `secret_file`"
)
ALWAYS_KEPT = (
    "request_id",
    "prediction_id",
    "feedback_id",
    "event_time",
    "model",
    "version",
    "role",
    "kind",
    "revision",
    "inclusion_probability",
)
"""What the pipeline joins and counts by."""

TEXTS = ("unit_id", "label", "ranking", "source")
NUMBERS = ("score", "value", "latency_ms")
MAPS_OF_TEXTS = ("attributes", "assignments")
MAPS_OF_NUMBERS = ("features",)
PAYLOAD = "payload"

Retained = Literal["windows", "samples", "rejected", "orphans", "verdicts", "signals", "alerts", "deliveries"]
_PLAIN: Mapping[str, Rule] = {"keep": KEEP, "drop": DROP, "hash": HASH}
_AMOUNTS = ("truncate", "bucket")
_SECOND = 1_000_000  # us


def _rule(value: object) -> Rule:
    if isinstance(value, Rule):
        return value
    if isinstance(value, str) and value in _PLAIN:
        return _PLAIN[value]
    if isinstance(value, Mapping) and len(value) == 1:
        (action, amount), *_ = value.items()
        if action == "truncate" and type(amount) is int and amount > 0:
            return Rule("truncate", amount)
        if action == "bucket" and type(amount) in (int, float) and 0 < amount < float("inf"):
            return Rule("bucket", float(amount))
    raise ValueError(f"{shown(value)} is no treatment: keep, drop, hash, {{truncate: 3}} or {{bucket: 10}}")


def _written(rule: Rule) -> object:
    return {rule.action: rule.amount} if rule.action in _AMOUNTS else rule.action


def _one_amount(action: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {action: schema}, "required": [action], "additionalProperties": False}


FieldRule = Annotated[
    Rule,
    PlainValidator(_rule),
    PlainSerializer(_written),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(_PLAIN)},
                _one_amount("truncate", {"type": "integer", "minimum": 1}),
                _one_amount("bucket", {"type": "number", "exclusiveMinimum": 0}),
            ]
        }
    ),
]


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class PrivacyConfig(BaseModel):
    """What becomes of each field before it is stored, and how long it is stored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    secret_env: str | SkipJsonSchema[None] = Field(
        default=None,
        description="The environment variable that holds the secret of hashes",
        json_schema_extra=_without_default,
    )
    secret_file: str | SkipJsonSchema[None] = Field(
        default=None, description="The file that holds it", json_schema_extra=_without_default
    )
    rotate: Duration = Field(default=30 * DAY, description="Hashes of periods that are so long cannot be linked")
    fields: dict[str, FieldRule] = Field(
        default_factory=dict,
        description="By field (attributes.NAME, attributes.* ...): keep, drop, hash, truncate: n or bucket: width",
    )
    client: tuple[str, ...] | SkipJsonSchema[None] = Field(
        default=None,
        description="Which of these fields are treated in the service already; all but payload",
        json_schema_extra=_without_default,
    )
    smallest_cell: int = Field(
        default=1,
        strict=True,
        ge=1,
        le=LARGEST,
        description="Windows, slices and arms of fewer units are not shown",
    )
    retention: dict[Retained, Duration] = Field(
        default_factory=dict, description="By table: how long rows are kept; without an entry for ever"
    )

    _secret: bytes | None = PrivateAttr(default=None)

    @property
    def secret(self) -> bytes | None:
        """The secret, once it has been read."""
        return self._secret

    def with_secret(self, secret: bytes) -> PrivacyConfig:
        """Return the section with the secret that it says the place of."""
        section = self.model_copy()
        section._secret = secret  # noqa: SLF001 - of the copy
        return section

    @property
    def client_fields(self) -> Mapping[str, Rule]:
        """The rules that the service applies."""
        named = tuple(self.fields) if self.client is None else self.client
        return {path: self.fields[path] for path in named if path != PAYLOAD}

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        found = [problem for path, rule in self.fields.items() for problem in _misfit(path, rule)]
        found += [*_secret_problems(self), *_client_problems(self)]
        if self.rotate <= 0:
            found.append((("rotate",), "must be more than 0s"))
        short = [table for table, kept in self.retention.items() if kept < _SECOND]
        found += [(("retention", table), "must be at least 1s") for table in short]
        if found:
            raise Problems(found)
        return self


def _secret_problems(section: PrivacyConfig) -> Iterator[Problem]:
    if section.secret_env is not None and section.secret_file is not None:
        yield ("secret_file",), "is a second place beside `secret_env`: keep one of the two"
    if section.secret_env is None and section.secret_file is None:
        for path, rule in section.fields.items():
            if rule == HASH:
                yield ("fields", path), "a hash needs a secret: say where it is with `secret_env`"


def _client_problems(section: PrivacyConfig) -> Iterator[Problem]:
    for place, path in enumerate(section.client or ()):
        if path not in section.fields or path == PAYLOAD:
            yield ("client", place), f"{shown(path)} is none of `fields`: say there what becomes of it"


def _misfit(path: str, rule: Rule) -> list[Problem]:
    """Say what is wrong with the rule of a path, if anything is."""
    where = ("fields", path)
    name, dot, key = path.partition(".")
    if path in ALWAYS_KEPT:
        return [] if rule == KEEP else [(where, "is always kept: events are joined and counted by it")]
    if path == PAYLOAD:
        return [] if rule in (KEEP, DROP) else [(where, "can only be kept or dropped")]
    of_texts = path in TEXTS or (name in MAPS_OF_TEXTS and dot and key)
    of_numbers = path in NUMBERS or (name in MAPS_OF_NUMBERS and dot and key)
    if of_texts and rule.action == "bucket":
        return [(where, "is a text: keep, drop, hash or truncate it")]
    if of_numbers and rule.action in {"hash", "truncate"}:
        return [(where, "is a number: keep, drop or bucket it")]
    if of_texts or of_numbers:
        return []
    keyed = [f"{one}.{end}" for one in (*MAPS_OF_TEXTS, *MAPS_OF_NUMBERS) for end in ("NAME", "*")]
    return [(where, f"{shown(path)} is no field{unknown(path, (*TEXTS, *NUMBERS, *keyed, PAYLOAD))}")]
