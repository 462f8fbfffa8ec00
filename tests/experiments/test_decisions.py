"""What the newest verdicts say of a whole experiment: decided, harmful, not to be trusted, or nothing yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.experiments.decisions import Finding, Judged, Row, Verdict, findings

DAY = timedelta(days=1)
START = datetime(2024, 3, 1, tzinfo=UTC)
OPEN = "not enough evidence"
ONE = Judged(("m",), ("new",), ("accuracy",), ("latency_p95",))
TWO = replace(ONE, arms=("a", "b"))


def row(kind: str, metric: str, arm: str, verdict: str, day: int = 0, model: str = "m") -> Row:
    """Return a row of experiment e whose verdict was first reached on that day."""
    first = None if verdict == OPEN else START + day * DAY
    return Row("e", model, kind, metric, arm, verdict, first, START + 99 * DAY)


def verdicts(arm: str, primary: str, guardrail: str) -> list[Row]:
    """Return the rows of one arm by the metrics of `ONE`."""
    return [row("primary", "accuracy", arm, primary, 1), row("guardrail", "latency_p95", arm, guardrail, 2)]


def find(judged: Judged, *rows: Row) -> Finding:
    """Return what is known of experiment e."""
    return findings({"e": judged}, rows)["e"]


@pytest.mark.parametrize(
    ("primary", "guardrail", "decision"),
    [
        ("better", "better", "decided"),
        ("better", "equivalent", "decided"),
        ("equivalent", "equivalent", "decided"),
        ("better", OPEN, None),
        (OPEN, "equivalent", None),
        (OPEN, OPEN, None),
        ("worse", "better", "harmful"),
        ("worse", OPEN, "harmful"),
        ("better", "worse", "harmful"),
        (OPEN, "worse", "harmful"),
    ],
)
def test_one_arm(primary: str, guardrail: str, decision: Verdict | None) -> None:
    """One arm is decided when everything is known and no guardrail is worse, and harmful as soon as anything is."""
    assert find(ONE, *verdicts("new", primary, guardrail)).decision == decision


@pytest.mark.parametrize(
    ("a", "b", "decision"),
    [
        (("better", "better"), ("worse", "better"), "decided"),
        (("better", "better"), (OPEN, "worse"), "decided"),
        (("better", "better"), (OPEN, "better"), None),
        ((OPEN, "worse"), (OPEN, "equivalent"), None),
        ((OPEN, "worse"), ("worse", OPEN), "harmful"),
    ],
)
def test_two_arms(a: tuple[str, str], b: tuple[str, str], decision: Verdict | None) -> None:
    """Harmful is only what harms every arm; an arm that is harmed needs no more answers, the other one does."""
    assert find(TWO, *verdicts("a", *a), *verdicts("b", *b)).decision == decision


def test_an_arm_that_is_harmed_alone_is_named() -> None:
    """The experiment goes on, and what is worse is told."""
    worse = row("guardrail", "latency_p95", "a", "worse")
    found = find(TWO, worse, *verdicts("b", OPEN, OPEN))

    assert (found.decision, found.since, found.grounds, found.harmed) == (None, None, (), (worse,))


@pytest.mark.parametrize(
    ("kind", "arm"), [("sample_ratio", "new"), ("sample_ratio", "__unknown__"), ("crossovers", "")]
)
@pytest.mark.parametrize("primary", ["better", "worse"])
def test_a_mismatch_decides_nothing(kind: str, arm: str, primary: str) -> None:
    """While a check fails, neither good nor harm is believed, and the check is told."""
    check = row(kind, kind, arm, "mismatch")

    assert find(ONE, check, *verdicts("new", primary, "better")) == Finding(mismatches=(check,))


@pytest.mark.parametrize("verdict", ["match", OPEN])
def test_a_check_that_has_not_failed_does_no_harm(verdict: str) -> None:
    """Checks that pass, or cannot say yet, hold up nothing."""
    check = row("sample_ratio", "sample_ratio", "new", verdict)

    assert find(ONE, check, *verdicts("new", "better", "better")).decision == "decided"


def test_without_a_primary_metric_nothing_is_decided() -> None:
    """Guardrails alone can do harm, but give no answer."""
    judged = replace(ONE, primary=())

    assert find(judged, row("guardrail", "latency_p95", "new", "better")).decision is None
    assert find(judged, row("guardrail", "latency_p95", "new", "worse")).decision == "harmful"


def test_without_an_arm_nothing_is_decided() -> None:
    """An experiment in which only the control gets units is not harmful, and not decided."""
    assert find(replace(ONE, arms=())).decision is None


def test_what_has_no_look_yet_is_not_known() -> None:
    """A metric, an arm or a model that is declared and has no row holds the decision up."""
    known = verdicts("new", "better", "better")

    assert find(replace(ONE, primary=("accuracy", "recall")), *known).decision is None
    assert find(replace(ONE, guardrail=("latency_p95", "crash_rate")), *known).decision is None
    assert find(replace(ONE, arms=("new", "newer")), *known).decision is None
    assert find(replace(ONE, models=("m", "other")), *known).decision is None
    assert find(ONE).decision is None


@pytest.mark.parametrize(
    "stray",
    [
        row("primary", "recall", "new", "worse"),
        row("primary", "accuracy", "old", "worse"),
        row("primary", "accuracy", "new", "worse", model="other"),
        row("exploratory", "recall", "new", "worse"),
        row("primary", "latency_p95", "new", "worse"),
        row("sample_ratio", "sample_ratio", "new", "mismatch", model="other"),
        replace(row("primary", "accuracy", "new", "worse"), experiment="other"),
    ],
)
def test_what_is_not_declared_does_not_count(stray: Row) -> None:
    """Looks at metrics, arms, roles, models and experiments that were taken off decide nothing any more."""
    known = verdicts("new", "better", "better")

    assert find(ONE, stray, *known) == find(ONE, *known)
    assert find(ONE, stray) == Finding()


def test_every_model_has_a_say() -> None:
    """An arm is harmed if it is on one model, and settled when it is on all of them."""
    judged = Judged(("m", "n"), ("new",), ("accuracy",))
    better = row("primary", "accuracy", "new", "better", 1)

    assert find(judged, better, row("primary", "accuracy", "new", "better", 3, "n")).decision == "decided"
    assert find(judged, better, row("primary", "accuracy", "new", "worse", 3, "n")).decision == "harmful"


def test_since_when_it_is_decided() -> None:
    """It is decided with the last answer that was missing; the grounds are the primary metrics and what is worse."""
    rows = [*verdicts("a", "equivalent", "better"), *verdicts("b", OPEN, "worse")]
    found = find(TWO, *rows)

    assert (found.decision, found.since) == ("decided", START + 2 * DAY)
    assert found.grounds == (rows[0], rows[3])


def test_since_when_it_is_harmful() -> None:
    """An arm is harmed with the first metric that is worse, the experiment with the last arm that is."""
    late = row("primary", "accuracy", "a", "worse", 9)
    rows = [row("guardrail", "latency_p95", "a", "worse", 4), late, row("primary", "accuracy", "b", "worse", 6)]
    found = find(TWO, *rows)

    assert (found.decision, found.since) == ("harmful", START + 6 * DAY)
    assert set(found.grounds) == set(found.harmed) == set(rows)


def test_experiments_are_apart() -> None:
    """Each experiment has a finding of its own, also one without any row."""
    others = [replace(one, experiment="f") for one in verdicts("new", "worse", "better")]
    found = findings({"e": ONE, "f": ONE, "g": ONE}, [*verdicts("new", "better", "better"), *others])

    assert {name: one.decision for name, one in found.items()} == {"e": "decided", "f": "harmful", "g": None}


WORDS = st.sampled_from(["better", "worse", "equivalent", OPEN])


@given(
    st.dictionaries(st.tuples(st.sampled_from("abc"), st.sampled_from("mn"), st.sampled_from("pqg")), WORDS),
    st.randoms(use_true_random=False),
)
def test_the_rule_in_other_words(known: dict[tuple[str, str, str], str], random: Random) -> None:
    """For random verdicts, in random order, it is what the rule says, written out over every cell of a table."""
    judged = Judged(("m", "n"), ("a", "b"), ("p", "q"), ("g",))
    rows = [
        row("guardrail" if metric == "g" else "primary", metric, arm, verdict, model=model)
        for (arm, model, metric), verdict in known.items()
    ]
    cells = {arm: [known.get((arm, model, metric), OPEN) for model in "mn" for metric in "pqg"] for arm in "ab"}
    harmed = {arm: "worse" in words for arm, words in cells.items()}
    settled = {arm: harmed[arm] or OPEN not in words for arm, words in cells.items()}
    expected = "harmful" if all(harmed.values()) else "decided" if all(settled.values()) else None
    shuffled = list(rows)
    random.shuffle(shuffled)

    assert find(judged, *shuffled) == find(judged, *rows)
    assert find(judged, *rows).decision == expected
