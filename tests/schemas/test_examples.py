from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from streams.codecs.jsonl import decode_lines
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.codecs.wire import decode_datums
from streams.codecs.write import encode_messages
from streams.core.block import EVENT_TYPES, RejectReason
from streams.core.validate import Rules, validate

EXAMPLES = default_schema_dir() / "examples"
ACCEPTED = sorted(EXAMPLES.glob("*/accepted/*.json"))
REJECTED = sorted(EXAMPLES.glob("*/rejected/*.json"))
RULES = Rules(
    models=frozenset({"fraud", "price", "feed"}),
    probability=frozenset({"fraud"}),
    classes={"fraud": frozenset({"0", "1"})},
    outcome_labels=None,  # the ranking model's labels are items, of which there is no list
    future=4_102_444_800_000_000,
)
STATEFUL = {"too_late"}


def name(path: Path) -> str:
    return str(path.relative_to(EXAMPLES))


def verdict(path: Path) -> list[str]:
    """Tell what the codec and then the validator refuse the example for."""
    block = decode_lines([path.read_bytes().rstrip()], name(path), [0])
    validated = itertools.chain.from_iterable(validate(batch, RULES)[1] for batch in block.batches)
    return [reject.reason for reject in (*block.rejects, *validated)]


@pytest.mark.parametrize("path", ACCEPTED, ids=name)
def test_accepted_examples_are_accepted(path: Path) -> None:
    """An example in `accepted` is an event of its folder's type that codec and validator take."""
    (batch,) = decode_lines([path.read_bytes().rstrip()], name(path), [0]).batches

    assert verdict(path) == []
    assert batch.kind == path.parts[-3]


@pytest.mark.parametrize("path", REJECTED, ids=name)
def test_rejected_examples_are_rejected_for_their_reason(path: Path) -> None:
    """An example in `rejected` is refused, for the reason that its name begins with."""
    assert verdict(path) == [path.name.partition("--")[0]]


def test_every_reason_has_an_example() -> None:
    """There is an example for each reason, but for those that depend on what came before; each type has some."""
    reasons = {path.name.partition("--")[0] for path in REJECTED}

    assert reasons == set(get_args(RejectReason)) - STATEFUL
    assert {path.parts[-3] for path in ACCEPTED} == {path.parts[-3] for path in REJECTED} == set(EVENT_TYPES)


@pytest.mark.parametrize("path", ACCEPTED, ids=name)
def test_accepted_examples_are_the_same_in_avro(path: Path) -> None:
    """Encoded by the schema and decoded again, an example has the same columns as its JSON."""
    registry = SchemaRegistry.load(default_schema_dir())
    event = json.loads(path.read_text())
    (from_json,) = decode_lines([path.read_bytes().rstrip()], "f", [0]).batches
    (from_avro,) = decode_datums(encode_messages(event["type"], [event], registry), "f", np.arange(1), registry).batches

    assert from_avro.table.equals(from_json.table)
