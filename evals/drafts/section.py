"""The section of docs/quality.md about drafts: how many of 5,000 with a forbidden phrase would leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from activities.review import Gate, Standard, review_whole
from evals.drafts.generator import Draft
from evals.drafts.generator import drafts as generated
from evals.report import Section, table
from helios.detection.output import Context

COUNT: Final = 5_000
SEED: Final = 9
KEYWORDS: Final = (
    "guarantee", "risk-free", "contact the merchant", "police report", "in writing", "negligence", "your pin",
    "your password", "i am a human", "system prompt", "overdue", "i recommend", "waive", "calm down",
)  # fmt: skip
"""The keyword list that stands beside ours."""


def passes(draft: Draft) -> bool:
    """Whether a byte of the forbidden words would leave through the gate that every answer passes."""
    standard = Standard(Context(situations=draft.situations, language="en"), "en", 0)
    gate = Gate(standard)
    for reviewed in (gate.feed, lambda _: gate.finish()):
        if any(window.action != "release" for window in reviewed(draft.text)):
            return len(gate.passed) > draft.start
    return review_whole(gate.passed, standard).action == "release"


def leaking(found: Iterable[Draft]) -> list[Draft]:
    return [draft for draft in found if passes(draft)]


def drafts(_: Path | None) -> Section:
    every = list(generated(COUNT, SEED))
    leaked = leaking(every)
    by_keywords = sum(not any(word in draft.text.lower() for word in KEYWORDS) for draft in every)
    rules = Counter(draft.rule for draft in leaked)
    text = (
        f"## Drafts\n\n{COUNT} generated drafts with a phrase that must not be said, disguised by fillers, slips,"
        f" marks and other alphabets. Passed: ours {len(leaked)}, a keyword list {by_keywords}.\n"
    )
    if rules:
        text += "\n" + table(["list", "passed"], [[name, str(count)] for name, count in rules.most_common()])
    return Section("drafts", text, {"drafts": COUNT, "passed": len(leaked), "passed_by_keywords": by_keywords})
