"""`streams analyze` and `streams power` in the shell: what they print, in tables and in JSON, and what they refuse."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import Run

PROPORTIONS = ("analyze", "proportions", "--control", "378/3662")
TREATMENTS = ("--treatment", "462/3568", "--treatment", "440/3479", "--treatment", "395/3504")
MEANS = ("analyze", "means", "--control", "51.42,4.1,120", "--treatment", "49.37,4.3,118")
POWER = ("power", "--baseline", "0.10", "--effect", "0.02", "--alpha", "0.05", "--power", "0.8")


def told(cli: Run, *arguments: str) -> dict[str, Any]:
    """Run with --json: exit code 0, nothing on standard error, one JSON object."""
    ran = cli(*arguments, "--json")

    assert (ran.code, ran.err, ran.out.count("\n")) == (0, "", 1)
    answer: dict[str, Any] = json.loads(ran.out)
    return answer


def rows(answer: dict[str, Any]) -> list[dict[str, dict[str, Any]]]:
    return [{row["method"]: row for row in each["rows"]} for each in answer["comparisons"]]


def test_known_answers(cli: Run) -> None:
    """The three treatments are 25.4 %, 22.5 %, 9.2 % better, with chances 100.0 %, 99.9 %, 90.2 % by the unpooled z."""
    answer = told(cli, *PROPORTIONS, *TREATMENTS)
    lifts = [f"{100 * each['improvement']:+.1f}" for each in answer["comparisons"]]
    chances = [round(100 * each["chance, unpooled z"]["chance"], 1) for each in rows(answer)]
    others = {name: row["chance"] for name, row in rows(answer)[2].items() if row["chance"] is not None}

    assert lifts == ["+25.4", "+22.5", "+9.2"]
    assert chances == [100.0, 99.9, 90.2]
    assert round(100 * others["chance, pooled z"], 1) == round(100 * others["chance, Beta(1, 1)"], 1) == 90.3


def test_the_table_shows_them(cli: Run) -> None:
    """People read the same: the lift in the title, the chance by its method's name, and who may look again."""
    ran = cli(*PROPORTIONS, *TREATMENTS)
    lines = ran.out.splitlines()

    assert (ran.code, ran.err) == (0, "")
    assert "395/3504 against 378/3662: 10.32 % to 11.27 %, +9.2 %" in lines
    assert [line.split()[-2:] for line in lines if line.startswith("chance, unpooled z")][-1] == ["%", "once"]
    assert [line.split()[-3] for line in lines if line.startswith("chance, unpooled z")] == ["100.0", "99.9", "90.2"]
    assert [line.split()[-1] for line in lines if line.startswith("beta-binomial, exact")] == ["any"] * 3
    assert max(map(len, lines[:-3])) <= 90


ROWS = """
120/1000 against 100/1000: 10.00 % to 12.00 %, +20.0 %
method                    effect      90 % interval  p / chance  looks
──────────────────────────────────────────────────────────────────────
unpooled z              +2.00 pp  -0.30 to +4.30 pp       0.153   once
pooled z                +2.00 pp                          0.153   once
t of shares             +2.00 pp  -0.30 to +4.30 pp       0.153   once
chi-square, Yates       +2.00 pp                          0.175   once
Fisher's exact          +2.00 pp                          0.174   once
lift, delta method       +20.0 %    -5.2 to +45.2 %       0.192   once
lift, log delta          +20.0 %    -2.8 to +48.1 %       0.154   once
lift, Fieller            +20.0 %    -2.7 to +48.7 %       0.153   once
chance, unpooled z      +2.00 pp                         92.4 %   once
chance, pooled z        +2.00 pp                         92.4 %   once
chance, Beta(1, 1)      +2.00 pp                         92.3 %   once
chance, Beta(0.5, 0.5)  +2.00 pp                         92.4 %   once
chance, Gaussian, lift   +20.0 %                         90.4 %   once

normal mixture          +2.00 pp"""


