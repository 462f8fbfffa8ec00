"""What the demo's flights raised alerts about: a line each, as whoever is on call would have read it."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from streams.demo.quality import Query

_SQL = """SELECT
    dedup_key,
    min(tick) AS told,
    argMin(severity, sequence) AS severity,
    argMax(title, (status != 'resolved', sequence)) AS title,
    maxIf(tick, status = 'resolved') AS resolved,
    countIf(status = 'resolved') AS over
FROM alerts FINAL
GROUP BY dedup_key
ORDER BY told, dedup_key"""
_NONE = "The flights raised no alert.\n"
_RULE = (
    "An alert is told at the end of the day that proves it, once. What is usual was learned from the first eight "
    "weeks; at most one false alarm in 30 days is promised, over all that is watched.\n"
)


def print_alerts(console: Console, query: Query) -> int:
    """Print the alerts in the store, and return how many there are; `query` runs SQL on the store."""
    rows = query(_SQL).to_pylist()
    if not rows:
        console.print(_NONE)
        return 0
    console.print(Text(f"{len(rows)} alerts", style="bold"), "")
    for row in rows:
        until = f"to {row['resolved']:%d %b}" if row["over"] else "still open"
        style = "red" if row["severity"] == "page" else "yellow"
        console.print(Text(f"{row['told']:%d %b}  {row['severity']:<7}  {until}", style=style))
        console.print(Text(f"        {row['title']}"), "")
    console.print(_RULE, style="dim", highlight=False)
    return len(rows)
