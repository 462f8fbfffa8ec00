"""What a change is called: each cause from what stands beside it, and a real drop never hidden."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streams.core.detect.explain import Beside, Change, broken, explain, lost, proven
from streams.core.detect.movers import Movement, Part
from streams.core.judge.evidence import Interval
from streams.core.judge.fixed import Measurement

DROP = Change(0.9, -0.05, Interval(-0.07, -0.03), margin=0.01, limits=(0.0, 1.0))
HALVED = Measurement(math.log(0.5), 0.05)
DOUBLED = Measurement(math.log(2), 0.05)
STILL = Measurement(0.01, 0.05)


def split(within: float, mix: float, error: float = 0.005) -> Movement:
    """What slices did, with intervals of two errors."""
    parts = [Part(x, Interval(x - 2 * error, x + 2 * error)) for x in (within + mix, within, mix)]
    return Movement(parts[0], parts[1], parts[2], ())


def causes(change: Change, beside: Beside) -> list[str]:
    return [call.cause for call in explain(change, beside)]


def test_alone_it_is_quality() -> None:
    """With nothing beside it, or only what is not proven, the change is the model's."""
    calm = Beside(STILL, STILL, Measurement(0.001, 0.01), STILL, STILL, split(-0.05, 0.0))

    assert causes(DROP, Beside()) == ["quality"]
    assert causes(DROP, calm) == ["quality"]


@pytest.mark.parametrize(
    ("beside", "cause"),
    [
        (Beside(coverage=HALVED, delay=STILL), "missing labels"),
        (Beside(coverage=HALVED), "missing labels"),
        (Beside(coverage=HALVED, delay=DOUBLED), "delayed labels"),
        (Beside(traffic=HALVED), "outage / traffic"),
        (Beside(failures=Measurement(0.3, 0.01)), "outage / traffic"),
        (Beside(traffic=DOUBLED), "outage / traffic"),
    ],
)
def test_what_could_be_all_of_it_is_named_first(beside: Beside, cause: str) -> None:
    """It is the only cause where slices by themselves stayed; else quality is told after it."""
    assert causes(DROP, replace(beside, movement=split(-0.002, -0.04))) == [cause, "mix of traffic"]
    assert causes(DROP, replace(beside, movement=split(-0.005, -0.004))) == [cause]
    assert causes(DROP, beside) == [cause, "quality"]
    assert causes(DROP, replace(beside, movement=split(-0.05, 0.0))) == [cause, "quality"]


def test_a_drop_beyond_what_an_outage_can_do_is_quality_first() -> None:
    """With 30 % of the traffic lost, a level of 0.9 falls by 0.043 at the most: a drop of 0.3 is real, even so."""
    slight = Beside(traffic=Measurement(math.log(0.7), 0.02), movement=split(0.0, -0.001))
    deep = Change(0.9, -0.3, Interval(-0.35, -0.25), limits=(0.0, 1.0))

    assert causes(deep, slight) == ["quality", "outage / traffic"]
    assert causes(replace(deep, limits=None), slight) == ["quality", "outage / traffic"]


def test_slower_answers_alone_do_not_excuse_quality() -> None:
    """Latency and label delay are told, but no event was lost by them: quality stays first."""
    assert causes(DROP, Beside(latency=DOUBLED, movement=split(0.0, 0.0))) == ["quality", "outage / traffic"]
    assert causes(DROP, Beside(delay=DOUBLED, movement=split(0.0, 0.0))) == ["quality", "delayed labels"]


def test_most_of_it_being_mix_is_called_that() -> None:
    """Mix that is proven, on the change's side and at least half; quality beside it where slices fell as well."""
    assert causes(DROP, Beside(movement=split(-0.005, -0.045))) == ["mix of traffic"]
    assert causes(DROP, Beside(movement=split(-0.02, -0.03))) == ["mix of traffic", "quality"]
    assert causes(DROP, Beside(movement=split(-0.03, -0.02))) == ["quality"]
    assert causes(DROP, Beside(movement=split(-0.005, -0.045, error=0.1))) == ["quality"]
    assert causes(DROP, Beside(movement=split(0.1, -0.05))) == ["quality"]


def test_simpsons_paradox_is_mix() -> None:
    """A whole that fell while every slice rose is a change of mix, and not of the model."""
    assert causes(DROP, Beside(movement=split(0.03, -0.08))) == ["mix of traffic"]


@given(level=st.floats(0.05, 0.95), kept=st.floats(0.05, 0.89), lost_level=st.floats(0.01, 0.99))
def test_what_is_lost_never_moves_a_level_further_than_it_can(level: float, kept: float, lost_level: float) -> None:
    """Take away any part of the events, of any level: that what is left moved is never called quality first."""
    left = (level - (1 - kept) * lost_level) / kept
    assume(0 <= left <= 1 and abs(left - level) > 1e-6)
    change = Change(level, left - level, Interval(left - level - 1e-9, left - level + 1e-9), limits=(0.0, 1.0))

    assert causes(change, Beside(coverage=Measurement(math.log(kept), 0.0))) == ["missing labels", "quality"]


