"""Compliance and redaction of what is about to be said: no window leaves before it passed both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from helios.detection import links, output
from helios.detection.redaction import Redacted, redact_output
from helios.detection.windows import WindowCutter
from helios.rules.policy import Policy, shipped
from helios.rules.redaction import SHIPPED, Redaction

# The one rule that a person's own words are free of.
CLAIMS_TO_BE_HUMAN = "output.human_claim"
PROMISSORY_DRAFT = 9
"""Is found in drafts, so its phrases count in every one."""
# A phrase has at most a few dozen words: what was released before them is not looked at again.
LOOK_BACK = 400
# Embeddings, overrides and isolates of Unicode's bidirectional algorithm, and its tag characters. Single marks stay:
# Arabic needs them, and they turn no digits round.
CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
# What ends a sentence or marks a word up. A tenant's phrase is no other for the marks between its words.
MARKS = re.compile(r"(?<!\d)[.,](?!\d)|[;:!?\n\r…*_|>#~\"()\[\]]")
CITATION = re.compile(r"\s?\[(\d{1,3})\]")


@dataclass(frozen=True, slots=True)
class Standard:
    """What a text is held against."""

    context: output.Context
    language: str
    citable: int
    """How many passages there are: a marker beyond them points nowhere and is taken out."""
    policy: Policy = field(default_factory=shipped)
    redaction: Redaction = SHIPPED

    def redact(self, text: str) -> Redacted:
        """Without personal data, but for what an approved passage holds."""
        return redact_output(text, self.context.passages, self.language, self.redaction.find(text))

    def forbidden(self, before: str, text: str) -> tuple[str, ...]:
        """The tenant's own forbidden phrases that end in `text`: of situations that are active, and of drafts."""
        book = self.policy.forbidden
        if book is None:
            return ()
        whole, active = MARKS.sub(" ", before + text), {*self.context.situations, PROMISSORY_DRAFT}
        found = book.find(whole, after=len(before))
        return tuple(each.rule.id for each in found if each.rule.number in active)

    def hold(self, text: str) -> int:
        """The offset from which `text` may begin a forbidden phrase that is not whole yet, or its length."""
        book = self.policy.forbidden
        return output.hold(text) if book is None else min(output.hold(text), book.begun(MARKS.sub(" ", text)))


@dataclass(frozen=True, slots=True)
class Reviewed:
    """action  `release` the text; `hold`: a person must look; `block`: nothing of it may be sent"""

    action: Literal["release", "hold", "block"]
    text: str
    reasons: tuple[str, ...] = ()
    situation: int | None = None
    redacted: tuple[str, ...] = ()


def review_whole(text: str, standard: Standard) -> Reviewed:
    """The last look at a text, as one piece. Not changed any more: what would have to be is held."""
    verdict = output.check_whole(text, standard.context)
    reviewed = _reviewed(verdict, text, standard.forbidden("", text))
    if reviewed.action != "release":
        return reviewed
    redacted = standard.redact(text)
    if verdict.action == "rewrite" or redacted.text != text:
        return Reviewed("hold", text, ("unclean_as_a_whole", *redacted.labels), None)
    return reviewed


def review_written(text: str, standard: Standard) -> Reviewed:
    """A text that a person wrote: the same checks, in one piece, with redaction applied."""
    text = without_controls(text)
    verdict = output.check_whole(text, standard.context)
    reviewed = _reviewed(verdict, text, standard.forbidden("", text))
    if reviewed.action != "release" and set(reviewed.reasons) != {CLAIMS_TO_BE_HUMAN}:
        return reviewed
    clean = standard.redact(verdict.text or text)
    return Reviewed("release", clean.text, (), None, clean.labels)


def review_held(text: str, standard: Standard) -> Reviewed:
    """A draft that waits for a person, as it may be sent if they approve: the whole of it judged, cleaned as it stands.

    What came behind the window that held it was not looked at before; a part that may never be sent blocks it.
    """
    reviewed = _reviewed(output.check_whole(text, standard.context), text, standard.forbidden("", text))
    clean = cleaned(text, standard)
    return Reviewed(reviewed.action, clean.text, reviewed.reasons, reviewed.situation, clean.labels)


