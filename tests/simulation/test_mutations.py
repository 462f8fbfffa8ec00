"""
The tests see what they are there for: each mutation brings back one way to lose or repeat events, and is found out.

A mutation is a diff of `streams/` in `mutations/`. Above the diff it says what goes wrong with it, and what must then
fail: `fails: worlds FIRST..LAST`, seeds of the simulation of which some go wrong, or `fails: tests/FILE.py::NAME`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kafka.conftest import require_kafka

ROOT = Path(__file__).parent.parent.parent
MUTATIONS = sorted((Path(__file__).parent / "mutations").glob("*.diff"))
SECONDS = 120.0


def mutant(diff: Path, place: Path) -> Path:
    """Copy the package to a place and change it; the tests there are those that are here."""
    shutil.copytree(ROOT / "streams", place / "streams", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", place)
    for name in ("tests", "schemas", "deploy"):
        (place / name).symlink_to(ROOT / name)
    done = subprocess.run(["git", "apply", str(diff)], cwd=place, capture_output=True, text=True, check=False)  # noqa: S603, S607
    assert done.returncode == 0, f"{diff.name} does not fit the code any more; make it anew\n{done.stderr}"
    return place


def run(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the package of a place."""
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(  # noqa: S603
        command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
    )


def assert_found_out(place: Path, fails: str) -> None:
    """Run what must fail, and see that it does so because of what it looks at."""
    worlds = re.fullmatch(r"worlds (\d+)\.\.(\d+)", fails)
    if worlds:
        first, last = map(int, worlds.groups())
        seeds = ("--first", str(first), "--seeds", str(last - first + 1))
        done = run(place, "-m", "tests.simulation.many", *seeds, "--processes", "1")
        found = re.search(r"^world \d+ went wrong", done.stderr, re.MULTILINE)
    else:
        done = run(place, "-m", "pytest", "-n0", "-p", "no:cacheprovider", "-p", "no:randomly", fails)
        found = re.search(r"^FAILED ", done.stdout, re.MULTILINE)
    assert done.returncode == 1, (fails, done.stdout, done.stderr)
    assert found, (fails, done.stdout, done.stderr)


@pytest.mark.parametrize("diff", MUTATIONS, ids=lambda diff: diff.stem)
def test_a_mutation_is_found_out(diff: Path, tmp_path: Path) -> None:
    """With the fault in the code the simulation, or the test that is named, fails."""
    told = re.search(r"^fails: (.+)$", diff.read_text("utf-8"), re.MULTILINE)
    assert told, f"{diff.name} does not say what must fail"
    if told[1].startswith("tests/kafka/"):
        require_kafka()
    assert_found_out(mutant(diff, tmp_path), told[1])
