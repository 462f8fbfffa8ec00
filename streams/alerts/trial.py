"""A notice that says that nothing is wrong, to try a route with."""

from __future__ import annotations

from dataclasses import replace

from streams.core.alert.notice import Notice, Status


def trial(route: str, status: Status, now: int) -> Notice:
    """Return a harmless notice for a route: of the lowest severity, about no model, and soon over."""
    firing = Notice(
        dedup_key=f"test-{route}-{now}",
        revision=1,
        status="firing",
        reason="test",
        tick=now,
        model="streams-test",
        rule="test",
        kind="pipeline",
        watch="test",
        slice=(),
        severity="info",
        team="",
        state="firing",
        cause="alone",
        explanation="Somebody ran `streams alerts test`",
        title=f"Test of route {route}: nothing is wrong",
        value=None,
        reference=None,
        effect=None,
        low=None,
        high=None,
        n=0.0,
        n_effective=0.0,
        label_coverage=None,
        since=now,
        since_low=now,
        since_high=now,
        opened=now,
        flapping=False,
        worst_slices=(),
        worst_effects=(),
        release="",
        members=1,
        worst_members=(),
        query="",
        runbook="",
    )
    return firing if status == "firing" else replace(firing, status=status, revision=2, state="ok")
