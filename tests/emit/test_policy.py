"""What a policy records: more of some, with the chance that each says, and outcomes with their predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.sampling.joint import estimated_total, joint_probability
from streams.emit import AsyncEmitter, Feedback, Outcome, Policy, Prediction
from streams.emit.sampling import number_of, recorded
from streams.errors import UsageError
from streams.testing import MemoryEmitter

POLICY = Policy(0.2, unsure=(0.4, 0.6), labels=["rare"], crashes=True)


def asked(place: int = 0, **fields: Any) -> Prediction:
    return Prediction(**({"prediction_id": f"p{place}", "model": "m", "version": "1"} | fields))


@pytest.mark.parametrize(
    ("fields", "least", "chance"),
    [
        ({}, None, 0.2),
        ({"score": 0.5}, None, 1.0),
        ({"score": 0.4}, None, 0.2),
        ({"score": 0.6}, None, 0.2),
        ({"label": "rare"}, None, 1.0),
        ({"label": "rare", "score": 0.9}, 0.5, 1.0),
        ({"label": "usual", "score": 0.9}, 0.5, 0.5),
        ({"label": "usual"}, 0.1, 0.2),
    ],
)
def test_the_largest_chance_counts(fields: dict[str, Any], least: float | None, chance: float) -> None:
    """A prediction has the largest of the chances that the rules and the call give it."""
    assert POLICY.chance(asked(**fields), least) == chance


@given(st.floats(0, 1), st.sampled_from(["usual", "rare", None]), st.floats(0, 1))
def test_chances_are_the_joint_ones_of_the_pipeline(score: float, label: str | None, least: float) -> None:
    """They are what policies side by side give in `streams.core.sampling`, and events say them, times their own."""
    rules = [0.2, float(0.4 < score < 0.6), float(label == "rare"), least]
    joint = joint_probability([np.array([one]) for one in rules])[0]
    made = asked(score=score, label=label, inclusion_probability=0.5)
    found = recorded(made, POLICY, least)

    assert POLICY.chance(made, least) == joint
    assert (found is not None) == (number_of("p0") < joint)
    if found is not None:
        assert isinstance(found, Prediction)
        assert found.inclusion_probability == 0.5 * joint


def test_totals_of_what_is_recorded_are_those_of_all() -> None:
    """Weighted by their chances, records stand for all predictions: within 4 standard errors, in all and in part."""
    emitter, scores = MemoryEmitter().recording(POLICY), np.random.default_rng(4).random(5_000)
    for place, score in enumerate(scores.tolist()):
        emitter.emit(asked(place, score=score, label="rare" if score > 0.98 else "usual"))
    chances = np.array([one.inclusion_probability for one in emitter.predictions])
    kept = np.array([one.score for one in emitter.predictions], np.float64)
    total, error = estimated_total(kept, chances)

    assert {*chances.tolist()} == {0.2, 1.0}
    assert abs(total - scores.sum()) < 4 * error
    assert (chances == 1).sum() == ((scores > 0.4) & (scores < 0.6) | (scores > 0.98)).sum()


def test_with_rules_every_outcome_is_recorded() -> None:
    """Nobody knows what the rules said of its prediction; without rules it follows the share."""
    ruled, shared = MemoryEmitter().recording(POLICY), MemoryEmitter().recording(Policy(0.2))
    for emitter in (ruled, shared):
        for place in range(300):
            emitter.emit(asked(place))
            emitter.emit(Outcome(prediction_id=f"p{place}", label="1"))
            emitter.emit(Feedback(feedback_id=f"f{place}", prediction_id=f"p{place}", kind="click"))

    assert len(ruled.outcomes) == len(ruled.feedback) == 300
    assert [one.prediction_id for one in shared.outcomes] == [one.prediction_id for one in shared.predictions]


def test_an_outcome_with_its_predictions_chance_is_recorded_with_it() -> None:
    """Elsewhere, with the chance alone, exactly the outcomes of recorded predictions are; a larger chance has them."""
    here, there, wider = (MemoryEmitter().recording(POLICY) for _ in range(3))
    for place in range(500):
        prediction = asked(place, score=place / 500)
        chance = POLICY.chance(prediction)
        here.emit(prediction)
        there.emit(Outcome(prediction_id=f"p{place}", label="1"), chance)
        wider.emit(Outcome(prediction_id=f"p{place}", label="1"), min(2 * chance, 1.0))
    kept = [one.prediction_id for one in here.predictions]

    assert [one.prediction_id for one in there.outcomes] == kept
    assert {*kept} < {one.prediction_id for one in wider.outcomes}
    assert len(wider.outcomes) < 500


@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize("crashes", [False, True])
def test_crashes_are_recorded_in_full_where_that_is_asked_for(crashes: bool, around: bool) -> None:
    """Every call that crashes, its prediction with the chance 1 and its feedback; also on asyncio."""
    kept = MemoryEmitter()
    emitter = AsyncEmitter.around(kept) if around else kept
    emitter.recording(Policy(1e-9, crashes=crashes))
    for place in range(20):
        with pytest.raises(ZeroDivisionError), emitter.measure("m", "1", request_id=f"r{place}"):
            1 / 0  # noqa: B018
        with emitter.measure("m", "1", request_id=f"w{place}"):
            pass

    assert [one.request_id for one in kept.predictions] == [f"r{place}" for place in range(20 * crashes)]
    assert {one.inclusion_probability for one in kept.predictions} <= {1.0}
    assert [one.kind for one in kept.feedback] == ["crash"] * (20 * crashes)


def test_an_emitter_on_asyncio_records_and_treats_as_the_one_inside() -> None:
    """What `recording` and `treating` are told reaches the emitter that keeps the events."""
    kept = MemoryEmitter()
    emitter = AsyncEmitter.around(kept).recording(0.3).treating(lambda event: event | {"unit_id": None})
    for place in range(200):
        emitter.emit(asked(place, unit_id="u"))

    assert 0 < len(kept.predictions) < 200
    assert {(one.unit_id, one.inclusion_probability) for one in kept.predictions} == {(None, 0.3)}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"share": 0.0}, "above 0 and at most 1"),
        ({"share": 1.5}, "above 0 and at most 1"),
        ({"share": float("nan")}, "above 0 and at most 1"),
        ({"unsure": (0.6, 0.4)}, "the lower score first"),
        ({"unsure": (0.5, float("nan"))}, "the lower score first"),
        ({"labels": "fraud"}, r"such as \['fraud'\]"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], says: str) -> None:
    """A share that is none, scores out of order, and one text in place of a list of classes."""
    with pytest.raises(UsageError, match=says):
        Policy(**({"share": 0.1} | wrong))


@pytest.mark.parametrize("score", ["0.5", [0.5], {}])
def test_what_no_message_can_hold_is_refused_before_rules_look_at_it(score: Any) -> None:
    """A score of a wrong type raises nothing: the event is refused and counted."""
    emitter = MemoryEmitter().recording(POLICY)

    assert not emitter.emit(asked(score=score))
    assert emitter.stats().dropped["invalid"] == 1
