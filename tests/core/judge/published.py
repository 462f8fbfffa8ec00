"""Published numbers, one file a module: the inputs, what they should give, how closely, and who says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Method = Callable[[Mapping[str, Any]], Mapping[str, float | None]]


def vectors(module: str) -> list[Any]:
    """Read the vectors of a module, each as one case of a parametrised test."""
    read = json.loads((Path(__file__).parent / f"vectors_{module}.json").read_text(encoding="utf-8"))
    return [pytest.param(vector, id=f"{vector['method']}-{place}") for place, vector in enumerate(read)]


def assert_agrees(methods: Mapping[str, Method], vector: Mapping[str, Any]) -> None:
    """Assert that the named method gives every number that the vector expects, to its tolerance."""
    found = methods[vector["method"]](vector["inputs"])
    expected = vector["expected"]

    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=0, abs=vector["tolerance"])
