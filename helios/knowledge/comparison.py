"""What changed between two versions, sentence by sentence, for the person who reviews it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from helios.knowledge.sentences import split_sentences

AUTOJUNK_FROM = 2_000
"""Sentences from which on frequent ones are not matched: exact comparison takes quadratic time."""


@dataclass(frozen=True, slots=True)
class Change:
    """before, after  the sentences that are not the same; empty where something was added or removed
    unchanged       how many sentences between this change and the one before are the same
    """

    kind: Literal["added", "removed", "changed"]
    before: tuple[str, ...]
    after: tuple[str, ...]
    unchanged: int


def compare(before: str, after: str) -> list[Change]:
    """The changes from one text to the other, in the order of the text."""
    return list(_changes(split_sentences(before), split_sentences(after)))


def _changes(before: Sequence[str], after: Sequence[str]) -> Iterator[Change]:
    autojunk = max(len(before), len(after)) >= AUTOJUNK_FROM
    unchanged = 0
    for tag, left, left_end, right, right_end in SequenceMatcher(None, before, after, autojunk).get_opcodes():
        if tag == "equal":
            unchanged = left_end - left
            continue
        kind: Literal["added", "removed", "changed"] = (
            "added" if tag == "insert" else "removed" if tag == "delete" else "changed"
        )
        yield Change(kind, tuple(before[left:left_end]), tuple(after[right:right_end]), unchanged)
        unchanged = 0
