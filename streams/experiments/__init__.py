"""
Experiments: who is in which, in which arm, and with which parameters; `docs/assignment.md` specifies it.

For services: importing this loads the standard library and nothing else.
"""

from __future__ import annotations

from streams.experiments.allocation import Allocation
from streams.experiments.assignment import Assignments, Experiments
from streams.experiments.deciding import Decision
from streams.experiments.reading import ExperimentsError

__all__ = ["Allocation", "Assignments", "Decision", "Experiments", "ExperimentsError"]
