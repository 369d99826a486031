"""Cut a stream of text into windows that can be checked and released one by one.

A window ends at a sentence or a clause, so that a check sees whole phrases. It never ends inside a number, a run of
digits that may be a card number or an IBAN, a bracket, a citation marker or a phrase that ``hold`` wants to see whole.
The windows, joined, are exactly what was fed.
"""

import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise

from helios.detection import cards

_WORDS_MIN = 4
_WORDS_MAX = 30

# Punctuation, what closes with it, the citation markers behind it, white space, and the first sign of what follows.
_BOUNDARY = re.compile(
    r"(?:(?P<sentence>[.!?…。！？]+|\n\s*\n)|(?P<clause>[,;:]|\n))[\"'”’»)\]*_]*(?:\s*\[\d{1,2}\])*\s*(?<=\s)(?=[^\s\[]|\[[^\d\]])"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[])(?:[^\W\d_]|mr|mrs|ms|dr|prof|st|no|nr|art|abs|sec|vs|etc|e\.g|i\.e|z\.\s?b|u\.\s?a|d\.\s?h|bzw|ca|ggf|"
    r"inkl|zzgl|sr|sra|srta|núm|ud|uds|p\.\s?ej|approx|incl|inc|ltd|co|jan|feb|mar|apr|aug|sept?|oct|nov|dec)\.$",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"\S+")
_PLAIN = re.compile(r"[^\W\d_]+['’]?[^\W\d_]*")
_OPENERS = {"[": "]", "(": ")", "<": ">"}


class WindowCutter:
    """``hold(text)`` is the offset from which ``text`` may begin a phrase that goes on, or its length."""

    def __init__(self, hold: Callable[[str], int] = len) -> None:
        self._hold = hold
        self._pending = ""
        self._held: set[int] = set()  # cuts that were refused because a phrase had begun: asking again costs time

    def feed(self, delta: str) -> list[str]:
        """Windows that are complete now that ``delta`` has come."""
        self._pending += delta
        windows: list[str] = []
        while (cut := self._cut()) > 0:
            windows.append(self._pending[:cut])
            self._pending = self._pending[cut:]
            self._held.clear()
        return windows

    def flush(self) -> list[str]:
        """What is left, at the end of the stream."""
        rest, self._pending = self._pending, ""
        return [rest] if rest else []

    def _cut(self) -> int:
        """Length of the window that can go, 0 if none can."""
        text = self._pending
        if not text or not any(character.isspace() for character in text):
            return 0
        for match in _BOUNDARY.finditer(text):
            if self._at_boundary(text, match):
                return match.end()
        return self._forced(text)

    def _at_boundary(self, text: str, match: re.Match[str]) -> bool:
        cut = match.end()
        before = text[:cut]
        if len(before.split()) < _WORDS_MIN or _depth(before) or _runs_on(text, cut):
            return False
        if match["sentence"] and _ABBREVIATION.search(text[: match.end("sentence")]):
            return False
        # The citation markers behind a sentence begin nothing.
        return self._free(match.end("sentence") if match["sentence"] else cut)

    def _forced(self, text: str) -> int:
        """A cut between two plain words of a text that is long for a window."""
        words = list(_TOKEN.finditer(text))
        if len(words) <= _WORDS_MAX:
            return 0
        # The last word may still grow, so it is not looked at.
        for left, right in reversed(list(pairwise(words[:-1]))[_WORDS_MIN - 1 : _WORDS_MAX]):
            if not (_plain(left.group()) and _plain(right.group()) and right.group()[0].islower()):
                continue
            if not _depth(text[: right.start()]) and self._free(right.start()):
                return right.start()
        return 0

    def _free(self, cut: int) -> bool:
        """Whether no phrase that began before ``cut`` goes on behind it."""
        if cut in self._held:
            return False
        if self._hold(self._pending[:cut]) == cut:
            return True
        self._held.add(cut)
        return False


@cache
def _digit_words() -> frozenset[str]:
    words = cards.digit_words()
    return frozenset({*words.digits, *words.tens, *words.repeats})


def _plain(word: str) -> bool:
    return bool(_PLAIN.fullmatch(word)) and word.lower() not in _digit_words()


def _runs_on(text: str, cut: int) -> bool:
    """Whether digits before ``cut`` may go on behind it. The word behind it may not be whole yet."""
    previous = text[:cut].split()[-1].strip(".,;:!?)]\"'*_")
    if _plain(previous) and not (previous.isupper() and len(previous) <= _WORDS_MIN):
        return False
    rest = text[cut:]
    following = rest.split(maxsplit=1)[0]
    whole = len(rest) > len(following)
    if any(character.isdigit() for character in following):
        return True
    if whole:
        return not _plain(following.strip(".,;:!?)]\"'*_")) and not following[0].isalpha()
    return any(word.startswith(following.lower()) for word in _digit_words()) or not following[0].isalpha()


def _depth(text: str) -> bool:
    """Whether a bracket is open at the end of ``text``."""
    stack: list[str] = []
    for character in text:
        if character in _OPENERS:
            stack.append(_OPENERS[character])
        elif stack and character == stack[-1]:
            stack.pop()
    return bool(stack)
