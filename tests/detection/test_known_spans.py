"""What was found once is not looked for again, until it is forgotten; and no text is kept."""

from __future__ import annotations

import pickle

from helios.detection.known_spans import KnownSpans
from helios.detection.spans import Span


def test_a_text_is_read_once_and_the_least_recently_read_is_forgotten() -> None:
    known, read = KnownSpans(most=2), []

    def look(text: str, language: str = "en") -> object:
        def find() -> list[Span]:
            read.append((text, language))
            return [Span(0, len(text), "PERSON")]

        return known.get((text, language), find)

    assert look("Ada") == look("Ada") == (Span(0, 3, "PERSON"),)
    look("Ada", "de")
    assert read == [("Ada", "en"), ("Ada", "de")]
    look("Ada")
    look("Bob")  # the German reading goes
    look("Ada")
    look("Ada", "de")
    assert read == [("Ada", "en"), ("Ada", "de"), ("Bob", "en"), ("Ada", "de")]


def test_it_holds_no_word_of_a_text() -> None:
    known = KnownSpans()
    known.get(("Ada Lovelace \ud800", "en"), lambda: [Span(0, 12, "PERSON")])
    assert b"Lovelace" not in pickle.dumps(known._known)
