"""A limit: decode as many events as there are into columns, from memory, and do nothing with them."""

from __future__ import annotations

import os
from itertools import cycle

import numpy as np

from benchmarks.peers.workload import make_workload
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.wire import decode_datums

BLOCK = 5_000


def main() -> None:
    """Decode the first blocks again and again, predictions and outcomes in turn."""
    registry = SchemaRegistry.load(default_schema_dir())
    made = make_workload(10 * BLOCK)
    messages = [arrivals.messages() for arrivals in (made.predictions, made.outcomes)]
    blocks = [of[start : start + BLOCK] for start in range(0, 8 * BLOCK, BLOCK) for of in messages]
    positions = np.arange(BLOCK)
    left = int(os.environ["EVENTS"])
    print("begin", flush=True)
    for block in cycle(blocks):
        left -= len(decode_datums(block, "memory", positions, registry))
        if left <= 0:
            break
    print("done", flush=True)


if __name__ == "__main__":
    main()