@given(
    effect=st.floats(-0.5, 0.5).filter(lambda x: abs(x) > 0.02),
    logs=st.lists(st.floats(-3, 3), min_size=4, max_size=4),
    failures=st.floats(0, 0.5),
    within=st.floats(0.011, 0.5),
)
def test_a_real_change_is_never_hidden(effect: float, logs: list[float], failures: float, within: float) -> None:
    """Where slices by themselves changed beyond the margin, quality is told, whatever else happened."""
    change = Change(0.5, effect, Interval(effect - 0.01, effect + 0.01), margin=0.01, limits=(0.0, 1.0))
    side = math.copysign(within, effect)
    traffic, latency, coverage, delay = (Measurement(x, 0.01) for x in logs)
    beside = Beside(traffic, latency, Measurement(failures, 0.001), coverage, delay, split(side, effect - side))

    assert "quality" in causes(change, beside)


def test_rises_are_treated_as_falls_are() -> None:
    """Mirrored, a change has the same causes."""
    rise = Change(0.1, 0.05, Interval(0.03, 0.07), margin=0.01, limits=(0.0, 1.0))
    for beside in (Beside(coverage=HALVED), Beside(traffic=HALVED), Beside(failures=Measurement(0.3, 0.01))):
        assert causes(rise, beside) == causes(DROP, beside)
    assert causes(rise, Beside(movement=split(0.005, 0.045))) == ["mix of traffic"]


def test_proof_needs_more_with_fewer_ticks() -> None:
    """Four standard errors prove a change with many ticks, not with five; what never varied and changed is proven."""
    assert proven(Measurement(-0.4, 0.1)) == -0.4
    assert proven(Measurement(-0.3, 0.1)) == 0.0
    assert proven(Measurement(-0.4, 0.1, 4.0)) == 0.0
    assert proven(Measurement(-0.4, 0.0)) == -0.4
    assert proven(None) == 0.0


def test_shares_that_are_lost_and_broken_add_up() -> None:
    """Half of the traffic with half of the labels is a quarter; doubled traffic is half new; never more than all."""
    assert lost(Beside(traffic=HALVED, coverage=HALVED)) == pytest.approx(0.75)
    assert lost(Beside(traffic=DOUBLED)) == 0.0
    assert broken(Beside(traffic=DOUBLED)) == pytest.approx(0.5)
    assert broken(Beside(traffic=DOUBLED, failures=Measurement(0.9, 0.01))) == 1.0


def test_evidence_is_one_sentence_with_its_numbers() -> None:
    """Each call says what was seen: how far, and at the same time as what."""
    beside = Beside(HALVED, DOUBLED, Measurement(0.25, 0.01), HALVED, DOUBLED, split(-0.02, -0.03))
    told = {call.cause: call.evidence for call in explain(DROP, beside)}

    assert told == {
        "delayed labels": "Label coverage fell to 50 % of what it was, and labels took 200 % as long as before.",
        "outage / traffic": "At the same time traffic fell to 50 % of what it was, "
        "and 25 % more of the requests failed, and answers took 200 % as long as before.",
        "mix of traffic": "Of a change of -0.05, -0.03 is that slices have other shares of the traffic, and -0.02 is "
        "within slices.",
        "quality": "The level changed by -0.05 [-0.07, -0.03]; that can have other causes, but slices by themselves "
        "changed by -0.02, and the model is not ruled out.",
    }


def test_extremes_are_no_trouble() -> None:
    """All traffic gone, and effects of a thousand standard deviations, are told without a failure."""
    gone = Beside(traffic=Measurement(-1e3, 0.1), coverage=Measurement(-1e3, 0.1), failures=Measurement(1.0, 0.0))
    far = Change(0.5, -1e3, Interval(-math.inf, math.inf))

    assert causes(DROP, gone)[-1] == "quality"
    assert causes(DROP, Beside(traffic=Measurement(1e3, 0.1)))[0] == "outage / traffic"
    assert causes(far, gone)[0] == "quality"
    assert np.isfinite(lost(gone))


def test_bad_changes_are_refused() -> None:
    """No change, one outside its interval, a negative margin and a level beyond the limits are errors."""
    with pytest.raises(ValueError, match="must not be 0"):
        Change(0.9, 0.0, Interval(-1, 1))
    with pytest.raises(ValueError, match="outside its interval"):
        Change(0.9, -0.5, Interval(-0.1, 0.1))
    with pytest.raises(ValueError, match="margin"):
        Change(0.9, -0.5, Interval(-1, 1), margin=-1)
    with pytest.raises(ValueError, match="limits"):
        Change(1.2, -0.5, Interval(-1, 1), limits=(0, 1))
