"""Screening: what is said between the lines. A critical situation decides before any model speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from helios.detection.learned import Floats
from helios.detection.situations import find_situations, situation

SECRET_PASTED = 18


@dataclass(frozen=True, slots=True)
class Screened:
    situations: tuple[int, ...]
    verdict: Literal["answer", "escalate", "refuse"]
    situation: int | None
    """The one that decided."""
    reason: str

    @property
    def wants_draft(self) -> bool:
        """A regulated notice is answered by a person with the bank's words in front of them."""
        return self.situation is not None and situation(self.situation).action == "ticket_and_escalate"


def screen(question: str, masked: Sequence[str], vector: Floats | None = None) -> Screened:
    """The most urgent situation decides; an injection counts only where nobody needs help.

    `vector` is the question's, (384,): without it only the rules are asked.
    """
    matches = find_situations(question, None, vector)
    numbers = [match.number for match in matches]
    if masked:
        numbers.append(SECRET_PASTED)
    found = tuple(dict.fromkeys(numbers))
    for number in sorted(found, key=lambda each: situation(each).priority):
        action = situation(number).action
        if action in ("escalate", "ticket_and_escalate"):
            return Screened(found, "escalate", number, situation(number).name)
    for number in found:
        if situation(number).action == "refuse":
            rule = next((match.rule_id for match in matches if match.number == number), situation(number).name)
            return Screened(found, "refuse", number, rule)
    return Screened(found, "answer", None, "")
