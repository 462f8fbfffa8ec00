"""
Snapshots as bytes: a pipeline's state, to go on from exactly there.

The configuration's fingerprint stands in front, since state means nothing without it.
"""

from __future__ import annotations

from streams.config.models import Config
from streams.core.ids import hash_text
from streams.errors import StateCorrupt
from streams.pipeline import Pipeline
from streams.runtime.packing import decode, encode

_VERSION = 1


def save(pipeline: Pipeline, config: Config) -> bytes:
    """Return everything that the pipeline needs to go on."""
    return encode({"version": _VERSION, "config": fingerprint(config), "state": pipeline.snapshot()})


def load(data: bytes, config: Config) -> Pipeline:
    """
    Return a pipeline that goes on from a snapshot.

    Raises
    ------
    StateCorrupt
        The bytes are no snapshot, of another version, or of another configuration.
    """
    whole = decode(data, "snapshot")
    if not isinstance(whole, dict) or whole.get("version") != _VERSION:
        raise StateCorrupt(f"snapshot of {len(data)} bytes is not of version {_VERSION}: replay from the start")
    if whole["config"] != fingerprint(config):
        raise StateCorrupt("the snapshot was taken under another configuration: replay from the start")
    pipeline = Pipeline(config)
    pipeline.restore(whole["state"])
    return pipeline


def fingerprint(config: Config) -> int:
    """Return a number that changes with what state depends on: not with Kafka, samples, privacy, or what is watched."""
    # Without what is as by default: a key that a later version adds must not make every checkpoint worthless.
    # Without samples, experiments and watches, which come and go: what is kept of them says itself which it is of.
    apart = {"kafka", "idle_timeout", "experimentation", "detection", "assertions", "alerting", "sampling", "privacy"}
    compared = {"models": {"__all__": {"offline"}}}  # only read beside what is stored
    return hash_text(config.model_dump_json(exclude={**dict.fromkeys(apart, True), **compared}, exclude_defaults=True))
