"""Random declarations, expressions, conditions and subjects, legal ones, for Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Plain = Any

ATTRIBUTES = ("country", "age", "app", "plan", "odd")
TEXTS = st.sampled_from(["DE", "AT", "pro", "4.2", "4.10.0", "v5", "18", "-3.5", "1e400", "true", "", "ü", "0", "7"])
NUMBERS = st.one_of(
    st.integers(-20, 20),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.5, -0.5, 0.1, 1e308, -1e308, 2.0**53, 0.0]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
LITERALS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
)
ODD_VALUES = st.sampled_from([float("nan"), float("inf"), 10**400, -(2**60), b"bytes", {"a": 1}, object()])
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), ODD_VALUES)
SEGMENTS = {
    "dach": {"attribute": "country", "values": ["DE", "AT", "CH"]},
    "staff": {"units": ["u1", "u2"]},
    "seven": {"attribute": "age", "values": ["7"]},
}
IDS = st.sampled_from(["u1", "u7", "ü", "0"])


@st.composite
def attributes(draw: st.DrawFn) -> dict[str, Plain]:
    """Attributes of a subject, of every kind that a service might give."""
    return draw(st.dictionaries(st.sampled_from(ATTRIBUTES), VALUES, max_size=5))


def _tests() -> st.SearchStrategy[dict[str, Plain]]:
    text = st.sampled_from(["DE", "18", "true", "4", "7"])
    version = st.sampled_from(["4", "4.2", "4.10", "v5.0.0", "0"])
    number = st.one_of(st.integers(-20, 20), st.floats(-1e3, 1e3))
    return st.fixed_dictionaries(
        {"attribute": st.sampled_from(ATTRIBUTES)},
        optional={
            "equals": text,
            "in": st.lists(text, min_size=1, max_size=3),
            "less_than": number,
            "at_most": number,
            "more_than": number,
            "at_least": number,
            "starts_with": text,
            "version_below": version,
            "version_at_least": version,
        },
    ).filter(lambda condition: len(condition) > 1)


PRESENCE = st.fixed_dictionaries({"attribute": st.sampled_from(ATTRIBUTES), "present": st.booleans()})
CONDITIONS: st.SearchStrategy[Plain] = st.recursive(
    st.one_of(_tests(), PRESENCE, st.sampled_from(sorted(SEGMENTS)).map(lambda name: {"segment": name})),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=6,
)

TWO = ("equals", "in", "less_than", "at_most", "more_than", "at_least", "subtract", "divide", "modulo", "item")
ANY_NUMBER = ("all", "any", "add", "multiply", "minimum", "maximum", "coalesce")
ONE = ("not", "floor", "round", "length", "number", "text")
SALTED = st.fixed_dictionaries(
    {"salt": st.sampled_from(["a", "b", "ü"])},
    optional={
        "unit": st.lists(st.sampled_from(["unit_id", "request_id", "country", "age"]), min_size=1, max_size=2),
    },
)


def _operator(names: tuple[str, ...], argument: st.SearchStrategy[Plain]) -> st.SearchStrategy[Plain]:
    return st.builds(lambda name, value: {name: value}, st.sampled_from(names), argument)


def _draws(inner: st.SearchStrategy[Plain]) -> st.SearchStrategy[Plain]:
    choices = st.lists(inner, max_size=4) | inner
    chance = st.floats(0, 1) | inner
    pair = st.tuples(st.integers(-9, 9), st.integers(0, 2**53)).map(lambda pair: [pair[0], pair[0] + pair[1]])
    reals = st.tuples(st.floats(-1e308, 1e308), st.floats(-1e308, 1e308)).map(sorted)
    arguments = st.one_of(
        st.fixed_dictionaries({"uniform_choice": choices}),
        st.fixed_dictionaries(
            {"weighted_choice": st.just([1, 2, 3]), "weights": st.lists(st.floats(0, 9), max_size=4)}
        ),
        st.fixed_dictionaries({"weighted_choice": choices, "weights": choices}),
        st.fixed_dictionaries({"bernoulli_trial": chance}),
        st.fixed_dictionaries({"random_integer": pair | choices}),
        st.fixed_dictionaries({"random_float": reals | choices}),
        st.fixed_dictionaries({"sample": choices, "draws": st.integers(0, 4) | inner}),
    )
    return st.builds(lambda draw, salt: {**draw, **salt}, arguments, SALTED)


def _deeper(inner: st.SearchStrategy[Plain]) -> st.SearchStrategy[Plain]:
    return st.one_of(
        st.lists(inner, max_size=3),
        _operator(ONE, inner),
        _operator(TWO, st.lists(inner, min_size=2, max_size=2)),
        _operator(ANY_NUMBER, st.lists(inner, min_size=1, max_size=3)),
        st.fixed_dictionaries({"if": inner, "then": inner, "else": inner}),
        st.fixed_dictionaries({"arm": st.fixed_dictionaries({"control": inner, "treatment": inner})}),
        st.fixed_dictionaries({"attribute": st.sampled_from(ATTRIBUTES), "default": inner}),
        _draws(inner),
    )


EXPRESSIONS: st.SearchStrategy[Plain] = st.recursive(
    st.one_of(
        SCALARS,
        st.fixed_dictionaries({"attribute": st.sampled_from(ATTRIBUTES)}),
        st.fixed_dictionaries({"literal": LITERALS}),
        st.fixed_dictionaries({"parameter": st.just("first")}),
        st.fixed_dictionaries({"when": CONDITIONS}),
    ),
    _deeper,
    max_leaves=10,
)