def test_the_table_in_full(cli: Run) -> None:
    """All columns fit, a line sets the always-valid rows apart, and intervals are at the level asked for."""
    ran = cli("analyze", "proportions", "--control", "100/1000", "--treatment", "120/1000", "--alpha", "0.1")
    lines = [line.rstrip() for line in ran.out.splitlines()]

    assert "\n".join(lines).startswith(ROWS.lstrip())


def test_numbers_that_know_no_bounds(cli: Run) -> None:
    """Without any success intervals are everything or open, and what is infinite is null in JSON."""
    arms = ("analyze", "proportions", "--control", "0/10", "--treatment", "3/20")
    (found,) = rows(told(cli, *arms))
    lines = {line[:22].rstrip(): line for line in cli(*arms).out.splitlines()}

    assert (found["events, Dirichlet"]["effect"], found["events, Dirichlet"]["high"]) == (None, None)
    assert "lift, delta method" not in found
    assert " everything " in lines["normal mixture"]
    assert " to +inf %" in lines["events, Dirichlet"]


def test_a_hundred_against_a_hundred_and_twenty(cli: Run) -> None:
    """100/1000 against 120/1000 has p = 0.153 and no verdict, whenever one looks."""
    (found,) = rows(told(cli, "analyze", "proportions", "--control", "100/1000", "--treatment", "120/1000"))

    assert round(found["pooled z"]["p"], 3) == round(found["unpooled z"]["p"], 3) == 0.153
    assert {row["looks"] for row in found.values()} == {"once", "any"}


def test_every_row_says_everything(cli: Run) -> None:
    """A row has method, formula, quantity, effect, interval or none, p or chance, and how often one may look."""
    for found in rows(told(cli, *PROPORTIONS, *TREATMENTS)):
        for row in found.values():
            assert row["method"]
            assert row["formula"]
            assert row["quantity"] in {"difference", "lift"}
            assert (row["p"] is None) != (row["chance"] is None)
            assert row["looks"] in {"once", "any"}
            assert (row["low"] is None) or row["low"] <= row["effect"] <= row["high"]


def test_known_interval(cli: Run) -> None:
    """The third lift is -5.3 % to 23.8 % by the delta method, -4.4 % to 24.9 % by Fieller's theorem."""
    last = rows(told(cli, *PROPORTIONS, *TREATMENTS))[2]
    limits = [
        [round(100 * last[name][side], 1) for side in ("low", "high")]
        for name in ("lift, delta method", "lift, Fieller")
    ]

    assert limits == [[-5.3, 23.8], [-4.4, 24.9]]


@pytest.mark.parametrize(
    ("treatment", "more", "said"),
    [
        ("700/3600", (), "better"),
        ("200/3600", (), "worse"),
        ("385/3700", (), "not enough evidence"),
        ("385/3700", ("--margin", "0.05"), "equivalent"),
        ("385/3700", ("--margin", "0.001"), "not enough evidence"),
    ],
)
def test_last_line_is_the_verdict(cli: Run, treatment: str, more: tuple[str, ...], said: str) -> None:
    """The last line says the verdict in words; "equivalent" only if a margin is given."""
    ran = cli(*PROPORTIONS, "--treatment", treatment, *more)
    (each,) = told(cli, *PROPORTIONS, "--treatment", treatment, *more)["comparisons"]

    assert ran.out.splitlines()[-1].startswith(f"{treatment}: {said} (normal mixture, ")
    assert each["verdict"] == said


def test_several_treatments_share_the_error_rate(cli: Run) -> None:
    """Of three treatments each verdict is at a third of alpha: 440/3479 is better alone, and not among three."""
    alone = told(cli, *PROPORTIONS, "--treatment", "440/3479")
    lines = cli(*PROPORTIONS, *TREATMENTS).out.splitlines()
    among = told(cli, *PROPORTIONS, *TREATMENTS)
    verdicts = [each["verdict"] for each in among["comparisons"]]

    assert alone["comparisons"][0]["verdict"] == "better"
    assert verdicts == ["better", "not enough evidence", "not enough evidence"]
    assert among["alpha_each"] == pytest.approx(0.05 / 3)
    assert rows(among)[1] == rows(alone)[0]
    assert ", alpha 0.017 for each of 3; at one planned look: better)" in lines[-2]
    assert ", alpha " not in cli(*PROPORTIONS, "--treatment", "440/3479").out.splitlines()[-1]


