"""Expressions as text: what is read, what is refused, where, and what was likely meant."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.core.assertion.errors import ExpressionError
from streams.core.assertion.node import Node
from streams.core.assertion.parse import MAX_DEPTH, MAX_PARTS, parse_condition, parse_expression
from streams.core.assertion.tokens import MAX_LENGTH
from tests.core.assertion.interpreter import Plain
from tests.core.assertion.making import conditions, number_parts, write

WORDS = ["and", "or", "not", "in", "is", "missing", "score", "label", "ranking", "features", "attributes", "abs", "min"]
WORDS += ["between", "matches", "length", "1", ".5", "1e9", "'a'", '"("', "(", ")", "[", "]", ",", ".", "+", "-", "*"]
WORDS += ["/", "<", "<=", "==", "!=", "!", "&", "x", " "]


def refusal(text: str, columns: list[str] | None = None) -> tuple[int, str]:
    """Where and why an expression is refused."""
    with pytest.raises(ExpressionError) as caught:
        parse_condition(text, columns)
    assert str(caught.value) == f"{caught.value.reason} (at character {caught.value.position + 1})"
    return caught.value.position, caught.value.reason


def read(text: str) -> Node | int:
    """Return what a text says, or where it is refused."""
    try:
        return parse_expression(text)
    except ExpressionError as error:
        return error.position


@given(conditions() | number_parts())
@settings(max_examples=300)
def test_what_is_printed_is_read_again(part: Plain) -> None:
    """An expression is the same after it was printed and read, and prints the same."""
    node = parse_expression(write(part))

    assert parse_expression(str(node)) == node
    assert str(parse_expression(str(node))) == str(node)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("((score))>(1)", "score > 1"),
        ("0<=score<=1", "0 <= score and score <= 1"),
        ("between(score,0,1)", "0 <= score and score <= 1"),
        ("not (score>1 or score<0) and label=='x'", 'not (score > 1 or score < 0) and label == "x"'),
        ("score-(1-latency_ms)-2 > -(3)", "score - (1 - latency_ms) - 2 > -3"),
        ("(score+1)*2/(3*score) > 1e16", "(score + 1) * 2 / (3 * score) > 1e+16"),
        ("-(score*2) > - - 1", "-(score * 2) > 1"),
        ("score is not missing", "not score is missing"),
        ("score not in (1,-2.5)", "not score in (1, -2.5)"),
        ("attributes['a b']=='say \"hi\"'", 'attributes["a b"] == "say ""hi"""'),
        ('features["plain"] < 1', "features.plain < 1"),
        ("(score > 1) == (label == 'a')", '(score > 1) == (label == "a")'),
        ("score > 1 and (score > 2 and score > 3)", "score > 1 and (score > 2 and score > 3)"),
    ],
)
def test_expressions_are_printed_with_few_parentheses(text: str, printed: str) -> None:
    """The form in which an expression is shown, one example for each kind of part."""
    assert str(parse_condition(text)) == printed


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
@settings(max_examples=1_000)
@example('features[""] > 0')
@example("score in (")
def test_any_text_is_read_or_refused_at_a_place(text: str) -> None:
    """No text does anything but be an expression, or be refused with a position in it; none is a warning."""
    node = read(text)

    if isinstance(node, int):
        assert 0 <= node <= len(text)
    else:
        assert parse_expression(str(node)) == node


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("", 0, "the end was not expected here"),
        ("score >", 7, "the end was not expected here"),
        ("score > 1 1", 10, "`1` was not expected here"),
        ("score > 1 == true", 10, "`==` follows a comparison: put that into parentheses"),
        ("(score > 1", 10, "expected `)`, found the end"),
        ("score = 1", 6, "`=` means nothing here: write `==`"),
        ("score > 1 && label == 'a'", 10, "`&&` means nothing here: write `and`"),
        ("label == 'a", 9, "the text that begins here has no end: its closing quote is missing"),
        ("label == '\ud800'", 10, "half of a character stands here, which no text can have"),
        ("score > 1e999", 8, "1e999 is too large for a number"),
        ("score > 1 ; 2", 10, "';' means nothing here: texts stand in quotes, unusual names in features[\"...\"]"),
        ("score", 0, "`score` is a number: write a condition, such as one with < or =="),
        ("label", 0, "`label` is a text: write a condition, such as one with < or =="),
        ("1 < 2", 0, "reads no column, so it says the same of all events"),
        ("score + label > 1", 6, "`+` takes numbers, but `label` is a text"),
        ("score > 0 > label", 10, "`>` takes numbers, but `label` is a text"),
        ("label < 'b'", 6, "`<` takes numbers, but `label` is a text"),
        ("-label == 'b'", 0, "`-` takes numbers, but `label` is a text"),
        ("score and label == 'a'", 6, "`and` takes conditions, but `score` is a number"),
        ("not score", 0, "`not` takes conditions, but `score` is a number"),
        ("score == label", 6, "`==` takes two of a kind, but `score` is a number and `label` is a text"),
        ("ranking != ranking", 8, "`!=` takes no lists, and `ranking` is a list: compare length(ranking)"),
        ("'a' == 'b'", 4, "`==` stands between two texts, neither of them a column"),
        ("label in ('a', 1)", 15, "`label` is a text, so its list holds texts; found `1`"),
        ("score in (-'a')", 11, "`score` is a number, so its list holds numbers; found `a`"),
        ("score in ()", 10, "`score` is a number, so its list holds numbers; found `)`"),
        ("(score > 1) in (1)", 12, "`in` takes a number or a text, but `score > 1` is true or false"),
        ("score is 1", 9, "expected `missing`, found `1`"),
        ("features > 1", 9, "expected `.`, found `>`"),
        ("features[1] > 1", 9, 'expected a name, as in features.x or features["x y"], found `1`'),
        ("features.a.b > 1", 10, "`.` was not expected here"),
        ("abs() > 1", 0, "abs is written abs(number); it was given 0 arguments"),
        ("min(1) > score", 0, "min is written min(number, number, ...); it was given 1 arguments"),
        ("abs(label) > 1", 4, "abs is written abs(number), but `label` is a text"),
        ("length(score) > 1", 7, "length is written length(text or list), but `score` is a number"),
        (
            "matches('a', label)",
            13,
            'matches is written matches(column, "pattern"): a column comes first, then a pattern',
        ),
        ("matches(label, '(')", 15, 'matches is written matches(column, "pattern"): Invalid regular expression'),
        ("score == null", 9, "unknown column `null`: write `is missing`"),
        ("__import__('os') == 1", 0, "unknown function `__import__`. Functions are abs, between, exp, length, log,"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, position: int, reason: str) -> None:
    """Each mistake is refused where it stands."""
    at, why = refusal(text)

    assert (at, why[: len(reason)]) == (position, reason)


