"""The numbers in docs/performance.md are those that the benchmarks wrote."""

from __future__ import annotations

from benchmarks.document import DOCUMENT, rewritten


def test_the_document_has_the_numbers_of_the_results() -> None:
    """Writing its tables again changes nothing: nobody has changed a number by hand, or forgotten to write them."""
    text = DOCUMENT.read_text(encoding="utf-8")

    assert rewritten(text) == text
