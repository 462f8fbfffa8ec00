"""Treatment of one event and of many: the same, and nothing that is not declared passes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.codecs.write import to_batch
from streams.core.block import SCHEMAS
from streams.core.privacy.pseudonym import Pseudonyms
from streams.core.privacy.rule import DROP, HASH, KEEP, Rule, known
from streams.core.privacy.treatment import MapRule, Plan, Treatment

NAMES = Pseudonyms(b"s", 1_000)
FIXED = dict.fromkeys(("prediction_id", "event_time", "model", "version", "role", "inclusion_probability"), KEEP)

texts = st.text(max_size=6)
of_text = st.sampled_from([KEEP, DROP, HASH, Rule("truncate", 2), known(("a", "b"))])
of_number = st.sampled_from([KEEP, DROP, Rule("bucket", 0.5)])
keys = st.sampled_from(["a", "b", "c"]) | texts
numbers = st.floats(-1e6, 1e6)


def maps(rules: st.SearchStrategy[Rule]) -> st.SearchStrategy[MapRule]:
    return st.builds(MapRule, st.dictionaries(st.sampled_from(["a", "b", "c"]), rules, max_size=3), rules)


plans = st.builds(
    lambda unit, label, ranking, score, attributes, features, others: Plan(
        FIXED | {"unit_id": unit, "label": label, "ranking": ranking, "score": score},
        {"attributes": attributes, "features": features, "assignments": MapRule()},
        others=others,
    ),
    of_text,
    of_text,
    of_text,
    of_number,
    maps(of_text),
    maps(of_number),
    st.sampled_from([KEEP, DROP]),
)
events = st.fixed_dictionaries(
    {
        "prediction_id": texts,
        "event_time": st.integers(0, 10_000),
        "model": texts,
        "version": texts,
        "unit_id": st.none() | texts,
        "label": st.none() | st.sampled_from(["a", "b"]) | texts,
        "ranking": st.none() | st.lists(texts, max_size=3),
        "score": st.none() | numbers,
        "attributes": st.dictionaries(keys, texts, max_size=3),
        "features": st.dictionaries(keys, numbers, max_size=3),
        "assignments": st.dictionaries(keys, texts, max_size=2),
    }
)


def plain(event: dict[str, Any]) -> dict[str, Any]:
    """Fields that are there, with maps as dictionaries."""
    named = {
        key: dict(value) if key in ("attributes", "features", "assignments") else value for key, value in event.items()
    }
    return {key: value for key, value in named.items() if value is not None}


@given(plan=plans, some=st.lists(events, max_size=5), first=st.integers(0, 2))
def test_one_and_many_are_treated_alike(plan: Plan, some: list[dict[str, Any]], first: int) -> None:
    """The columns say of each event what the dictionary says, also if they are a part of longer ones."""
    treatment, batch = Treatment(plan, NAMES), to_batch("prediction", some).slice(first)
    treated = treatment.table(batch)

    assert treated.schema.types == SCHEMAS["prediction"].types
    assert [plain(row) for row in treated.to_pylist()] == [
        plain(treatment.record(plain(row))) for row in batch.to_pylist()
    ]


@given(plan=plans, event=events)
def test_treated_again_nothing_changes(plan: Plan, event: dict[str, Any]) -> None:
    """What was treated in the service is the same after it was treated in the pipeline."""
    treatment = Treatment(plan, NAMES)
    once = treatment.record(event)

    assert treatment.record(once) == once


def test_a_plan_that_says_nothing_lets_nothing_pass() -> None:
    """Fields and keys that no rule names are dropped."""
    treatment = Treatment(Plan({"label": KEEP}, {"attributes": MapRule({"a": KEEP})}), NAMES)
    event = {"event_time": 1, "unit_id": "u", "label": "x", "attributes": {"a": "1", "b": "2"}, "more": {"c": 1}}

    assert treatment.record(event) == {"label": "x", "attributes": {"a": "1"}}
    assert treatment.record({"attributes": "no map"}) == {}


def test_the_time_of_the_event_chooses_the_key() -> None:
    """It may be given apart; what is no time has the key of the first period."""
    treatment = Treatment(Plan({"unit_id": HASH, "event_time": DROP}), NAMES)
    seventh = {"unit_id": NAMES.in_period("unit_id", "u", 7)}

    assert treatment.record({"event_time": 7_001, "unit_id": "u"}) == seventh
    assert treatment.record({"event_time": "7 ms", "unit_id": "u"}, 7_001) == seventh
    for senseless in (None, "never", 10**30):
        treated = treatment.record({"event_time": senseless, "unit_id": "u"})
        assert treated["unit_id"] == NAMES.in_period("unit_id", "u", 0)