@pytest.mark.parametrize(
    ("text", "columns", "reason"),
    [
        ("scoer > 1", None, "unknown column `scoer`; did you mean `score`?"),
        ("Label == 'a'", None, "unknown column `Label`; did you mean `label`?"),
        ("betwen(score, 0, 1)", None, "unknown function `betwen`; did you mean `between`?"),
        ("score > 1 and amount > 1", ["features.amount"], "unknown column `amount`; did you mean `features.amount`?"),
        (
            "features.amuont > 1",
            ["features.amount"],
            "unknown column `features.amuont`; did you mean `features.amount`?",
        ),
        ("features.country > 1", ["features.a", "attributes.country"], "did you mean `attributes.country`?"),
        ("features.q > 1", ["features.b", "features.a"], "unknown column `features.q`. Declared are features.a, feat"),
        ("q > 1", None, "unknown column `q`. Columns are score, label, latency_ms, model, version, role, unit_id, ran"),
    ],
)
def test_unknown_names_are_refused_with_a_suggestion(text: str, columns: list[str] | None, reason: str) -> None:
    """The likeliest that was meant is named; without one, what there is."""
    assert reason in refusal(text, columns)[1]


def test_names_of_maps_are_checked_only_if_they_were_declared() -> None:
    """A declared name is taken; any name is in a map of which none was declared."""
    assert list(parse_condition("features.a > features.b").columns()) == ["features.a", "features.b"]
    assert list(parse_condition("features.a > 1 and attributes.q == 'x'", ["features.a"]).columns()) == [
        "features.a",
        "attributes.q",
    ]


@pytest.mark.parametrize("begin", ["(", "not ", "-", "abs(", "- (", "not ("])
@pytest.mark.parametrize("times", [MAX_DEPTH + 1, 4_000, 10_000])
def test_depth_is_bounded(begin: str, times: int) -> None:
    """Ten thousand parentheses, signs or functions are refused at the first that is too deep, or as too long."""
    position, reason = refusal(begin * times)

    if len(begin) * times > MAX_LENGTH:
        assert reason == "is too long: at most 20,000 characters are allowed"
    else:
        assert reason == "is nested too deep: at most 32 levels are allowed"
        assert 0 < position <= MAX_DEPTH * len(begin)


def test_expressions_are_taken_up_to_their_bounds() -> None:
    """What is as deep, as large and as long as allowed is read and printed; one more is refused."""
    deep = "(" * MAX_DEPTH + "score" + ")" * MAX_DEPTH + " > 1"
    many = " + ".join(["score"] * (MAX_PARTS // 2 - 1)) + " > 1"
    long = "label in (" + ", ".join(["'ab'"] * 3_000) + ")"

    assert str(parse_condition(deep)) == "score > 1"
    assert str(parse_condition(many)) == many
    assert str(parse_condition(long)) == long.replace("'", '"')
    assert refusal(f"({deep})")[1] == "is nested too deep: at most 32 levels are allowed"
    assert refusal(f"{many} + 1")[1] == "has too many parts: at most 200 are allowed"
    assert refusal(" " * MAX_LENGTH + "score > 1")[1] == "is too long: at most 20,000 characters are allowed"
