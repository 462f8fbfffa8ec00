"""Write the golden file again: `.venv/bin/python tests/golden/regenerate.py`. Look at its diff before you keep it."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.golden.flights import GOLDEN, measure


def main() -> None:
    """Measure the flights and write down what was found."""
    with tempfile.TemporaryDirectory() as directory:
        measured = measure(Path(directory))
    GOLDEN.write_text(json.dumps(measured, indent=1) + "\n")
    sys.stderr.write(f"written: {GOLDEN}\n")


if __name__ == "__main__":
    main()
