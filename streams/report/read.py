"""What a report reads from a store: the newest looks at an experiment, and the history behind a plot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches

import pyarrow as pa

from streams.errors import StreamsError, UsageError
from streams.report.looks import COLUMNS, Look, newest

Query = Callable[[str], pa.Table]
"""Runs SQL on a store."""

MOST_LOOKS = 1_000  # of one comparison in a plot: more than a picture has columns


def read_newest(
    query: Query, experiment: str, metric: str | None = None, *, declared: bool = False
) -> tuple[Look, ...]:
    """
    Read the newest look of every comparison and check of an experiment, in reading order.

    Parameters
    ----------
    query
        Runs SQL on the store.
    experiment
        Its name.
    metric
        The only metric to show, beside the checks.
    declared
        Whether the experiment is known to exist.

    Raises
    ------
    UsageError
        The store does not know the experiment, or the experiment not the metric; the message says which it knows.
    StreamsError
        There are no verdicts yet.
    """
    rows = query(
        f"SELECT {', '.join(COLUMNS)} FROM verdicts FINAL WHERE experiment = {_quoted(experiment)} "  # noqa: S608
        "ORDER BY tick DESC LIMIT 1 BY model, metric, arm"
    )
    looks = newest(map(Look.of, rows.to_pylist()))
    if not looks:
        raise _no_verdicts(query, experiment, declared)
    if metric is None:
        return looks
    if not any(look.metric == metric for look in looks):
        known = dict.fromkeys(look.metric for look in looks if not look.is_check)
        raise UsageError(f"experiment {experiment} is not judged by {metric}{_known(metric, known)}")
    return tuple(look for look in looks if look.is_check or look.metric == metric)


def read_history(query: Query, experiment: str, metrics: Iterable[str]) -> pa.Table:
    """
    Read effects and their intervals over time, in order of model, metric, arm and tick.

    Of a history with more than `MOST_LOOKS` looks they are taken at even distances, the newest among them.

    Returns
    -------
    pyarrow.Table
        Columns model, metric, arm, tick, effect, low, high.
    """
    names = ", ".join(map(_quoted, metrics))
    return query(
        f"""
        SELECT model, metric, arm, tick, effect, low, high
        FROM (
            SELECT model, metric, arm, tick, effect, low, high,
                row_number() OVER (PARTITION BY model, metric, arm ORDER BY tick DESC) AS back,
                count() OVER (PARTITION BY model, metric, arm) AS looks
            FROM verdicts FINAL WHERE experiment = {_quoted(experiment)} AND metric IN ({names})
        )
        WHERE (back - 1) % intDiv(looks + {MOST_LOOKS - 1}, {MOST_LOOKS}) = 0
        ORDER BY model, metric, arm, tick
        """  # noqa: S608 - names are quoted, and the connection only reads
    )


def _no_verdicts(query: Query, experiment: str, declared: bool) -> StreamsError:
    if declared:
        return StreamsError(f"experiment {experiment} has no verdicts yet: none of its looks has come")
    rows = query("SELECT DISTINCT experiment FROM verdicts ORDER BY experiment").to_pylist()
    known = [row["experiment"] for row in rows]
    if not known:
        return StreamsError(f"experiment {experiment} has no verdicts yet, and no other experiment has")
    return UsageError(f"the store has no verdicts of an experiment {experiment}{_known(experiment, known)}")


def _known(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    return (f"; did you mean {close[0]}? " if close else ". ") + f"There are: {', '.join(names) or 'none'}"


def _quoted(text: str) -> str:
    r"""
    Write text as SQL does.

    >>> print(_quoted("it's"))
    'it\'s'
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