def cleaned(text: str, standard: Standard) -> Redacted:
    """Without what no window would have kept: marks that point nowhere, images, foreign links, personal data."""
    known = drop_unknown_markers(without_controls(text), standard.citable)
    return standard.redact(links.clean(known, standard.context.allowed_link_domains).text)


def review_approved(draft: str, standard: Standard) -> Reviewed:
    """A draft that a person vouches for: figures and promises are theirs to know, the lists hold as for own words.

    Personal data, images and foreign links are taken out all the same: whose eye sees an address in a picture?
    """
    vouched = replace(standard.context, passages=(*standard.context.passages, draft))
    reviewed = _reviewed(output.check_whole(draft, vouched), draft, standard.forbidden("", draft))
    return replace(reviewed, text=cleaned(draft, standard).text)


@dataclass(slots=True)
class Gate:
    """Cuts an answer into windows as it is written and lets each through only after its checks."""

    standard: Standard
    passed: str = ""
    unjudged: str = ""
    """Windows behind the one that was not released."""
    redacted: set[str] = field(default_factory=set)
    cutter: WindowCutter = field(init=False)

    def __post_init__(self) -> None:
        self.cutter = WindowCutter(hold=self.standard.hold)

    def feed(self, delta: str) -> list[Reviewed]:
        """The windows that this piece completes. After one that is not released nothing more comes through."""
        return self.review(self.cutter.feed(delta))

    def finish(self) -> list[Reviewed]:
        return self.review(self.cutter.flush())

    def review(self, windows: Sequence[str]) -> list[Reviewed]:
        """Judges windows that the cutter gave, in order, up to the first that is not released."""
        reviewed = []
        for place, window in enumerate(windows, 1):
            reviewed.append(self._window(window))
            if reviewed[-1].action != "release":
                self.unjudged = "".join(windows[place:])
                break
            self.passed += reviewed[-1].text
        return reviewed

    def rest(self) -> str:
        """What was written behind the last window that was judged."""
        rest, self.unjudged = self.unjudged + "".join(self.cutter.flush()), ""
        return rest

    def _window(self, window: str) -> Reviewed:
        window = drop_unknown_markers(without_controls(window), self.standard.citable)
        verdict = output.check_window(self.passed, window, self.standard.context)
        reviewed = _reviewed(verdict, window, self.standard.forbidden(self.passed[-LOOK_BACK:], window))
        if reviewed.action != "release":
            return reviewed
        clean = self.standard.redact(reviewed.text)
        self.redacted.update(clean.labels)
        return Reviewed("release", clean.text, redacted=clean.labels)


def without_controls(text: str) -> str:
    """Without the marks that show a text in another order than it is written, and those that hide letters.

    What follows an override is read backwards: a fee of 05 dollars would pass as 5 and be seen as 50.
    """
    return CONTROLS.sub("", text)


def drop_unknown_markers(text: str, citable: int) -> str:
    """Takes out citation markers that point to no passage."""
    return CITATION.sub(lambda marker: marker[0] if 1 <= int(marker[1]) <= citable else "", text)


def cited(text: str) -> list[int]:
    """The passages that a text cites, 1-based, in the order of their first mention."""
    return list(dict.fromkeys(int(marker[1]) for marker in CITATION.finditer(text)))


def _reviewed(verdict: output.Verdict, text: str, forbidden: tuple[str, ...]) -> Reviewed:
    reasons = (*(reason.rule for reason in verdict.reasons), *forbidden)
    situation = next((reason.situation for reason in verdict.reasons if reason.situation is not None), None)
    if verdict.action in ("hold", "block"):
        return Reviewed(verdict.action, text, reasons, situation)
    if forbidden:
        return Reviewed("hold", text, reasons, situation)
    return Reviewed("release", text if verdict.text is None else verdict.text, reasons, situation)
