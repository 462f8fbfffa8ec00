"""
Reference files of detection: read once, where nothing is known yet, and handed to the core as ticks.

They go through the stages that the events of the stream go through, up to the sums of what is watched.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from streams.config.models import Config
from streams.config.references import ReferenceFiles
from streams.core.catalog import Catalog
from streams.core.detect.watched import Tick
from streams.core.measures import Measures
from streams.core.watermark import FOREVER
from streams.errors import UsageError
from streams.pipeline import Downstream, Upstream
from streams.runtime.inputs import in_event_time, open_files, trail_of

log = logging.getLogger(__name__)


class Learner(Protocol):
    """What learns from ticks: a pipeline, or the part of one that watches."""

    def awaited(self) -> dict[str, ReferenceFiles]:
        """Files whose ticks have to be handed over, by model."""

    def learn(self, model: str, ticks: Sequence[Tick]) -> list[str]:
        """Let a model learn; return what there is too little of."""


def learn_references(config: Config, learner: Learner, models: Collection[str] | None = None) -> None:
    """
    Read the files of the models (of some models) that wait for their reference, and let these learn from them.

    Raises
    ------
    UsageError
        A file cannot be read, or holds nothing of a model or of a column that is watched.
    """
    for model, remark in remarks_on(config, learner, models):
        log.warning("reference of %s: %s", model, remark)


def remarks_on(config: Config, learner: Learner, models: Collection[str] | None = None) -> Iterator[tuple[str, str]]:
    """Do the same, and yield each model with what there is too little of in its reference, in words."""
    awaited = {model: some for model, some in learner.awaited().items() if models is None or model in models}
    for files in dict.fromkeys(awaited.values()):
        ticks = read_ticks(config, files)
        for model in (one for one, some in awaited.items() if some == files):
            try:
                found = learner.learn(model, [tick for tick in ticks if tick.model == model])
            except ValueError as error:
                raise UsageError(
                    f"reference of {model}: {', '.join(map(str, files.paths))} hold {error}; "
                    f"name files that do under `detection`, or another reference"
                ) from error
            yield from ((model, remark) for remark in found)


def check_references(config: Config) -> Iterator[tuple[str, str]]:
    """
    Try the reference files of a configuration; yield each model with what there is too little of, in words.

    Raises
    ------
    UsageError
        They cannot be used.
    """
    catalog = Catalog(config)
    yield from remarks_on(config, Downstream(catalog, Measures(catalog)))


def read_ticks(config: Config, files: ReferenceFiles) -> list[Tick]:
    """
    Read files to their end, and return what became known in each tick, of all models.

    Raises
    ------
    UsageError
        A file cannot be read.
    """
    catalog = Catalog(config)
    upstream = Upstream(catalog, Measures(catalog), trail_of(config))
    sources, now = open_files(files.paths), time.time_ns() // 1_000
    for source in sources:
        upstream.open(source.name)
    for block in in_event_time(upstream, sources):
        for _ in upstream.process(block, now):
            pass
    catalog.groups.admit(FOREVER)
    ticks = upstream.measures.watched.take(FOREVER, upstream.recorded())
    counts = upstream.tallies()
    names = ", ".join(map(str, files.paths))
    log.info("reference %s: %d predictions, %d outcomes", names, counts["predictions"], counts["outcomes"])
    if counts["rejected"]:
        log.warning("reference %s: %d events were rejected and are not in it", names, counts["rejected"])
    return ticks
