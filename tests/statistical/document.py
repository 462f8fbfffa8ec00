"""
The tables of docs/statistics.md, from the results that the long form wrote.

A table stands behind a comment that names it, and ends before the next.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.statistical.power import EFFECTS, SHARE, Method
from tests.statistical.scenario import Result
from tests.statistical.scenarios import GROUPS

RESULTS = Path(__file__).with_name("results.json")
DOCUMENT = Path(__file__).parents[2] / "docs" / "statistics.md"
_DIGITS = 6


def write(results: Sequence[Result], methods: Sequence[Method], seed: int) -> None:
    """Write the results, and the document's tables from them."""
    found = {
        "seed": seed,
        "scenarios": [asdict(one) for one in results],
        "power": [asdict(one) for one in methods],
    }
    RESULTS.write_text(json.dumps(_rounded(found), indent=1) + "\n", encoding="utf-8")
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


def read() -> Mapping[str, Any]:
    """Read the results."""
    return dict(json.loads(RESULTS.read_text(encoding="utf-8")))


def rewritten(text: str) -> str:
    """Return the document with its tables as the results have them; a ValueError names a table that has no place."""
    for name, table in tables(read()).items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        if not start:
            raise ValueError(f'docs/statistics.md has no place for the table "{name}": put <!-- {name} --> there')
        text = before + start + table + "\n" + rest[rest.index("<!-- end -->") :]
    return text


def tables(found: Mapping[str, Any]) -> dict[str, str]:
    """Return all tables by name."""
    results = {one["name"]: Result(**one) for one in found["scenarios"]}
    groups = {name: [results[one.name] for one in group] for name, group in GROUPS.items()}
    shown = {
        name: _promises(one for one in group if one.kind == "promise")
        for name, group in groups.items()
        if name != "contrasts"
    }
    for kind, name in (("limit", "limits"), ("contrast", "contrasts")):
        shown[name] = _others(one for one in results.values() if one.kind == kind)
    return shown | {"power": _power(found["power"]), "sizes": _sizes(found["power"])}


def _promises(results: Iterable[Result]) -> str:
    rows = [
        [
            f"`{one.method}`",
            one.about,
            f"{one.promised:.4g}",
            _with_error(one.measured, one.error),
            *_scope(one),
            _kept(one),
        ]
        for one in results
    ]
    return _table(["method", "situation", "at most", "measured", "looks", "paths", "kept"], rows)


def _others(results: Iterable[Result]) -> str:
    rows = [
        [f"`{one.method}`", one.about, f"{one.promised:.4g}", _with_error(one.measured, one.error), *_scope(one)]
        for one in results
    ]
    return _table(["method", "situation", "nominal", "measured", "looks", "paths"], rows)


def _scope(one: Result) -> list[str]:
    return [f"{one.looks:,}", f"{one.paths:,}"]


def _kept(one: Result) -> str:
    return "**no**" if one.broken else "yes"


def _power(methods: Sequence[Mapping[str, Any]]) -> str:
    head = ["method", "looks", *(f"{SHARE + effect:.1%}" for effect in EFFECTS)]
    rows = [
        [one["name"], str(one["looks"]), *(_with_error(cell["power"], cell["power_error"]) for cell in one["found"])]
        for one in methods
    ]
    return _table(head, rows)


def _sizes(methods: Sequence[Mapping[str, Any]]) -> str:
    head = ["method", *(f"{SHARE + effect:.1%}" for effect in EFFECTS), "largest size for 80 %, fixed = 1"]
    rows = [
        [
            one["name"],
            *(f"{cell['size']:,.0f} ± {cell['size_error']:,.0f}" for cell in one["found"]),
            "" if one["largest"] is None else f"{one['largest']:.2f}",
        ]
        for one in methods
    ]
    return _table(head, rows)


def _with_error(value: float, error: float) -> str:
    return f"{value:.4f} ± {error:.4f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    words = 2 if head[1] == "situation" else 1
    lines = [head, [*["---"] * words, *["---:"] * (len(head) - words)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _rounded(value: Any) -> Any:
    """Numbers to six digits, so that a file can be read and compared."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return round(value, _DIGITS) if isinstance(value, float) else value
