"""The models know nothing before it happened, and differ as the demo says they do."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from streams.demo.models import Floats, Settings, predict

HOUR_US = 3_600_000_000
JANUARY_8 = 1_357_603_200_000_000
JANUARY_15 = 1_358_208_000_000_000
EARLY_FREEZE = Settings(freeze_at=JANUARY_8)


def alter_outcomes_from(flights: pl.DataFrame, time: int) -> pl.DataFrame:
    """Turn every outcome at `time` or after into its opposite, an hour later."""
    happened_after = pl.col("outcome_time") >= time
    return flights.with_columns(
        late=pl.when(happened_after).then(~pl.col("late")).otherwise("late"),
        outcome_time=pl.when(happened_after).then(pl.col("outcome_time") + HOUR_US).otherwise("outcome_time"),
    )


@pytest.mark.parametrize("begin", [JANUARY_15 + 2 * HOUR_US, JANUARY_15 + 18 * HOUR_US], ids=["landing then", "none"])
def test_no_prediction_uses_an_outcome_of_its_future(three_weeks: pl.DataFrame, begin: int) -> None:
    """
    Outcomes from the beginning of a batch on change what is predicted after it, nothing in it or before.

    At the first of the two beginnings flights land at that very moment, at the other none do.
    """
    as_it_was = predict(three_weeks, EARLY_FREEZE)
    altered = predict(alter_outcomes_from(three_weeks, begin), EARLY_FREEZE)
    until_then = (three_weeks["departure_time"] < begin + EARLY_FREEZE.batch).to_numpy()

    np.testing.assert_array_equal(altered["refreshed"][until_then], as_it_was["refreshed"][until_then])
    assert np.abs(altered["refreshed"] - as_it_was["refreshed"])[~until_then].max() > 0.1


def test_static_learns_nothing_once_frozen(three_weeks: pl.DataFrame) -> None:
    """Outcomes from the freeze on change nothing of what the static version says; one hour before, they do."""
    as_it_was = predict(three_weeks, EARLY_FREEZE)["static"]
    after = predict(alter_outcomes_from(three_weeks, JANUARY_8), EARLY_FREEZE)["static"]
    before = predict(alter_outcomes_from(three_weeks, JANUARY_8 - HOUR_US), EARLY_FREEZE)["static"]

    np.testing.assert_array_equal(after, as_it_was)
    assert np.abs(before - as_it_was).max() > 0.01


def test_versions_are_one_model_until_the_freeze(three_weeks: pl.DataFrame) -> None:
    """Both versions say the same before the freeze, and differ after it."""
    scores = predict(three_weeks, EARLY_FREEZE)
    before = (three_weeks["departure_time"] < JANUARY_8).to_numpy()

    np.testing.assert_array_equal(scores["static"][before], scores["refreshed"][before])
    assert not np.array_equal(scores["static"][~before], scores["refreshed"][~before])


def test_scores_are_probabilities(scores: dict[str, Floats]) -> None:
    """Every flight has a score between 0 and 1 from both versions."""
    assert list(scores) == ["static", "refreshed"]
    for of_version in scores.values():
        assert of_version.shape == (336_776,)
        assert ((of_version >= 0) & (of_version <= 1)).all()


def test_static_decays_and_refreshed_holds(flights: pl.DataFrame, scores: dict[str, Floats]) -> None:
    """Static's monthly ROC AUC falls from over 0.66 to under 0.62 while refreshed stays between 0.65 and 0.79."""
    months = {version: monthly_auc(flights, of_version) for version, of_version in scores.items()}

    assert months["static"][0] > 0.66
    assert months["static"][11] < 0.62
    assert all(0.65 < auc < 0.79 for auc in months["refreshed"])


def monthly_auc(flights: pl.DataFrame, score: Floats) -> list[float]:
    """ROC AUC of each month of 2013, by scheduled departure in UTC."""
    month = pl.from_epoch("departure_time", "us").dt.truncate("1mo")
    labelled = flights.with_columns(score=score, month=month).drop_nulls("late")
    return [
        float(roc_auc_score(part["late"], part["score"])) for _, part in labelled.group_by("month", maintain_order=True)
    ][:12]


def test_progress_ends_at_the_last_flight(three_weeks: pl.DataFrame) -> None:
    """Progress is told in growing numbers of flights, up to all of them."""
    told: list[tuple[int, int | None]] = []
    predict(three_weeks, EARLY_FREEZE, lambda done, total: told.append((done, total)))

    assert told == sorted(told)
    assert told[-1] == (len(three_weeks), len(three_weeks))
