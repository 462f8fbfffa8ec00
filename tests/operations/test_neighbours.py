"""A flood: one model's events and slices without number, and what its neighbours notice of it."""

from __future__ import annotations

from tests.operations.stage import Stage, metric, outcome, pairs, prediction, wait

MANY = 4_000
MAX_GROUPS = 20
MEMORY = 800e6  # bytes; a worker that has just started has half of it


def test_a_flood_of_one_model(staged: Stage) -> None:
    """Ten times the events, each with a slice of its own: caps hold, and the neighbour's windows go on."""
    flood = [prediction("fraud", n, country=f"c{n}") for n in range(MANY)]
    labels = [outcome("fraud", n) for n in range(MANY)]
    worker = staged.start()
    wait(lambda: bool(worker.status().get("partitions")), "it holds partitions", worker)

    for first in (0, 200):
        half = slice(first * 10, (first + 200) * 10)
        staged.emit([*flood[half], *pairs("mood", 200, first), *labels[half]])
        shown = (0.75, first + 200.0)
        wait(lambda s=shown: staged.quality().get(("mood", "")) == s, "the neighbour is shown", worker)  # type: ignore[misc]
    staged.emit([], end=True)
    staged.settle(worker)

    quality = staged.quality()
    named = {country: n for (model, country), (_, n) in quality.items() if model == "fraud" and country}
    assert quality["fraud", ""] == (0.75, MANY)
    assert quality["mood", ""] == (0.75, 400.0)
    assert len(named) == MAX_GROUPS + 1
    assert named["__other__"] == MANY - MAX_GROUPS
    assert metric(worker, "process_resident_memory_bytes") < MEMORY
