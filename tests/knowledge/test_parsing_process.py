"""Parsing apart: the same text, and whatever a document does to its reader stays there."""

from __future__ import annotations

import pytest

from helios.knowledge.parsing import ParsingError
from helios.knowledge.parsing_process import parse_apart

# Python's HTML parser looks for the end of each attribute again from its start.
QUADRATIC = b"<a b='" * 100_000


async def test_it_gives_the_same_text() -> None:
    assert await parse_apart("Gebühr: 3 €".encode(), "text/plain") == "Gebühr: 3 €"


async def test_a_refusal_keeps_its_code() -> None:
    with pytest.raises(ParsingError) as refused:
        await parse_apart(b"\x00\x01", "text/plain")
    assert refused.value.code == "not_text"


async def test_a_document_that_would_hang_its_reader_is_given_up() -> None:
    with pytest.raises(ParsingError) as refused:
        await parse_apart(QUADRATIC, "text/html", cpu_s=1)
    assert refused.value.code == "too_costly"


async def test_a_process_that_only_waits_is_given_up_too() -> None:
    with pytest.raises(ParsingError) as refused:
        await parse_apart(QUADRATIC, "text/html", wall_s=0.2)
    assert refused.value.code == "too_costly"
