"""How alerts put it: names of slices, numbers, times, one line that a person reads, and the query behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from streams.core.detect.finding import Finding, Kind, Slice

_QUERY = """\
SELECT tick, value, reference, effect, low, high, n_effective, label_coverage, log_e
FROM signals FINAL
WHERE model = {model} AND kind = {kind} AND watch = {watch} AND slice = map({slice})
    AND tick BETWEEN {first} AND {last}
ORDER BY tick"""

_QUERY_OF_VERDICTS = """\
SELECT tick, arm, verdict, effect, low, high, arm_value, control_value, n_arm, n_control, label_coverage_arm, log_e
FROM verdicts FINAL
WHERE model = {model} AND experiment = {experiment} AND metric = {watch}{arm}
    AND tick BETWEEN {first} AND {last}
ORDER BY tick"""

_ESCAPES: Mapping[int, str] = str.maketrans({"\\": "\\\\", "'": "\\'", "\0": "\\0", "\n": "\\n", "\r": "\\r"})


def slice_text(slice_: Slice) -> str:
    """
    Name a slice; everything has an empty name.

    >>> slice_text((("carrier", "EV"), ("origin", "JFK")))
    'carrier=EV, origin=JFK'
    """
    return ", ".join(f"{attribute}={value}" for attribute, value in slice_)


def figure(number: float) -> str:
    """
    Write a number in three digits, a large one with all of those before its point.

    >>> figure(0.04123), figure(2400.7), figure(-3e20)
    ('0.0412', '2,401', '-3e+20')
    """
    return f"{number:,.0f}" if 999.5 <= abs(number) < 1e15 else f"{number:.3g}"


def moment(us: int) -> str:
    """
    Write a time as a person reads it, in UTC, to the minute.

    >>> moment(1_373_608_800_000_000)
    '2013-07-12 06:00'
    """
    return str(np.datetime64(us, "us").astype("datetime64[m]")).replace("T", " ")


def subject(finding: Finding) -> str:
    """Name what a finding is of, such as "accuracy where carrier=EV"."""
    return name_of(finding.kind, finding.watch, finding.slice)


def name_of(kind: Kind, watch: str, slice_: Slice) -> str:
    """Name what is watched."""
    if kind == "verdict":
        return _name_of_verdict(watch, dict(slice_))
    where = f" where {slice_text(slice_)}" if slice_ else ""
    return f"failures of {watch}{where}" if kind == "assertion" else f"{watch}{where}"


def put(finding: Finding, *, missing: bool) -> str:
    """
    Say what a finding found, such as "accuracy fell by 0.041 (0.032 to 0.05)", or that there is nothing to look at.

    An interval that reaches to both sides says no direction. Of a column it is said what moved, with raw categories.
    """
    if missing:
        return f"no data on {subject(finding)}"
    said = _effect(finding)
    return f"{said}, with {' and '.join(finding.moved)}" if finding.moved else said


def _effect(finding: Finding) -> str:
    """Say how far what a finding is of has moved."""
    if not math.isfinite(finding.effect):
        return f"{subject(finding)} changed"
    if finding.kind == "verdict" and "arm" not in dict(finding.slice):
        return f"{subject(finding)} {_of_units(finding)}"
    low, high = finding.low, finding.high
    if math.isnan(low) or math.isnan(high):
        return f"{subject(finding)} {_verb(finding)} {_amount(finding)}"
    if low <= 0 <= high:
        return f"{subject(finding)} changed by {figure(finding.effect)} ({figure(low)} to {figure(high)})"
    ends = sorted((abs(low), abs(high)))
    return f"{subject(finding)} {_verb(finding)} {_amount(finding)} ({figure(ends[0])} to {figure(ends[1])})"


def query(finding: Finding, first: int, last: int) -> str:
    """Return the SQL that shows the numbers of a finding's watch, in the ticks that end from `first` to `last` (us)."""
    named = {name: quoted(getattr(finding, name)) for name in ("model", "kind", "watch")}
    ticks = {"first": _instant(first), "last": _instant(last)}
    if finding.kind == "verdict":
        parts = {name: quoted(text) for name, text in finding.slice}
        arm = f" AND arm = {parts['arm']}" if "arm" in parts else ""
        return _QUERY_OF_VERDICTS.format(**named, **ticks, experiment=parts["experiment"], arm=arm)
    pairs = ", ".join(f"{quoted(attribute)}, {quoted(value)}" for attribute, value in finding.slice)
    return _QUERY.format(**named, **ticks, slice=pairs)


def quoted(text: str) -> str:
    r"""
    Write a text as a literal of ClickHouse, in which a backslash escapes.

    >>> print(quoted("it's \\ here"))
    'it\'s \\ here'
    """
    return f"'{text.translate(_ESCAPES)}'"


def _instant(us: int) -> str:
    return quoted(str(np.datetime64(us, "us")).replace("T", " "))


def _name_of_verdict(watch: str, parts: Mapping[str, str]) -> str:
    name = {"sample_ratio": "sample ratio", "crossovers": "units in more than one arm"}.get(watch, watch)
    return (
        f"{name} in arm {parts['arm']} of {parts['experiment']}"
        if "arm" in parts
        else f"{name} of {parts['experiment']}"
    )


def _of_units(finding: Finding) -> str:
    """Say what share of the units was found, and what share was due or is tolerated."""
    if finding.watch == "crossovers":
        return f"are {figure(finding.value)} of all, where {figure(finding.reference)} are tolerated"
    arms = [dict(where).get("arm", "") for where, _ in finding.worst]
    whose = f"arm {arms[0]}" if arms else "an arm"
    return f"is off: {whose} has {figure(finding.value)} of the units instead of {figure(finding.reference)}"


def _verb(finding: Finding) -> str:
    if finding.kind == "verdict":
        return "is below its control by" if finding.effect < 0 else "is above its control by"
    if finding.kind == "column":  # a distance has no direction
        return "moved by"
    if finding.kind == "threshold":
        return "is below its limit by" if finding.effect < 0 else "is above its limit by"
    return "fell by" if finding.effect < 0 else "rose by"


def _amount(finding: Finding) -> str:
    return figure(abs(finding.effect))
