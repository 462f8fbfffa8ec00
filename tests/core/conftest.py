"""How Hypothesis runs the tests of the core: how long an example takes says nothing about it."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("core", deadline=None)
settings.load_profile("core")
