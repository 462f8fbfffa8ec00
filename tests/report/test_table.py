"""The report fits a terminal, and says first what makes the rest worthless."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from streams.report.looks import Look, Report, newest
from streams.report.table import print_report
from tests.report.rows import DAY, NOON, look, row, rows, sample_ratio, undecided

GOLDEN = """\
Experiment ranker-v2, model ranker
Newest look: 2024-03-01 12:00 UTC of event time

metric                effect                     arm   control  e-value
arm and control       its interval                 n         n  p
verdict               relative                eff. n    eff. n  alpha
first, or missing     its interval          labelled  labelled  method
────────────────────────────────────────────────────────────────────────────────
sample_ratio          +0.00200               0.50200   0.50000  0.0408
units of new          [-0.00100, +0.00500]    12,000    23,900  1
match                 +0.40 %                 12,000    23,900  0.01
first at 2024-02-11   [-0.20, +1.00] %             -         -  Dirichlet
                                                                multinomial

primary
accuracy              +0.0125                 0.8125    0.8000  12,088
new against old       [+0.0045, +0.0205]      12,000    11,900  8.3e-05
better                +1.56 %                 12,000    11,900  0.05
first at 2024-02-11   [+0.56, +2.56] %         98.0%     97.9%  mixture over
                                                                buckets of units

guardrail
latency_p95           +1.20                   130.00    128.80  0.368
new against old       [-3.00, +inf]           12,000    11,900  1
not enough evidence   +0.932 %                12,000    11,900  0.05
about 12,000 more     [-2.329, +inf] %             -         -  exact quantiles
observations

exploratory
crash_rate            +0.00000               0.00000   0.00000  12,088
new against old       [-0.00100, +0.00100]    12,000    11,900  8.3e-05
equivalent            -                       12,000    11,900  0.05
first at 2024-02-11   -                            -         -  exact counts
last look 2024-02-28
12:00

tests for one look
metric           effect              p
arm and control  its interval        alpha    test
──────────────────────────────────────────────────────────────────────
accuracy         +0.0125             1.9e-05  t, 63 degrees of freedom
new against old  [+0.0071, +0.0179]  0.05

crash_rate       +0.00000            1        Fisher's exact
new against old  -                   0.05

latency_p95: no test for one look, its effect has no standard error.
For one look at the end: these hold only if the end was set before the start,
and not if the experiment was ended because of what it showed.

Intervals, e-values and p-values hold at every look at once, however often and
whenever one looks: the chance that an interval ever misses the truth is at most
alpha.

"""


def printed(some: list[dict[str, Any]], *, width: int = 80, finished: bool = False) -> str:
    """Print the report of some rows on a terminal of some width, without colour or trailing blanks."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_report(console, Report("ranker-v2", newest(map(Look.of, some)), finished))
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def words(text: str) -> str:
    """Return text without line breaks, blanks and frames."""
    return " ".join(text.replace("┃", " ").split())


def test_the_report_of_a_finished_experiment() -> None:
    """The whole report is as below, and fits 80 columns."""
    assert printed(rows(), finished=True) == GOLDEN
    assert max(map(len, GOLDEN.splitlines())) <= 80


@pytest.mark.parametrize("width", [60, 100, 160])
def test_the_report_fits_the_terminal(width: int) -> None:
    """No line is longer than the terminal is wide, and no word of a verdict is lost."""
    report = printed(rows(), width=width, finished=True)

    assert max(map(len, report.splitlines())) <= width
    if width >= 100:
        assert "not enough evidence" in report
        assert "about 12,000 more observations" in report


def test_the_document_shows_the_report() -> None:
    """The comparison that docs/experiments.md explains is printed so."""
    document = (Path(__file__).parents[2] / "docs/experiments.md").read_text(encoding="utf-8")
    _, _, rest = document.partition("```text\n")
    heading, _, comparison = rest.partition("```")[0].partition("─\n")

    assert heading in GOLDEN
    assert comparison
    assert comparison in GOLDEN


