"""Random expressions, each as text and as plain data, and random predictions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from streams.codecs.write import to_batch
from tests.core.assertion.interpreter import Plain

NUMBERS = (0.0, -0.0, 0.5, 1.0, -1.0, 2.0, 0.1, 3.0, 1e308, -1e308, 1e-300, math.inf, -math.inf, math.nan)
LITERALS = (0.0, 0.5, 1.0, 2.0, 0.1, 3.0, 1e308, 1e-300)
TEXTS = ("", "1", "no", 'a "b"', "it's", "ü\n")
NUMBER_COLUMNS = ("score", "latency_ms", "features.a", "features.b", "features.not here", "features.and")
TEXT_COLUMNS = ("label", "version", "unit_id", "attributes.country", "attributes.x-y")
PATTERNS = ("^[0-9]+$", "o", "b", "a|n", '"')
LEVELS = {"or": 0, "and": 1, "not": 2, "+": 4, "*": 5, "/": 5, "number": 7, "text": 7, "column": 7}
CALLS = ("abs", "log", "exp", "min", "max", "length", "between", "matches")


def level(part: Plain) -> int:
    """How tightly an expression holds together."""
    operator = part[0]
    if operator in CALLS:
        return 7
    if operator == "-":
        return 4 if len(part) == 3 else 6
    return LEVELS.get(operator, 3)


def write(part: Plain, least: int = 0) -> str:
    """Write an expression, in parentheses where it must hold together more tightly than it does."""
    text = written(part)
    return text if level(part) >= least else f"( {text} )"


def written(part: Plain) -> str:
    operator, *rest = part
    if operator in ("number", "text"):
        return literal(rest[0])
    if operator == "column":
        whole, _, key = rest[0].partition(".")
        return rest[0] if key.isidentifier() or not key else f"{whole}[{quoted(key)}]"
    if operator in ("and", "or"):
        return f" {operator} ".join(write(one, level(part) + 1) for one in rest)
    if operator == "not":
        return f"not {write(rest[0], 2)}"
    if operator in CALLS:
        return f"{operator}({', '.join(quoted(one) if isinstance(one, str) else write(one) for one in rest)})"
    return compared(operator, rest)


def compared(operator: str, rest: list[Plain]) -> str:
    """Write what has a sign or a word between or behind its parts."""
    if operator == "missing":
        return f"{write(rest[0], 4)} is missing"
    if operator == "in":
        return f"{write(rest[0], 4)} in ({', '.join(map(literal, rest[1]))})"
    if operator == "chain":
        return " ".join(one if isinstance(one, str) else write(one, 4) for one in rest)
    if operator == "-" and len(rest) == 1:
        return f"- {write(rest[0], 6)}"
    if operator in ("+", "-", "*", "/"):
        own = level((operator, *rest))
        return f"{write(rest[0], own)} {operator} {write(rest[1], own + 1)}"
    return f"{write(rest[0], 4)}{operator}{write(rest[1], 4)}"


def literal(value: float | str) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)


def quoted(text: str) -> str:
    """Write a text in quotes that are not in it, or in double ones, doubled."""
    return f"'{text}'" if "'" not in text else '"' + text.replace('"', '""') + '"'


def columns(names: Iterable[str]) -> st.SearchStrategy[Plain]:
    return st.tuples(st.just("column"), st.sampled_from(tuple(names)))


def number_parts() -> st.SearchStrategy[Plain]:
    plain = st.tuples(st.just("number"), st.sampled_from(LITERALS)) | columns(NUMBER_COLUMNS)
    measured = st.tuples(st.just("length"), columns([*TEXT_COLUMNS, "ranking"]))
    return st.recursive(plain | plain | measured, grown, max_leaves=5)


def grown(part: st.SearchStrategy[Plain]) -> st.SearchStrategy[Plain]:
    return (
        st.tuples(st.sampled_from(("+", "-", "*", "/", "min", "max")), part, part)
        | st.tuples(st.sampled_from(("abs", "log", "exp", "-")), part)
        | st.tuples(st.sampled_from(("min", "max")), part, part, part)
    )


def comparisons() -> st.SearchStrategy[Plain]:
    number, text = number_parts(), columns(TEXT_COLUMNS)
    order = st.sampled_from(("<", "<=", ">", ">="))
    either = st.sampled_from(("==", "!="))
    literal = st.tuples(st.just("text"), st.sampled_from(TEXTS))
    return (
        st.tuples(order | either, number, number)
        | st.tuples(st.just("chain"), number, order, number, order, number)
        | st.tuples(st.just("between"), number, number, number)
        | st.tuples(either, text, text | literal)
        | st.tuples(either, literal, text)
        | st.tuples(st.just("in"), number, st.lists(st.sampled_from((*LITERALS, -1.0)), min_size=1, max_size=3))
        | st.tuples(st.just("in"), text, st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3))
        | st.tuples(st.just("matches"), text, st.sampled_from(PATTERNS))
        | st.tuples(st.just("missing"), number | text | columns(["ranking"]))
    )


def conditions() -> st.SearchStrategy[Plain]:
    """Draw expressions that are true, false or unknown."""

    def joined(part: st.SearchStrategy[Plain]) -> st.SearchStrategy[Plain]:
        return (
            st.tuples(st.sampled_from(("and", "or", "==", "!=")), part, part)
            | st.tuples(st.sampled_from(("and", "or")), part, part, part)
            | st.tuples(st.sampled_from(("not", "missing")), part)
        )

    return st.recursive(comparisons(), joined, max_leaves=5)


def events() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Draw predictions; in half of the blocks all carry the same features in the same order."""
    number = st.sampled_from(NUMBERS)
    some = st.dictionaries(st.sampled_from(("b", "a", "not here", "and", "c")), number)
    same = st.fixed_dictionaries({"a": number, "c": number, "b": number})
    return st.lists(prediction(some), max_size=6) | st.lists(prediction(same), max_size=6)


def prediction(features: st.SearchStrategy[dict[str, float]]) -> st.SearchStrategy[dict[str, Any]]:
    number, text = st.none() | st.sampled_from(NUMBERS), st.none() | st.sampled_from(TEXTS)
    return st.fixed_dictionaries(
        {
            "score": number,
            "latency_ms": number,
            "label": text,
            "unit_id": text,
            "version": st.sampled_from(TEXTS),
            "ranking": st.none() | st.lists(st.sampled_from(TEXTS), max_size=2),
            "attributes": st.dictionaries(st.sampled_from(("country", "x-y", "os")), st.sampled_from(TEXTS)),
            "features": features,
        }
    )


def batch(predictions: Iterable[Mapping[str, Any]]) -> pa.RecordBatch:
    """One batch of predictions of a model `m`, unless they say otherwise; their ids are their numbers."""
    given = [
        {"prediction_id": f"p{number}", "event_time": number, "model": "m", "version": "1", **event}
        for number, event in enumerate(predictions)
    ]
    return to_batch("prediction", given)
