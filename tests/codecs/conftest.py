"""How Hypothesis runs the tests of the codecs: how long an example takes says nothing about it."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("codecs", deadline=None)
settings.load_profile("codecs")
