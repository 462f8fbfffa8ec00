"""The report looks as it should on terminals of 80 and 120 columns, and says so when something does not add up."""

import io

import pyarrow as pa
from rich.console import Console

from streams.demo.quality import METRICS, Query
from streams.demo.report import Run, balance_line, print_report

COUNTS = {
    "read": 1_000_900,
    "predictions": 673_552,
    "outcomes": 327_346,
    "feedback": 0,
    "rejected": 2,
    "joined": 654_680,
    "waiting": 12,
    "expired": 18_859,
    "duplicate": 2,
    "duplicate_predictions": 1,
    "duplicate_outcomes": 1,
    "labelling": 327_340,
    "corrected": 2,
    "orphan": 3,
    "orphan_outcomes": 3,
}
RUN = Run(COUNTS, {"models and events": 6.25, "replay": 2.5}, "chdb:///home/ann/my demo/store")


def quality() -> Query:
    """Make the answer of a store with two months, the second of them without evidence, and some slices."""
    schema = pa.schema(
        {
            "version": pa.string(),
            "metric": pa.string(),
            "slice": pa.map_(pa.string(), pa.string()),
            "month": pa.string(),
            **dict.fromkeys(("value", "low", "high", "n", "n_effective", "label_coverage"), pa.float64()),
        }
    )
    rows = [
        {
            "version": version,
            "metric": metric,
            "slice": slice_,
            "month": month,
            "value": value,
            "low": value and value - 0.0021,
            "high": value and value + 0.0041,
            "n": n,
            "n_effective": n,
            "label_coverage": 0.9812,
        }
        for month, n in (("2013-01", 26_398.0), ("2014-01", 3.0))
        for version, base in (("static", 0.6), ("refreshed", 0.7))
        for slice_, less in (
            ([], 0.0),
            ([("carrier", "B6")], 0.1),
            ([("carrier", "UA")], 0.2),
            ([("origin", "JFK")], 0.3),
        )
        for place, metric in enumerate(METRICS)
        for value in (None if n < 10 else base - less + place / 100,)
    ]
    table = pa.Table.from_pylist(rows, schema)
    return lambda _sql: table


def printed(width: int) -> str:
    """Print the report on a terminal of some width, without colour or trailing blanks."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_report(console, quality(), RUN)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


NARROW = """\
static: learned until 1 February, frozen after a day with 46 % of flights late
month         n  labelled   accuracy  precision     recall      Brier    ROC AUC
────────────────────────────────────────────────────────────────────────────────
2013-01  26,398     98.1%  .600±.003  .610±.003  .620±.003  .630±.003  .640±.003
2014-01       3     98.1%          -          -          -          -          -

refreshed: the same model, learning on from every flight that has landed
month         n  labelled   accuracy  precision     recall      Brier    ROC AUC
────────────────────────────────────────────────────────────────────────────────
2013-01  26,398     98.1%  .700±.003  .710±.003  .720±.003  .730±.003  .740±.003
2014-01       3     98.1%          -          -          -          -          -

n: labelled flights; labelled: their share; ± half a 95 % interval; -: not
enough evidence for an estimate. Months are by scheduled departure in UTC.

worst by carrier
carrier  version    month        Brier  at least       n  labelled
──────────────────────────────────────────────────────────────────
B6       refreshed  2013-01  .630±.003     0.628  26,398     98.1%
UA       refreshed  2013-01  .530±.003     0.528  26,398     98.1%

worst by origin
origin  version    month        Brier  at least       n  labelled
─────────────────────────────────────────────────────────────────
JFK     refreshed  2013-01  .430±.003     0.428  26,398     98.1%

Each group at its worst month and version, by the lower end of the Brier score's
95 % interval (0 is best), so that no small group is here by chance; months with
an effective n under 500 are left out.

what became of every event
                         predictions  outcomes  feedback        all
───────────────────────────────────────────────────────────────────
joined with a label          654,680   327,340         0    982,020
waiting                           12                             12
expired, never labelled       18,859                         18,859
orphan                                       3         0          3
duplicate                          1         1         0          2
corrected                                    2                    2
rejected                                                          2

sum                          673,552   327,346         0  1,000,900

It adds up: 1,000,900 events went in, and each of them is in this table once.

1,000,900 events in 2.5 s: 400,360 events/s
models and events 6.2 s, replay 2.5 s

The results are in chdb:///home/ann/my demo/store. Try:

streams query --store 'chdb:///home/ann/my demo/store' "SELECT window_start, version, value, low, high, n
FROM quality
WHERE metric = 'brier' AND window = '1d' AND slice['carrier'] = 'B6'
ORDER BY low DESC LIMIT 10"
"""

WIDE_MONTHS = """\
static: learned until 1 February, frozen after a day with 46 % of flights late
month         n  labelled       accuracy      precision         recall          Brier        ROC AUC
────────────────────────────────────────────────────────────────────────────────────────────────────
2013-01  26,398     98.1%  0.600 ± 0.003  0.610 ± 0.003  0.620 ± 0.003  0.630 ± 0.003  0.640 ± 0.003
2014-01       3     98.1%              -              -              -              -              -

"""


def test_report_on_80_columns() -> None:
    """The whole report is as below; only what is to be copied is longer than the terminal is wide."""
    report = printed(80)

    assert report == NARROW
    assert max(len(line) for line in report.partition("streams query")[0].splitlines()) <= 80


def test_report_on_120_columns() -> None:
    """On a wide terminal, numbers have their leading zeros and spaces."""
    report = printed(120)

    assert report.startswith(WIDE_MONTHS)
    assert max(len(line) for line in report.partition("streams query")[0].splitlines()) <= 120


def test_no_evidence_for_any_slice_is_said() -> None:
    """A store without any month of enough evidence leaves the table of the worst empty, and says why."""
    empty = quality()("").slice(0, 0)
    console = Console(file=io.StringIO(), width=80, color_system=None)
    print_report(console, lambda _sql: empty, RUN)
    assert isinstance(console.file, io.StringIO)

    assert "not enough evidence: no carrier has a month with an effective n of 500" in console.file.getvalue()


def test_counts_that_add_up_are_said_to() -> None:
    """When every event has one fate, the line says so with the number of events."""
    assert balance_line(COUNTS).plain.startswith("It adds up: 1,000,900 events went in")


def test_counts_that_do_not_add_up_are_named() -> None:
    """When predictions are lost, the line says how many were read and how many are accounted for."""
    line = balance_line({**COUNTS, "expired": COUNTS["expired"] - 9})

    assert line.plain == (
        "This does not add up: 1,000,900 events read but 1,000,891 accounted for; "
        "673,552 predictions but 673,543 accounted for.\n"
    )
