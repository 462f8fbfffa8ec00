"""The configuration as frozen objects. Every duration is an integer of microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema

from streams.config.alerting import AlertingConfig
from streams.config.assertions import AssertionsConfig
from streams.config.assertions import check_against_models as check_assertions
from streams.config.detection import DetectionConfig, check_detection
from streams.config.experiments import ExperimentationConfig, check_against_models
from streams.config.fields import (
    TASKS,
    Attributes,
    Classes,
    Duration,
    Horizon,
    Label,
    Metrics,
    Slices,
    TaskName,
    Windows,
)
from streams.config.kafka import KafkaConfig
from streams.config.offline import OfflineConfig, check_offline
from streams.config.privacy import PrivacyConfig
from streams.config.problems import shown
from streams.config.sampling import SamplingConfig, check_sampling
from streams.core.metric.registry import default_metrics
from streams.core.window_spec import DAY, WindowSpec, pane_size

_OPPOSITES = (
    ("1", "0"),
    ("true", "false"),
    ("yes", "no"),
    ("y", "n"),
    ("t", "f"),
    ("positive", "negative"),
    ("pos", "neg"),
)


def _opposite(data: Mapping[str, Any]) -> str | None:
    """Guess the negative label from the positive one, in its case; None if it has no known opposite."""
    positive = data["positive"] or ""
    for pair in _OPPOSITES:
        for ours, theirs in (pair, pair[::-1]):
            for case in (str.lower, str.title, str.upper):
                if positive == case(ours):
                    return case(theirs)
    return None


class LabelsConfig(BaseModel):
    """What is done about labels that come late, or only for some."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delays: bool = Field(
        default=False,
        strict=True,
        description="Follow how long labels and feedback take: say how mature windows are, and what they will say then",
    )
    strata: Attributes = Field(
        default=(),
        description="Attributes, one of the slices, within which labels and ratings are as good as a random choice",
    )


