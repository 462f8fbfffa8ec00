"""From a file to a `Config`, or to every problem in it; and the JSON Schema that helps to write one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from streams.config.alerting import AlertingConfig, RouteRule, keys_of
from streams.config.assertions import assertion_keys
from streams.config.detection import DetectionConfig, LimitConfig, WatchConfig
from streams.config.document import read_document
from streams.config.fields import IN_FILE, TASKS
from streams.config.kafka import SECRETS_HINT, KafkaConfig
from streams.config.models import Config, ModelConfig
from streams.config.offline import OfflineConfig
from streams.config.privacy import PLACES_HINT, PrivacyConfig
from streams.config.problems import Problem, Section, describe, shown
from streams.config.sampling import (
    BudgetConfig,
    HoldConfig,
    ModelSamplingConfig,
    PolicyConfig,
    ReservoirConfig,
    SamplingConfig,
)
from streams.config.stream_detectors import StreamConfig
from streams.core.metric.base import Task
from streams.core.metric.registry import metrics_for
from streams.errors import ConfigError

_SECTIONS = (
    Section((), frozenset(Config.model_fields), "at the top of the file, beside `models`"),
    Section(("kafka",), frozenset(KafkaConfig.model_fields), "under `kafka`"),
    Section(("models", None), frozenset(ModelConfig.model_fields) - {"name"}, "inside a model"),
    Section(("models", None, "offline", None), frozenset(OfflineConfig.model_fields), "under a metric of `offline`"),
    Section(("alerting",), keys_of(AlertingConfig), "under `alerting`"),
    Section(("alerting", "rules", None), keys_of(RouteRule), "in a rule of `alerting`"),
    Section(("detection",), frozenset(DetectionConfig.model_fields), "under `detection`"),
    Section(("detection", "models", None), frozenset(WatchConfig.model_fields), "under a model in `detection`"),
    Section(("detection", "models", None, "limits", None), frozenset(LimitConfig.model_fields), "under `limits`"),
    Section(("detection", "models", None, "detectors", None), frozenset(StreamConfig.model_fields), "in a detector"),
    Section(("privacy",), frozenset(PrivacyConfig.model_fields), "under `privacy`"),
    Section(("assertions", None), assertion_keys(), "in an assertion"),
    Section(("sampling",), frozenset(SamplingConfig.model_fields), "under `sampling`"),
    Section(("sampling", "models", None), frozenset(ModelSamplingConfig.model_fields), "under a model in `sampling`"),
    Section(("sampling", "models", None, "policies", None), keys_of(PolicyConfig), "in a policy of `sampling`"),
    Section(("sampling", "models", None, "reservoir"), frozenset(ReservoirConfig.model_fields), "in a reservoir"),
    Section(("sampling", "models", None, "budget"), frozenset(BudgetConfig.model_fields), "in a budget"),
    Section(("sampling", "models", None, "hold"), keys_of(HoldConfig), "in a hold"),
)
_HINTS = {
    "models": "declare at least one model under it",
    "task": f"one of {', '.join(TASKS)}",
    "kafka.password": SECRETS_HINT,
    "privacy.secret": PLACES_HINT,
}


def load_config(path: str | Path) -> Config:
    """
    Read a configuration file; names of reference files in it are relative to its directory.

    Raises
    ------
    ConfigError
        If the file cannot be read, or with every problem in it.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), [f"not UTF-8, byte {error.start} is {error.object[error.start]:#x}"]) from error
    config = parse_config(text, str(path))
    return config.model_copy(update={"detection": config.detection.found_in(Path(path).parent)})


def parse_config(text: str, source: str) -> Config:
    """
    Read a configuration from text; `source` names it in errors.

    Raises
    ------
    ConfigError
        With every problem in the text.
    """
    document = read_document(text)
    problems = [*document.problems, *_nameless(document.data)]
    config = None
    if document.data is not None:
        try:
            config = Config.model_validate(document.data, context=IN_FILE)
        except ValidationError as error:
            problems += describe(error, _SECTIONS, _HINTS)
    if problems or config is None:
        raise ConfigError(source, document.report(problems))
    return config


def _nameless(data: object) -> Iterator[Problem]:
    """Names of models are keys: an empty one, or a `name` inside a model, is a problem."""
    models = data.get("models") if isinstance(data, dict) else None
    for name, model in models.items() if isinstance(models, dict) else ():
        if not name.strip():
            yield ("models", name), "the name of a model must not be empty"
        if isinstance(model, dict) and "name" in model:
            yield ("models", name, "name"), f"unknown key `name`: a model's name is its key, here {shown(name)}"


def json_schema() -> dict[str, Any]:
    """
    JSON Schema (draft 2020-12) of the configuration file, for editors; `schemas/config.schema.json` holds it.

    It knows less than `parse_config`, which also compares keys with one another.
    """
    schema = Config.model_json_schema()
    model = schema["$defs"]["ModelConfig"]
    model["allOf"] = [_schema_of_task(task) for task in TASKS]
    _write_defaults(schema, Config(models={"m": ModelConfig(name="m", task="none")}))
    _write_defaults(model, ModelConfig(name="m", task="none"))
    sections = (
        KafkaConfig(),
        DetectionConfig(),
        SamplingConfig(),
        ReservoirConfig(rows=1),
        AlertingConfig(),
        PrivacyConfig(),
    )
    for section in sections:
        _write_defaults(schema["$defs"][type(section).__name__], section)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _write_defaults(schema: dict[str, Any], smallest: BaseModel) -> None:
    """Replace the defaults of a schema by what a person would write in the file, such as "30d"."""
    written = smallest.model_dump(mode="json")
    for key, value in schema["properties"].items():
        if "default" in value:
            value["default"] = written[key]


def _schema_of_task(task: Task) -> dict[str, Any]:
    """Say what a task allows: its metrics, and the keys that are about its kind of label."""
    binary, multiclass = task == "binary", task == "multiclass"
    keys = {"positive": binary, "negative": binary, "threshold": binary, "classes": multiclass}
    refused: dict[str, Any] = {key: False for key, allowed in keys.items() if not allowed}
    then: dict[str, Any] = {"properties": {"metrics": {"items": _schema_of_metric(task)}, **refused}}
    return {
        "if": {"properties": {"task": {"const": task}}, "required": ["task"]},
        "then": {**then, "required": ["positive"]} if binary else then,
    }


def _schema_of_metric(task: Task) -> dict[str, Any]:
    """List the names of a task's metrics; those with a cut-off, such as ndcg@10, with any from 1 to 1,000."""
    names = metrics_for(task)
    bases = "|".join(name.split("@")[0] for name in names if "@" in name)
    cutoffs = [{"type": "string", "pattern": f"^({bases})@(1000|[1-9][0-9]{{0,2}})$"}] if bases else []
    return {"anyOf": [{"enum": list(names)}, *cutoffs]}
