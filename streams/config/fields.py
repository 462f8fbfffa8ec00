"""The types of the configuration's values: how each is read from what was written, and its JSON Schema."""

# ruff: noqa: TRY004 - pydantic collects ValueErrors and lets TypeErrors through
from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from streams.config.problems import parse_list, shown, unknown
from streams.core.metric.base import Task
from streams.core.metric.registry import metric_for, metrics_for
from streams.core.window_spec import (
    DAY,
    DURATION_PATTERN,
    WINDOW_PATTERN,
    WindowSpec,
    format_duration,
    parse_duration,
)

T = TypeVar("T")

TASKS: tuple[Task, ...] = get_args(Task)
MAX_HORIZON = 366 * DAY
MAX_ATTRIBUTES = 8

IN_FILE = object()  # validation context: numbers are what a person wrote, so durations need units


def _task(value: object) -> object:
    if value not in TASKS:
        raise ValueError(f"{shown(value)} is no task{unknown(str(value), TASKS)}")
    return value


def _label(value: object) -> str:
    """Labels are text on the wire; whole numbers and true, false are taken as they were written."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or not value:
        raise ValueError(f'{shown(value)} is no label: write it as text in quotes, such as "1"')
    return value


def _duration(value: object, info: ValidationInfo) -> int:
    """Durations are text in the file; code may give microseconds."""
    allow_zero = info.field_name == "disorder"
    if isinstance(value, str):
        return parse_duration(value, allow_zero=allow_zero)
    if info.context is IN_FILE or type(value) is not int or value < (0 if allow_zero else 1):
        raise ValueError(f'{shown(value)} is not a duration: write a number and its unit, such as "90s", "1h" or "30d"')
    return value


def _horizon(value: int) -> int:
    if value > MAX_HORIZON:
        raise ValueError(f"{format_duration(value)} is too long: at most {format_duration(MAX_HORIZON)} is allowed")
    return value


def _windows(value: object) -> tuple[WindowSpec, ...]:
    return _some(parse_list(value, _window, lambda window: (window.size, window.slide, window.months)))


def _window(value: object) -> WindowSpec:
    if isinstance(value, WindowSpec):
        return value
    if not isinstance(value, str):
        raise ValueError(
            f'{shown(value)} is not a window: write a number and its unit, such as "1d", "15m/1m" or "1mo"'
        )
    return WindowSpec.parse(value)


def _slices(value: object) -> tuple[tuple[str, ...], ...]:
    """Slices with the same attributes have the same groups; the whole, `[]`, is there whether listed or not."""
    slices = parse_list(value, _slice, frozenset)
    return slices if () in slices else ((), *slices)


def _slice(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        raise ValueError(f"{shown(value)} must be a list of attributes: write [{value}]")
    attributes = parse_list(value, _attribute, str)
    if len(attributes) > MAX_ATTRIBUTES:
        raise ValueError(f"{shown(value)} has {len(attributes)} attributes, at most {MAX_ATTRIBUTES} are allowed")
    return attributes


def _cut(value: object) -> dict[str, str] | tuple[str, ...]:
    """A slice by the value of each of its attributes, or only attributes: each slice by these."""
    return _one_slice(value) if isinstance(value, dict) else _slice(value)


def _one_slice(value: Mapping[Any, Any]) -> dict[str, str]:
    if not 1 <= len(value) <= MAX_ATTRIBUTES:
        raise ValueError(f"{shown(value)} has {len(value)} attributes, from 1 to {MAX_ATTRIBUTES} are allowed")
    for name, one in value.items():
        if not isinstance(one, str | int):
            raise ValueError(f"{shown(one)} is no value of {shown(_attribute(name))}: write it as text")
    return {_attribute(name): _label(one) for name, one in value.items()}


def _attribute(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{shown(value)} is no attribute name: write it as text")
    return value


def _classes(value: object) -> tuple[str, ...]:
    classes = parse_list(value, _label, str)
    if len(classes) == 1:
        raise ValueError(f"{shown(value)} is a single class: list at least two, or leave the key out")
    return classes


def _metrics(value: object, info: ValidationInfo) -> tuple[str, ...]:
    tasks: tuple[Task, ...] = (info.data["task"],) if "task" in info.data else TASKS
    return _some(parse_list(value, lambda name: _metric(name, tasks), str))


def _metric(name: object, tasks: tuple[Task, ...]) -> str:
    """Check a metric against the registry; any of the tasks will do (all are given when the task is not known)."""
    allowed = {metric for task in tasks for metric in metrics_for(task)}
    if not isinstance(name, str):
        raise ValueError(f"{shown(name)} is no metric{unknown('', allowed)}")
    fitting = [task for task in TASKS if _measures(name, task)]
    if not fitting:
        raise ValueError(f"{shown(name)} is no metric{unknown(name, allowed)}")
    if not set(fitting) & set(tasks):
        reason = f"is a metric for {', '.join(fitting)} models, not for {', '.join(tasks)} ones"
        raise ValueError(f"{shown(name)} {reason}{unknown(name, allowed)}")
    return name


def _measures(name: str, task: Task) -> bool:
    try:
        metric_for(name, task)
    except KeyError:
        return False
    return True


def _some(items: tuple[T, ...]) -> tuple[T, ...]:
    if not items:
        raise ValueError("[] is empty: list at least one, or leave the key out for the default")
    return items


Label = Annotated[str, BeforeValidator(_label, json_schema_input_type=str | int | bool)]
TaskName = Annotated[Task, BeforeValidator(_task)]
Duration = Annotated[
    int,
    PlainValidator(_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{DURATION_PATTERN}$"}),
]
Horizon = Annotated[Duration, AfterValidator(_horizon)]
Windows = Annotated[
    tuple[WindowSpec, ...],
    PlainValidator(_windows),
    PlainSerializer(lambda windows: [window.name for window in windows]),
    WithJsonSchema({"type": "array", "minItems": 1, "items": {"type": "string", "pattern": f"^{WINDOW_PATTERN}$"}}),
]
_Attribute = Annotated[str, Field(pattern=r"\S")]
Attributes = Annotated[
    tuple[str, ...],
    BeforeValidator(
        lambda value: parse_list(value, _attribute, str),
        json_schema_input_type=Annotated[list[_Attribute], Field(max_length=MAX_ATTRIBUTES)],
    ),
]
Slices = Annotated[
    tuple[tuple[str, ...], ...],
    BeforeValidator(
        _slices, json_schema_input_type=list[Annotated[list[_Attribute], Field(max_length=MAX_ATTRIBUTES)]]
    ),
]
_CUT_SCHEMA = {
    "anyOf": [
        {
            "type": "object",
            "additionalProperties": {"type": ["string", "integer", "boolean"]},
            "minProperties": 1,
            "maxProperties": MAX_ATTRIBUTES,
        },
        {"type": "array", "items": {"type": "string", "pattern": r"\S"}, "maxItems": MAX_ATTRIBUTES},
    ]
}
OneOrEach = Annotated[
    dict[str, str] | tuple[str, ...],
    PlainValidator(_cut),
    PlainSerializer(lambda cut: cut if isinstance(cut, dict) else list(cut)),
    WithJsonSchema(_CUT_SCHEMA),
]
"""One slice, or attributes for each slice by these; no attributes are the whole."""

Classes = Annotated[tuple[str, ...], BeforeValidator(_classes, json_schema_input_type=list[Label])]
Metrics = Annotated[
    tuple[str, ...], BeforeValidator(_metrics, json_schema_input_type=Annotated[list[str], Field(min_length=1)])
]
