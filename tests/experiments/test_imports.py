"""A service that assigns needs the standard library and this package's own corner, nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
USES = """
import sys
before = set(sys.modules)
from streams.experiments import Allocation, Experiments, ExperimentsError
from streams.experiments.planning import plan, requests

experiment = {
    "layer": "l", "traffic": 0.5, "queue": 1, "arms": {"a": 1, "b": 1},
    "rules": [{"when": {"attribute": "age", "at_least": 18}}],
    "parameters": {"x": {"sample": [1, 2, 3], "draws": 2}}, "defaults": {"x": []},
}
section = {"layers": {"l": {}}, "experiments": {"e": experiment}}
declaration = Experiments.parse(section).declaration
planned = plan(requests(declaration, {}), {"l": 10_000}, Allocation(), {}, now=0)
experiments = Experiments.parse(section, planned.allocation)
assigned = [experiments.assign(f"u{i}", {"age": 30}) for i in range(20)]
assert any(one.parameters("e")["x"] for one in assigned)
try:
    Experiments.parse({"experiments": 1})
except ExperimentsError:
    loaded = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
    ours = sorted(name for name in sys.modules if name.startswith("streams") and "experiments" not in name)
    print(sorted(loaded), ours)
"""


def test_assigning_loads_nothing_else() -> None:
    """Importing and using it loads no third party's module, and no other module of this package."""
    command = [sys.executable, "-c", USES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)  # noqa: S603

    assert (done.stdout, done.stderr) == ("['streams'] ['streams']\n", "")
