"""
Print the part of requirements.lock that running or building `streams` needs, with its hashes, for the image.

The lock file also holds what the demo and the developers need. `python deploy/part_of_lock.py runtime` prints what
the dependencies of pyproject.toml need, `build` what its build system needs. Both files are read from the working
directory. It follows the lock's own comments, which say what wants each package. Should one be wrong, pip refuses
the result: with hashes it installs nothing that is not listed.
"""
# ruff: noqa: INP001

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ENTRY = re.compile(r"^(?P<name>[a-z0-9-]+)==.*\n(?:[ ]+.*\n)*", re.MULTILINE)
WANTED_BY = re.compile(r"^ +#(?: via)?(?: +(?P<name>[a-z0-9-]+))?(?: \(pyproject\.toml\))?$", re.MULTILINE)


def normal(requirement: str) -> str:
    """Return the name in a requirement, written as in the lock file: "PyYAML>=6; extra" is "pyyaml"."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement.strip())[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def roots(project: str, part: str) -> list[str]:
    """
    Return the packages that pyproject.toml names for a part.

    Raises
    ------
    ValueError
        The part is neither `runtime` nor `build`.
    """
    document = tomllib.loads(project)
    if part == "runtime":
        return [normal(requirement) for requirement in document["project"]["dependencies"]]
    if part == "build":
        return [normal(requirement) for requirement in document["build-system"]["requires"]]
    raise ValueError(f"{part!r} is no part of the lock file: write runtime or build")


def part_of(lock: str, wanted: Iterable[str]) -> str:
    """
    Return the entries of a lock file for `wanted` and for all that these need, in the order of the file.

    Raises
    ------
    ValueError
        One of `wanted` is not in the lock file.
    """
    entries = [(entry["name"], entry[0]) for entry in ENTRY.finditer(lock)]
    needed = set(wanted)
    if missing := sorted(needed - {name for name, _ in entries}):
        raise ValueError(f"not in requirements.lock: {', '.join(missing)}; write it again with `make lock`")
    wanted_by = [(name, {found["name"] for found in WANTED_BY.finditer(text)}) for name, text in entries]
    while more := {name for name, parents in wanted_by if parents & needed} - needed:
        needed |= more
    return "".join(text for name, text in entries if name in needed)


def main() -> int:
    """Print the part; return the exit code."""
    part = sys.argv[1] if len(sys.argv) == 2 else ""
    try:
        wanted = roots(Path("pyproject.toml").read_text(encoding="utf-8"), part)
        sys.stdout.write(part_of(Path("requirements.lock").read_text(encoding="utf-8"), wanted))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