def test_means(cli: Run) -> None:
    """Means have Welch's and Student's tests, lifts and sequences; planned for this size, the lower one is worse."""
    (found,) = rows(told(cli, *MEANS))
    ran = cli(*MEANS, "--planned", "240")

    assert (found["Welch's t"]["effect"], found["Welch's t"]["p"]) == pytest.approx((-2.05, 2.1e-4), rel=0.01)
    assert round(100 * found["lift, delta method"]["effect"], 1) == -4.0
    assert found["t mixture"]["looks"] == "any"
    assert ran.out.splitlines()[-1].startswith("49.37,4.3,118: worse (t mixture, -3.718 to -0.382;")


def test_sample_ratio(cli: Run) -> None:
    """5,000 to 5,210 is no mismatch at any look though one look's p is 0.038; 5,000 to 5,600 is one; both are said."""
    even = told(cli, "analyze", "srm", "--counts", "5000,5210", "--weights", "1,1")
    p = {row["looks"]: row["p"] for row in even["rows"]}
    ran = cli("analyze", "srm", "--counts", "5000,5600", "--weights", "1,1")

    assert (even["verdict"], round(p["once"], 3), p["any"] > 0.4) == ("not enough evidence", 0.038, True)
    assert [arm["expected"] for arm in even["arms"]] == [0.5, 0.5]
    assert "1    5,000  47.17 %   50.00 %       44.68 % to 49.67 %" in ran.out
    assert "99 % interval, any look" in ran.out
    assert ran.out.splitlines()[-1].startswith("sample ratio: mismatch (p ")


def test_power(cli: Run) -> None:
    """Sizes go by their formulas' names; sequential ones say where they end and stop, with the simulation's errors."""
    sizes = {size["method"]: size for size in told(cli, *POWER)["sizes"]}
    fixed = {name: round(sizes[name]["largest"], 1) for name in ("unpooled", "pooled null", "arcsine", "Evan Miller")}

    assert fixed == {"unpooled": 3838.1, "pooled null": 3840.8, "arcsine": 3834.6, "Evan Miller": 3622.6}
    assert sizes["rule of 16"]["largest"] == pytest.approx(3600)
    for name in ("group sequential", "normal mixture"):
        size = sizes[name]
        assert size["mean"] < size["mean_without"] < size["largest"]
        assert 0 < size["mean_error"] < 0.01 * size["mean"]
    assert 3838 < sizes["group sequential"]["largest"] < 4500 < sizes["normal mixture"]["largest"]
    assert sizes["group sequential"]["mean"] < 3200
    assert sizes["SPRT, one arm"]["largest"] is None


def test_power_depends_on_its_seed_only(cli: Run) -> None:
    """The same seed gives the same sizes, another seed others within the errors; tables show them rounded."""
    one, again, other = (told(cli, *POWER, "--seed", seed) for seed in ("1", "1", "2"))
    means = [{size["method"]: size for size in answer["sizes"]}["normal mixture"] for answer in (one, other)]

    assert one == again != other
    assert means[0]["mean"] == pytest.approx(means[1]["mean"], rel=0.02)
    assert "unpooled             3,838 " in cli(*POWER).out


