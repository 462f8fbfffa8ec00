"""
A share of the requests, before they are emitted: what a service that samples leaves to be recorded.

The numbers of requests are salted, so that what is sampled of the rest later is drawn anew.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from streams.core.block import Batch, Block
from streams.core.columns import from_arrow
from streams.core.flatten import identify
from streams.core.intake import pick
from streams.core.sampling.salts import EMITTED
from streams.core.sampling.uniform import kept, uniforms


def thinned(block: Block, share: float) -> Block:
    """
    Return the events of a share of the requests, the same ones of all types.

    Predictions say with which probability they were recorded. Outcomes follow theirs, so that theirs, given that the
    prediction was recorded, stays what it was.
    """
    return Block(block.source, tuple(_thinned(batch, share) for batch in block.batches), block.rejects)


def _thinned(batch: Batch, share: float) -> Batch:
    rows = np.flatnonzero(kept(uniforms(identify(batch.table)["key"], EMITTED), share))
    some = pick(batch, rows)
    if batch.kind != "prediction":
        return some
    place = some.table.schema.get_field_index("inclusion_probability")
    chances = pa.array(from_arrow(some.table["inclusion_probability"]) * share)
    table = some.table.set_column(place, some.table.schema.field(place), chances)
    return Batch(some.kind, table, some.source, some.positions, some.original)