class ModelConfig(BaseModel):
    """One model: what its labels mean, which windows and slices it is measured in, and by which metrics."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: SkipJsonSchema[str]
    task: TaskName = Field(description="What the model does: " + ", ".join(TASKS))
    positive: Label | None = Field(default=None, validate_default=True, description="Binary: the label that means yes")
    negative: Label | None = Field(
        default_factory=_opposite,
        description="Binary: the label that means no; the known opposite of `positive`, else any other label",
    )
    classes: Classes = Field(default=(), description="Multiclass: all labels; empty when they are not known beforehand")
    threshold: float = Field(
        default=0.5,
        strict=True,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Binary: the score from which a yes is predicted",
    )
    label_horizon: Horizon = Field(
        default=30 * DAY, description="How long after its prediction a label counts, at most 366d"
    )
    windows: Windows = Field(
        default=(WindowSpec.parse("1d"),), description="Windows of prediction time: 7d, 15m/1m, 1mo"
    )
    slices: Slices = Field(
        default=((),), description="Lists of attributes; each combination of their values is a group"
    )
    metrics: Metrics = Field(
        default_factory=lambda data: default_metrics(data["task"]), description="Metrics for the task"
    )
    labels: LabelsConfig = Field(default_factory=LabelsConfig, description="Labels that come late, or only for some")
    offline: dict[str, OfflineConfig] = Field(
        default_factory=dict, description="What an evaluation before production found, by metric"
    )
    max_groups: int = Field(
        default=1_000, strict=True, ge=1, le=100_000, description="Groups kept apart, over all slices"
    )

    @property
    def pane(self) -> int:
        """Largest pane, in microseconds, of which every window is a union."""
        return pane_size(self.windows)

    @property
    def attributes(self) -> tuple[str, ...]:
        """All attributes that some slice names, sorted."""
        return tuple(sorted({attribute for names in self.slices for attribute in names}))

    @property
    def strata(self) -> tuple[str, ...]:
        """The slice by which labels are corrected, as it is declared; empty: the whole."""
        return next((one for one in self.slices if frozenset(one) == frozenset(self.labels.strata)), ())

    @field_validator("labels")
    @classmethod
    def _strata_are_a_slice(cls, value: LabelsConfig, info: ValidationInfo) -> LabelsConfig:
        slices = info.data.get("slices")
        if slices is not None and not any(frozenset(one) == frozenset(value.strata) for one in slices):
            raise ValueError(
                f"strata: {shown(list(value.strata))} is none of the model's slices: add it there, or leave it out"
            )
        return value

    @field_validator("offline")
    @classmethod
    def _offline_fits_the_model(cls, value: dict[str, OfflineConfig], info: ValidationInfo) -> dict[str, OfflineConfig]:
        check_offline(value, info.data.get("task"), info.data.get("metrics"))
        return value

    @field_validator("positive", "negative", "threshold", "classes", mode="before")
    @classmethod
    def _belongs_to_the_task(cls, value: object, info: ValidationInfo) -> object:
        owner = "multiclass" if info.field_name == "classes" else "binary"
        task = info.data.get("task", owner)
        if task != owner and value is not None:
            raise ValueError(f"{shown(value)} is only for {owner} models, this one is {task}: remove the key")
        return value

    @field_validator("positive")
    @classmethod
    def _binary_needs_positive(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("task") == "binary":
            raise ValueError('is required for binary models: the label that means yes, such as "1"')
        return value

    @field_validator("negative")
    @classmethod
    def _labels_differ(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and value == info.data.get("positive"):
            raise ValueError(f"{shown(value)} is the positive label too: the two must differ")
        return value


class Config(BaseModel):
    """The whole configuration: the models by name, and what holds for all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: dict[str, ModelConfig] = Field(min_length=1, description="The models by name, at least one")
    disorder: Duration = Field(default=DAY, description="How far out of order events may come")
    max_future: Duration = Field(default=366 * DAY, description="Events further ahead of now than this are rejected")
    idle_timeout: Duration = Field(
        default=DAY // 24, description="Worker: after so long without an event, a topic is waited for no longer"
    )
    samples: float = Field(
        default=0.01,
        strict=True,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of requests whose raw events are kept",
    )
    kafka: KafkaConfig = Field(default_factory=KafkaConfig, description="How to reach Kafka, and its topics")
    experimentation: ExperimentationConfig = Field(
        default_factory=ExperimentationConfig, description="Experiments: who is in them, and how they are judged"
    )

    detection: DetectionConfig = Field(
        default_factory=DetectionConfig,
        description="What is watched for change, and how many false alarms are bearable",
    )
    assertions: AssertionsConfig = Field(
        default_factory=dict, description="Rules that the predictions of a model must keep, by name"
    )
    sampling: SamplingConfig = Field(
        default_factory=SamplingConfig, description="Which raw events are kept beside that share, by model"
    )
    alerting: AlertingConfig = Field(default_factory=AlertingConfig, description="Where alerts go")
    privacy: PrivacyConfig = Field(
        default_factory=PrivacyConfig, description="What becomes of each field before it is stored, and for how long"
    )

    @field_validator("models", mode="before")
    @classmethod
    def _fill_in_names(cls, models: object) -> object:
        if not isinstance(models, Mapping):
            return models
        return {key: {**model, "name": key} if isinstance(model, Mapping) else model for key, model in models.items()}

    @field_validator("experimentation", mode="before")
    @classmethod
    def _experiments_fit_the_models(cls, section: object, info: ValidationInfo) -> object:
        models: Mapping[str, ModelConfig] | None = info.data.get("models")
        tasks = None if models is None else {name: model.task for name, model in models.items()}
        check_against_models(section, tasks)
        return section

    @field_validator("detection", mode="after")
    @classmethod
    def _watches_fit_the_models(cls, section: DetectionConfig, info: ValidationInfo) -> DetectionConfig:
        models: Mapping[str, ModelConfig] | None = info.data.get("models")
        if models is not None:
            check_detection(section, models)
        return section

    @field_validator("assertions", mode="after")
    @classmethod
    def _assertions_fit_the_models(cls, section: AssertionsConfig, info: ValidationInfo) -> AssertionsConfig:
        models: Mapping[str, ModelConfig] | None = info.data.get("models")
        watched: DetectionConfig | None = info.data.get("detection")
        if models is not None and watched is not None:
            declared = {name: [one for one in watch.columns if "." in one] for name, watch in watched.models.items()}
            check_assertions(section, models, {name: columns for name, columns in declared.items() if columns})
        return section

    @field_validator("sampling", mode="after")
    @classmethod
    def _samples_fit_the_models(cls, section: SamplingConfig, info: ValidationInfo) -> SamplingConfig:
        models: Mapping[str, ModelConfig] | None = info.data.get("models")
        watched: DetectionConfig | None = info.data.get("detection")
        if models is not None and watched is not None:
            check_sampling(section, models, {name: watch.columns for name, watch in watched.models.items()})
        return section
