"""Knowledge gaps as all sides see them: where their texts are sealed, and from how many people on words are shown."""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

Status = Literal["open", "drafted", "dismissed", "solved"]

QUESTION: Final = "gap_questions.question_ct"
VECTOR: Final = "gap_questions.vector_ct"
ANSWER: Final = "gap_questions.answer_ct"
CUSTOMERS_MIN: Final = 3
"""So many different customers must have asked before anybody reads a word of theirs: with fewer, a gap is numbers."""
KEPT_DAYS: Final = 90
"""A question that nobody asked again within it is forgotten."""


def row_of(conversation_id: UUID, turn: int) -> tuple[UUID, int]:
    """What a question's sealed values are bound to."""
    return conversation_id, turn