def test_tests_for_one_look_need_an_end() -> None:
    """While an experiment runs there are no tests for one look: they would be wrong."""
    assert "for one look" not in printed(rows())


def test_a_sample_ratio_mismatch_comes_first() -> None:
    """A mismatch is said before everything else, and the verdicts are in parentheses."""
    spoilt = words(printed([*rows()[:3], sample_ratio(verdict="mismatch", p=1e-12)], finished=True))

    assert 0 <= spoilt.find("SAMPLE RATIO MISMATCH: arm new does not have the share") < spoilt.index("metric effect")
    assert "(p 1e-12). No verdict on model ranker is to be trusted until the cause is found" in spoilt
    assert "(better)" in spoilt
    assert "(equivalent)" in spoilt
    assert "tests for one look" not in spoilt
    assert "parentheses" not in words(printed(rows()))


def test_crossovers_come_first() -> None:
    """Units that were seen in several arms are a warning as well."""
    crossed = sample_ratio(metric="crossovers", kind="crossovers", arm="", verdict="mismatch")

    report = words(printed([*rows(), crossed]))
    assert "CROSSOVERS: too many units were seen in more than one arm" in report
    assert "crossovers" in report
    assert "all units" in report


def test_each_model_has_a_table() -> None:
    """An experiment on two models has two tables, and the warning is for the one that it is about."""
    second = [row(model="second"), sample_ratio(model="second", verdict="mismatch")]
    first, other = printed([*rows(), *second], width=160).split("model second\n")

    assert "MISMATCH" not in first
    assert "better" in first
    assert "MISMATCH" in other
    assert "(better)" in other


def test_how_much_is_missing_may_not_be_known() -> None:
    """Without a number of observations that would do, the report says that it is not known."""
    assert "unknown how many more" in printed([undecided(needed=None)])
    assert "unknown how many more" in printed([undecided(needed=float("inf"))])
    assert "about 1,200 more observations" in words(printed([undecided(needed=1_234.0)], width=100))


def test_a_comparison_without_numbers() -> None:
    """What is not known is a dash, with no digits and no percentages made up."""
    empty = dict.fromkeys(("effect", "low", "high", "arm_value", "control_value"))
    lines = [line.split() for line in printed([undecided(**empty)], width=120).splitlines()]

    assert lines[8:10] == [["primary"], ["accuracy", "-", "-", "-", "12,088"]]
    assert lines[10] == ["new", "against", "old", "-", "12,000", "11,900", "8.3e-05"]
    assert lines[11] == ["not", "enough", "evidence", "-", "12,000", "11,900", "0.05"]


def test_names_are_no_markup() -> None:
    """A name in brackets, or one that looks like a colour, is printed as it is."""
    report = printed(
        [row(metric="[bold]x[/bold]", arm="[red]", model=":bomb:", method="[i]odd")], width=160, finished=True
    )

    assert "[bold]x[/bold] " in report
    assert "[red] against old" in report
    assert "model :bomb:" in report
    assert "[i]odd" in report


def test_large_and_small_numbers() -> None:
    """Numbers of any size keep the table in its width."""
    huge = {
        "effect": 1e60,
        "low": -1e60,
        "high": 1e61,
        "arm_value": 1e60,
        "control_value": 1e-60,
        "log_e": 1e9,
        "p": 0.0,
    }
    tiny = {"effect": 1e-30, "low": 0.0, "high": 2e-30, "arm_value": 2e-30, "control_value": 1e-30}

    assert max(map(len, printed([row(**huge), row(arm="other", **tiny)], width=100).splitlines())) <= 100
    assert look(**huge).relative(1e60) == pytest.approx(1e120)


def test_a_look_that_is_old_says_so() -> None:
    """A comparison that was not in the newest look has the time of its last one."""
    assert "last look 2024-02-29 12:00" in printed([row(), row(metric="mae", tick=NOON - DAY)], width=100)
    assert "last look" not in printed([row(), row(metric="mae")], width=100)
