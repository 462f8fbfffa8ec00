"""A limit: read all records with aiokafka's `getmany`, and do nothing with them."""

from __future__ import annotations

import asyncio
import os

from aiokafka import AIOKafkaConsumer


async def main() -> None:
    """Read until all events have been seen."""
    consumer = AIOKafkaConsumer(
        *(os.environ["PREDICTIONS"], os.environ["OUTCOMES"]),
        bootstrap_servers=os.environ["BOOTSTRAP"],
        group_id=os.environ["GROUP"],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    left = int(os.environ["EVENTS"])
    async with consumer:
        first = True
        while left > 0:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                left -= len(records)
                if first:
                    print("begin", flush=True)
                    first = False
        print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
