"""Which passwords are taken (NIST SP 800-63B-4 §3.1.1, OWASP ASVS 5 §6.2): long ones that nobody else would think of.

Length, a list of common ones, the words that are known about the account, and how many guesses zxcvbn would need. No
rule about kinds of characters, any Unicode, nothing is cut off. Each refusal says what to do instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

ALONE_MIN, WITH_FACTOR_MIN = 15, 8
LENGTH_MAX = 256
GUESSES_MIN = 10**6
"""What zxcvbn calls safe from throttled guessing online: below are repeats, sequences and common words joined."""
JUDGED = 20
"""Characters at either end that zxcvbn looks at: its time explodes with look-alike characters (20: 0.1 s, 64: 4 s)."""
WORD_MIN = 4
LEFT_MIN = 8

COMMON = frozenset(FREQUENCY_LISTS["passwords"])


def normal(password: str) -> str:
    """As passwords are hashed and judged: the same characters, however the keyboard composed them (Unicode NFC)."""
    return unicodedata.normalize("NFC", password)


def needs_factor(password: str) -> bool:
    """Whether it is too short to stand alone."""
    return len(normal(password)) < ALONE_MIN


def words_of(*sources: str) -> frozenset[str]:
    """The words that somebody who knows the account would try: from names, addresses, the tenant."""
    found = (word for source in sources for word in re.split(r"[^\w]+|_", source.casefold()))
    return frozenset(word for word in found if len(word) >= WORD_MIN)


def weaknesses(password: str, words: Iterable[str] = (), *, second_factor: bool = False) -> list[str]:
    """What is wrong with a new password, as sentences that teach; empty where nothing is."""
    password, words = normal(password), frozenset(words)
    shortest = WITH_FACTOR_MIN if second_factor else ALONE_MIN
    if len(password) < shortest:
        hint = "" if second_factor else f", or {WITH_FACTOR_MIN} once a second factor is set up"
        return [f"Use at least {shortest} characters{hint}; four or five unrelated words are easy to remember."]
    if len(password) > LENGTH_MAX:
        return [f"Use at most {LENGTH_MAX} characters."]
    if password.casefold() in COMMON:
        return ["This is one of the most common passwords, which are tried first. Use unrelated words of your own."]
    if _mostly(password, words):
        return ["This is little more than your name, your address or the company's name. Leave them out."]
    return _guessable(password, words)


def _mostly(password: str, words: frozenset[str]) -> bool:
    left = password.casefold()
    for word in sorted(words, key=len, reverse=True):
        left = left.replace(word, "")
    return len(left) < len(password) and sum(map(str.isalnum, left)) < LEFT_MIN


def _guessable(password: str, words: frozenset[str]) -> list[str]:
    """The stronger end counts: a weak beginning does not spoil a strong rest."""
    ends = {password[:JUDGED], password[-JUDGED:]}
    best = max((zxcvbn(end, user_inputs=sorted(words)) for end in ends), key=lambda judged: float(judged["guesses"]))
    if best["guesses"] >= GUESSES_MIN:
        return []
    warning = best["feedback"]["warning"] or "This can be guessed quickly."
    return [f"{warning} Add another word or two; uncommon ones are better."]
