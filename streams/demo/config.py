"""How the demo's models are watched."""

from __future__ import annotations

from importlib.resources import files

from streams.config import Config, parse_config

_FILE = "flights.yaml"


def demo_config() -> Config:
    """Parse the demo's configuration, `flights.yaml` in this package."""
    return parse_config(files("streams.demo").joinpath(_FILE).read_text(encoding="utf-8"), _FILE)
