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
from helios.detection.wording import Wording
from helios.models.embedder import Embedder
from helios.settings import settings

COUNT: Final = 5_000
FRESH: Final = 1_000
SEED: Final = 9
KEYWORDS: Final = (
    "guarantee", "risk-free", "contact the merchant", "police report", "in writing", "negligence", "your pin",
    "your password", "i am a human", "system prompt", "overdue", "i recommend", "waive", "calm down",
)  # fmt: skip
"""The keyword list that stands beside ours."""


def passes(draft: Draft, wording: Wording | None) -> bool:
    """Whether the forbidden words would reach a customer through the gate that every answer passes."""
    standard = Standard(Context(situations=draft.situations, language="en", wording=wording), "en", 0)
    gate = Gate(standard)
    for reviewed in (gate.feed, lambda _: gate.finish()):
        if any(window.action != "release" for window in reviewed(draft.text)):
            return False
    return review_whole(gate.passed, standard).action == "release"


def leaking(found: Iterable[Draft], wording: Wording | None) -> list[Draft]:
    return [draft for draft in found if passes(draft, wording)]


def drafts(_: Path | None) -> Section:
    every = list(generated("drafts", COUNT, SEED))
    encoder = Embedder.load(settings())
    wording = Wording(lambda sentence: encoder.embed([sentence])[0])
    leaked = leaking(every, wording)
    fresh = len(leaking(generated("drafts_fresh", FRESH, SEED), wording))
    by_lists = len(leaking(every, None))
    by_keywords = sum(not any(word in draft.text.lower() for word in KEYWORDS) for draft in every)
    rules = Counter(draft.rule for draft in leaked)
    text = (
        f"## Drafts\n\n{COUNT} generated drafts with a phrase that must not be said, disguised by fillers, slips,"
        " marks and other alphabets (`evals/suites/drafts.yaml`). The heads did not learn from their wordings, but of"
        " what passed before the last training its author knew; the list of claims to be human was"
        " extended with them in sight."
        f" Passed: ours {len(leaked)}, our lists without the trained heads {by_lists}, a keyword list {by_keywords}."
        f"\n\nOf {FRESH} drafts of wordings that were written afterwards, of which only this sum was looked at"
        f" (`drafts_fresh.yaml`), ours let {fresh} pass.\n"
    )
    if rules:
        text += "\n" + table(["list", "passed"], [[name, str(count)] for name, count in rules.most_common()])
    figures = {"drafts": COUNT, "passed": len(leaked), "passed_by_lists": by_lists,
               "passed_by_keywords": by_keywords, "fresh": FRESH, "fresh_passed": fresh}  # fmt: skip
    return Section("drafts", text, figures)
