"""Screening: what is said between the lines. A critical situation decides before any model speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from helios.detection.learned import Floats
from helios.detection.situations import find_situations
from helios.rules.policy import Policy, shipped

SECRET_PASTED = 18


@dataclass(frozen=True, slots=True)
class Screened:
    situations: tuple[int, ...]
    verdict: Literal["answer", "escalate", "refuse"]
    situation: int | None
    """The one that decided."""
    reason: str
    wants_draft: bool = False
    """A regulated notice is answered by a person with the bank's words in front of them."""


def screen(
    question: str, masked: Sequence[str], vector: Floats | None = None, policy: Policy | None = None
) -> Screened:
    """The most urgent situation decides; an injection counts only where nobody needs help.

    `vector` is the question's, (384,): without it only the rules are asked. `policy` is the shipped one unless given.
    """
    policy = policy or shipped()
    matches = find_situations(question, None, vector, policy.thresholds)
    numbers = [match.number for match in matches if match.number not in policy.off]
    if masked:
        numbers.append(SECRET_PASTED)
    found = tuple(dict.fromkeys(numbers))
    for number in sorted(found, key=lambda each: policy.situation(each).priority):
        listed = policy.situation(number)
        if listed.action in ("escalate", "ticket_and_escalate"):
            return Screened(found, "escalate", number, listed.name, listed.action == "ticket_and_escalate")
    for number in found:
        if policy.situation(number).action == "refuse":
            name = policy.situation(number).name
            rule = next((match.rule_id for match in matches if match.number == number), name)
            return Screened(found, "refuse", number, rule)
    return Screened(found, "answer", None, "")
