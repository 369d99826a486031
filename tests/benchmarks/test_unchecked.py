"""The workers that check nothing do check nothing: else the page would say that checks are free."""

from __future__ import annotations

from typing import Any

import pytest

from activities import understanding
from activities.review import Gate, Standard, review_whole
from benchmarks.unchecked import replacements
from helios.detection.output import Context

ASKED = "There is a charge of 240 dollars on my card that I did not make."
DRAFT = "I am a human and I guarantee you a return of 12 %. Write to jane@example.org."


def judged() -> tuple[Any, ...]:
    standard = Standard(Context(language="en"), "en", 0)
    gate = Gate(standard)
    windows = [*gate.feed(DRAFT), *gate.finish()]
    return (
        understanding.screen(ASKED, []).verdict,  # type: ignore[attr-defined]  # by the name that the step looks up
        review_whole(DRAFT, standard).action,
        {each.action for each in windows},
        "".join(each.text for each in windows),
    )


def test_what_is_asked_and_written_passes_only_without_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict, action, windows, _ = judged()
    assert (verdict, action) == ("escalate", "block")
    assert windows != {"release"}
    for where, name, instead in replacements():
        monkeypatch.setattr(where, name, instead)
    assert judged() == ("answer", "release", {"release"}, DRAFT)
