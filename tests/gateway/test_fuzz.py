"""The gateway under schemathesis: requests made from its own OpenAPI document, as it allows them and as it does not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from streams.core.block import EVENT_TYPES
from streams.core.validate import LATEST_TIME
from streams.gateway.limits import Limits
from tests.gateway.serving import CONFIG, SECRET, Gateway, running

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
EXAMPLES = 120


def test_every_answer_is_one_that_the_document_allows(tmp_path: Path) -> None:
    """What the document allows is taken and what it does not is refused, never with a 500, always in its own words."""
    limits = Limits(events=20, events_per_second=1e9)
    with running(limits, now=lambda: LATEST_TIME) as gateway:
        ran = fuzz(gateway, tmp_path)
    counts = re.search(r"(\d+) generated, (\d+) passed", ran.stdout)

    assert ran.returncode == 0, shortened(ran.stdout + ran.stderr)
    assert counts is not None, ran.stdout
    assert int(counts[2]) >= EXAMPLES
    assert len(gateway.log.messages) >= EXAMPLES
    assert {message.kind for message in gateway.log.messages} == {*EVENT_TYPES}


def fuzz(gateway: Gateway, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run schemathesis on the gateway's document, which is told what models the gateway knows."""
    document = gateway.ask("GET", "/v1/openapi.json").json
    schemas = document["components"]["schemas"]
    for event in ("Prediction", "Summary"):
        schemas[event]["properties"]["model"] = {"enum": [*CONFIG.models]}
    # No schema can ask for lists that are equally long, and for times that are multiples of another field.
    for name in ("latency_bin", "latency_n", "latency_weight", "latency_square", "seconds"):
        del schemas["Summary"]["properties"][name]
    schemas["Summary"]["properties"]["event_time"]["anyOf"][1]["multipleOf"] = 60_000_000
    schemas["Summary"]["allOf"] = [one for one in schemas["Summary"]["allOf"] if "latency_bin" not in str(one)]
    (directory / "openapi.json").write_text(json.dumps(document))
    command = [str(SCHEMATHESIS), "--config-file", str(HERE / "schemathesis.toml"), "run", "openapi.json", "--no-color"]
    where = ["--url", f"http://127.0.0.1:{gateway.port}", "--header", f"Authorization: Bearer {SECRET}"]
    how = ["--checks", "all", "--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES), "--continue-on-failure"]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.gateway.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
    return subprocess.run(  # noqa: S603
        [*command, *where, *how],
        cwd=directory,
        env={**os.environ, **hooks},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def shortened(text: str) -> str:
    """Cut lines that repeat a body."""
    return "\n".join(line[:600] for line in text.splitlines())
