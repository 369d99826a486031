"""Whether an answer is what a case expects, and whether a run passes its suite's gate."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from helios.evaluations.suite import Case, Expectation, Suite

Passed = Mapping[tuple[str, int], bool]
"""By side and case."""


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a case.

    turn        that which ended it, from 1: a person who takes over answers the rest
    reasons     why it was escalated, held or blocked
    confidence  None where nothing was asked, as in a greeting
    answer      as the customer would read it, without the numbers of passages; what was held or blocked is no answer
    generator   that wrote it
    """

    outcome: str
    turn: int
    language: str
    intent: str
    situations: tuple[int, ...]
    reasons: tuple[str, ...] = ()
    cites: tuple[str, ...] = ()
    confidence: float | None = None
    answer: str = ""
    generator: str | None = None


def failings(expect: Expectation, played: Played) -> list[dict[str, Any]]:
    """What came otherwise: `{"expected", "wanted", "got"}` each, none where the case passes."""
    return [{"expected": name, "wanted": wanted, "got": got} for name, wanted, got in _differences(expect, played)]


def _differences(expect: Expectation, played: Played) -> Iterator[tuple[str, Any, Any]]:
    for name in ("outcome", "language", "intent"):
        wanted, got = getattr(expect, name), getattr(played, name)
        if wanted is not None and wanted != got:
            yield name, wanted, got
    if expect.situations is not None and set(expect.situations) != set(played.situations):
        yield "situations", sorted(expect.situations), sorted(played.situations)
    if not set(expect.cites) <= set(played.cites):
        yield "cites", list(expect.cites), list(played.cites)
    for phrase in expect.must_contain:
        if not says(played.answer, phrase):
            yield "must_contain", phrase, None
    for phrase in expect.must_not_contain:
        if says(played.answer, phrase):
            yield "must_not_contain", phrase, phrase
    if expect.confidence is not None and (played.confidence or 0.0) < expect.confidence:
        yield "confidence", expect.confidence, played.confidence


def says(answer: str, phrase: str) -> bool:
    """Whole words and whole figures: `10` is neither in `100` nor in `10.50`. Case and spaces do not count."""
    words = _flat(phrase)
    before = r"(?<!\w)(?<![0-9][.,])" if words[0].isdigit() else r"(?<!\w)" if words[0].isalnum() else ""
    after = r"(?!\w)(?![.,][0-9])" if words[-1].isdigit() else r"(?!\w)" if words[-1].isalnum() else ""
    return re.search(f"{before}{re.escape(words)}{after}", _flat(answer)) is not None


def _flat(text: str) -> str:
    return " ".join(text.casefold().split())


def report(suite: Suite, passed: Passed) -> dict[str, Any]:
    """How a run did, by numbers of cases. `failed_because`: what of the gate it does not pass; empty where it does.

    Where there is no draft the gate is held against what is published.
    """
    drafted = any(side == "draft" for side, _ in passed)
    judged = "draft" if drafted else "published"
    numbers = range(len(suite.cases))
    right = {side: {n for n in numbers if passed.get((side, n))} for side in ("published", "draft")}
    worse, better = right["published"] - right["draft"], right["draft"] - right["published"]
    must = [n for n in numbers if suite.cases[n].must and n not in right[judged]]
    return {
        "cases": len(suite.cases),
        "published": len(right["published"]),
        "draft": len(right["draft"]) if drafted else None,
        "worse": sorted(worse) if drafted else [],
        "better": sorted(better) if drafted else [],
        "must_failed": must,
        "failed_because": _below(suite, len(right[judged]), must, worse if drafted else ()),
    }


def _below(suite: Suite, right: int, must: Collection[int], worse: Collection[int]) -> list[str]:
    found = []
    if right < suite.gate.share * len(suite.cases):
        found.append("share")
    if must:
        found.append("must")
    if suite.gate.worse is not None and len(worse) > suite.gate.worse:
        found.append("worse")
    return found


def expected_of(case: Case) -> dict[str, Any]:
    return case.expect.model_dump(mode="json", exclude_unset=True)
