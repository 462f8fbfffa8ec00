"""What an alert is called follows from what was found of the model in the same tick, and from nothing else."""

from __future__ import annotations

import math
from typing import Any

import pytest

from streams.core.alert.calling import with_call
from streams.core.alert.notice import Notice
from streams.core.detect.finding import Finding
from tests.alerts.making import NOTICE
from tests.core.alert.making import EV, at, fell, finding, gone, moved, only, quiet, silence
from tests.core.alert.making import alerting as made


def traffic(watch: str, interval: tuple[float, float], **changes: Any) -> Finding:
    """Return a finding of traffic or of labels."""
    return finding(watch, 1, interval, kind="traffic", label_coverage=math.nan, **changes)


DROP = traffic("traffic", (-1.0, -0.86), reference=6.0)
MISSING = traffic("label_coverage", (-0.46, -0.34), reference=0.9)
LATE = traffic("label_delay", (0.9, 1.1), reference=8.0)
SLOW = finding("latency_p95", 1, (90.0, 110.0), reference=100.0)
QUALITY = fell("accuracy", 1)


def called(main: Finding, *findings: Finding) -> Notice:
    """Return the notice of an alert about one of the findings."""
    return with_call(NOTICE, main, [main, *findings])


@pytest.mark.parametrize(
    ("main", "others", "name"),
    [
        (QUALITY, [], "quality"),
        (QUALITY, [quiet("traffic", 1, kind="traffic")], "quality"),
        (QUALITY, [DROP], "outage / traffic"),
        (QUALITY, [silence(1, value=math.log(0.5), reference=6.0)], "outage / traffic"),
        (QUALITY, [MISSING], "missing labels"),
        (QUALITY, [MISSING, LATE], "delayed labels"),
        (QUALITY, [LATE], "quality"),  # nothing was lost
        (QUALITY, [SLOW], "quality"),
        (QUALITY, [moved("dep_delay", 1), fell("f1", 1)], "quality"),
        (QUALITY, [traffic("traffic", (-0.15, -0.05), reference=6.0)], "quality"),
        (QUALITY, [traffic("traffic", (-2.0, 0.2), reference=6.0)], "quality"),
        (fell("accuracy", 1, slice=EV), [DROP], "outage / traffic"),
        (fell("accuracy", 1, kind="threshold"), [QUALITY], "quality"),
        (DROP, [QUALITY, MISSING], "outage / traffic"),
        (MISSING, [DROP], "missing labels"),
        (MISSING, [LATE], "delayed labels"),
        (LATE, [], "delayed labels"),
        (SLOW, [DROP], "outage / traffic"),
        (moved("dep_delay", 1), [DROP], ""),
        (fell("accuracy", 1, kind="verdict"), [DROP], ""),
        (gone("accuracy", 1), [], ""),
    ],
)
def test_what_it_is_called(main: Finding, others: list[Finding], name: str) -> None:
    """By what stands beside it, is proven, and can have moved it so far; one about traffic or labels by these alone."""
    notice = called(main, *others)

    assert (notice.called, bool(notice.account)) == (name, bool(name))


def test_the_account_names_the_numbers() -> None:
    """Each cause with its evidence, quality last where it cannot be ruled out, and what was before the release."""
    notice = called(fell("accuracy", 1, release="version 7", reference=0.84), DROP)

    assert notice.account == (
        "At the same time traffic fell to 39.5 % of what it was. The level changed by -0.04 [-0.05, -0.03]; that can "
        "have other causes, but slices are not known, and the model is not ruled out. "
        "It was 0.84 before version 7, and has been 0.8 since."
    )


def test_the_order_of_findings_does_not_matter() -> None:
    """Whichever comes first, the notice is the same."""
    findings = [QUALITY, DROP, MISSING, LATE, SLOW]

    assert with_call(NOTICE, QUALITY, findings) == with_call(NOTICE, QUALITY, findings[::-1])


def test_it_stands_in_what_is_told_until_the_end() -> None:
    """The notice that an alert fires has its name and account, and so has the one that it is over."""
    one = made()
    fired = only(one, 1, QUALITY)
    only_quiet = [one.step(at(hour), [quiet("accuracy", hour)]) for hour in (2, 3)]
    over = only_quiet[-1][0]

    assert (fired.called, fired.account[:27]) == ("quality", "The level changed by -0.04 ")
    assert (over.status, over.called, over.account) == ("resolved", fired.called, fired.account)
    assert (fired.annotations()["called"], fired.annotations()["account"]) == (fired.called, fired.account)
