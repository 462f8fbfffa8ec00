"""
The configuration: one YAML file that declares the models and how they are watched.

`load_config` reads a file and `parse_config` a text into a `Config`; both raise `ConfigError` with every problem at
once. `docs/configuration.md` describes the file.
"""

from __future__ import annotations

from streams.config.kafka import KafkaConfig
from streams.config.load import json_schema, load_config, parse_config
from streams.config.models import Config, ModelConfig

__all__ = ["Config", "KafkaConfig", "ModelConfig", "json_schema", "load_config", "parse_config"]
