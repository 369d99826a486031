"""Cuts text into sentences: English, German, Spanish, French, Turkish and what shares their full stops; Arabic too.

Rules rather than a model, because an answer quotes these sentences to customers: abbreviations, decimals, ordinals,
initials and list items must never end up as half a sentence, and the rule that cut one must be there to read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_END = re.compile(r"[.!?…؟]+[\"'”’»)\]]*(?=\s)")
"""A possible end: closing marks, then white space."""
_NEXT = re.compile(r"\s+(?P<opening>[\"'“„«‘(\[¿¡]*)(?P<first>[^\s\"'“„«‘(\[¿¡]\S*)")
_WORD = re.compile(r"[^\W\d_]")
_LINE_START = re.compile(r"(?:^|\n)\s*(?:[-*•]|\d{1,2}[.)])?\s*$")
_INITIALISM = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_NEW_BLOCK = re.compile(r"\n")

_ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr prof sr sra srta dña st jr no nos nr núm art abs approx ca cf vs e.g i.e z.b d.h u.a u.u bzw ggf inkl
    zzgl exkl evtl vgl max min mind tel fig p.ej ej pág págs ud uds ee dept ltd inc corp bhf str bd jan feb mar apr jun
    jul aug sep sept oct okt nov dec dez m.e mme mlle vb örn
    """.split()  # noqa: SIM905 - a table of words reads better than quotes around each
)
_AFTER_ORDINAL = frozenset(
    """
    januar februar märz april mai juni juli august september oktober november dezember tag tages werktag werktages
    bankarbeitstag bankarbeitstages arbeitstag geschäftstag kalendertag monat quartal quartals geburtstag jahr stock
    """.split()  # noqa: SIM905
)


def sentence_pieces(text: str) -> list[str]:
    """`text` cut into pieces that joined give `text` again: each a sentence or a list item with the space after it."""
    ends = sorted({*_sentence_ends(text), *(match.end() for match in _NEW_BLOCK.finditer(text)), len(text)})
    starts = [0, *ends[:-1]]
    return [text[start:end] for start, end in zip(starts, ends, strict=True) if start < end]


def split_sentences(text: str) -> tuple[str, ...]:
    """The sentences of `text` in order, without list marks and with single spaces inside."""
    stripped = (" ".join(_BULLET.sub("", piece).split()) for piece in sentence_pieces(text))
    return tuple(sentence for sentence in stripped if sentence)


def _sentence_ends(text: str) -> Iterator[int]:
    """Where the next sentence begins, after each end of one."""
    for match in _END.finditer(text):
        following = _NEXT.match(text, match.end())
        if following is not None and _ends_sentence(text, match, following["first"]):
            yield following.start("opening")


def _ends_sentence(text: str, end: re.Match[str], following: str) -> bool:
    if following[0].islower():
        return False  # "approx. two days", "Yes! said nobody in a help article"
    if end.group()[0] != "." or end.group().startswith(".."):
        return True
    before = text[max(0, end.start() - 40) : end.start()]
    word = before.split()[-1] if before.split() else ""
    if _LINE_START.search(before[: len(before) - len(word)]) and word.isdigit() and len(word) <= 2:
        return False  # "1. Open the app"
    if word.isdigit() and len(word) <= 2 and _WORD.match(following):
        return following.rstrip(".,;:").lower() not in _AFTER_ORDINAL  # "am 15. Januar"
    bare = word.strip("(\"'“„«").lower()
    is_initial = len(bare) == 1 and bare.isalpha() and bare not in "ay"  # "J. Smith", "z. B."
    is_initialism = _INITIALISM.fullmatch(bare) is not None and bare not in {"a.m", "p.m"}  # "U.S. Treasury"
    return not (is_initial or is_initialism or bare in _ABBREVIATIONS)