def test_rule_of_16_is_for_its_rates_only(cli: Run) -> None:
    """At another power there is no rule of 16."""
    answer = told(cli, "power", "--baseline", "0.2", "--effect", "-0.05", "--power", "0.9", "--looks", "5")

    assert "rule of 16" not in {size["method"] for size in answer["sizes"]}
    assert all(math.isfinite(size["mean"]) for size in answer["sizes"])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("proportions --control 500/100 --treatment 1/2", "500/100: successes must be between 0 and"),
        ("proportions --control 1/2 --treatment 0/0", "0/0: there must be at least 1 trial"),
        ("proportions --control -1/2 --treatment 1/2", "-1/2: successes must be between 0 and"),
        ("proportions --control 1/2 --treatment 12", "'12' is no K/N, such as 378/3662"),
        ("proportions --control 1.5/2 --treatment 1/2", "1.5/2: '1.5' is not a whole number"),
        ("proportions --control 1/2 --treatment 1/2 --alpha 1.5", "alpha is 1.5: an error rate must be more than 0"),
        ("proportions --control 1/2 --treatment 1/2 --alpha 0", "alpha is 0.0: an error rate must be more than 0"),
        ("proportions --control 1/2 --treatment 1/2 --alpha nan", "alpha is nan"),
        ("proportions --control 1/2 --treatment 1/2 --planned 0", "tight at 0"),
        ("proportions --control 1/2 --treatment 1/2 --margin -1", "the margin is -1.0: it must be above 0"),
        ("means --control 1,-1,10 --treatment 1,1,10", "1,-1,10: the standard deviation is -1.0"),
        ("means --control 1,1,10 --treatment 1,1,1", "1,1,1: n is 1: a standard deviation needs at least 2"),
        ("means --control 1,1 --treatment 1,1,10", "'1,1' is no MEAN,SD,N, such as 51.42,4.1,120"),
        ("means --control nan,1,10 --treatment 1,1,10", "nan,1,10: 'nan' is not a finite number"),
        ("means --control 1,1,ten --treatment 1,1,10", "1,1,ten: 'ten' is not a whole number"),
        ("srm --counts 1,2,3 --weights 1,1", "3"),
        ("srm --counts 1,x --weights 1,1", "--counts 1,x: 'x' is not a whole number"),
        ("srm --counts 1,-2 --weights 1,1", "-2"),
        ("srm --counts 1,2 --weights 0,0", "weight"),
    ],
)
def test_numbers_that_are_refused(cli: Run, arguments: str, problem: str) -> None:
    """What cannot be is told in one line that names it: exit code 2, nothing on standard output."""
    for more in ((), ("--json",)):
        ran = cli("analyze", *arguments.split(), *more)

        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("error: ")
        assert problem in ran.err
        assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("--baseline 0.1 --effect 0", "shares 0.1 and 0.1"),
        ("--baseline 0.9 --effect 0.2", "shares 0.9 and 1.1"),
        ("--baseline 0.1 --effect 0.02 --alpha 1.5", "alpha is 1.5"),
        ("--baseline 0.1 --effect 0.02 --power 1", "power is 1.0"),
        ("--baseline 0.1 --effect 0.02 --power 0.01", "power is 0.01"),
        ("--baseline 0 --effect 0.02", "shares 0.0 and 0.02"),
    ],
)
def test_plans_that_are_refused(cli: Run, arguments: str, problem: str) -> None:
    """A plan that no size fulfils is told in one line: exit code 2, nothing on standard output."""
    ran = cli("power", *arguments.split())

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert problem in ran.err
    assert ran.err.count("\n") == 1


def test_help_has_an_example(cli: Run) -> None:
    """The help on each command has an example, and the example runs."""
    for command in ("analyze proportions", "analyze means", "analyze srm", "power"):
        (example,) = [line for line in cli(*command.split(), "--help").out.splitlines() if "Example: streams " in line]
        ran = cli(*example.split("Example: streams ")[1].split())

        assert (ran.code, ran.err) == (0, "")


def test_the_command_line_loads_no_statistics_to_start() -> None:
    """Importing the command line loads neither numpy nor scipy, so that --help is quick."""
    code = "import sys, streams.cli; print(sorted({'numpy', 'scipy'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603

    assert ran.stdout == "[]\n"
