"""
The configuration: one YAML file that declares the models and how they are watched.

`load_config` reads a file and `parse_config` a text into a `Config`; both raise `ConfigError` with every problem at
once. `docs/configuration.md` describes the file.

Its parts are imported when they are first asked for: services that emit events need `KafkaConfig`, and not the metrics
that the rest loads to check models.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.config.kafka import KafkaConfig
    from streams.config.load import json_schema, load_config, parse_config
    from streams.config.models import Config, ModelConfig

__all__ = ["Config", "KafkaConfig", "ModelConfig", "json_schema", "load_config", "parse_config"]


def __getattr__(name: str) -> object:
    homes = {"KafkaConfig": "kafka", "Config": "models", "ModelConfig": "models"}
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{homes.get(name, 'load')}"), name)
