"""The words' half of a search: the narrowest queries first, few words of a long message, an index that is asked."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from helios.database import Database
from helios.knowledge.shared_words import MOST_WORDS, NOTHING, any_word, word_steps

HOLDS = text("SELECT to_tsvector('simple', :words) @@ to_tsquery('simple', :query)")
ASKED = "Wie viel kostet eine Überweisung ins Ausland am Sonntag?"


@pytest.mark.parametrize(
    ("chunk", "step"),
    [
        ("Eine Überweisung ins Ausland kostet am Sonntag mehr.", 0),
        ("Was eine Überweisung ins Ausland kostet.", 1),
        ("Eine Überweisung am Sonntag.", 2),
        ("Reisen ins Ausland.", 3),
        ("Eine neue Karte.", None),
    ],
)
async def test_a_chunk_is_found_in_the_step_of_as_many_words(database: Database, chunk: str, step: int | None) -> None:
    async with database.platform() as connection:
        found = [
            (await connection.execute(HOLDS, {"words": chunk, "query": query})).scalar_one()
            for query in word_steps(ASKED, "de")
        ]
    assert [number for number, holds in enumerate(found) if holds] == ([] if step is None else [step])


@pytest.mark.parametrize("message", ["", "?!", "12", "'); DROP TABLE chunks; --", "a & b | !c <-> (d", "what is it"])
async def test_whatever_is_asked_makes_queries(database: Database, message: str) -> None:
    async with database.platform() as connection:
        for query in (*word_steps(message, "en"), any_word(message, "en")):
            await connection.execute(HOLDS, {"words": "anything", "query": query})


def test_only_common_words_are_asked_for_where_there_are_no_others() -> None:
    assert any_word("What does it cost?", "en") == "cost"
    assert any_word("How does it?", "en") == "how | does"
    assert set(word_steps("?", "en")) == {NOTHING}


def test_the_index_is_asked_for_the_longest_words_of_a_long_message() -> None:
    message = " ".join(f"word{'x' * number}" for number in range(200))
    asked = re.findall(r"\w+", word_steps(message, "en")[0])
    assert len(set(asked)) == MOST_WORDS
    assert min(map(len, asked)) > 200 - MOST_WORDS
    assert len(any_word(message, "en").split(" | ")) == 200


async def test_row_level_security_leaves_the_index_of_words_in_use(database: Database) -> None:
    """Else every search reads all of the tenant's chunks. No plan over a few rows would show it."""
    says = "SELECT proleakproof FROM pg_proc WHERE oid = 'ts_match_vq(tsvector, tsquery)'::regprocedure"
    async with database.platform() as connection:
        assert (await connection.execute(text(says))).scalar_one()
