"""The words' half of a search: which full-text queries find the chunks that share words with a question, a bounded few.

To rank every chunk that holds any word of a question costs what the tenant's knowledge is large. So the index is asked
in steps: for chunks that hold four of a question's words that stand together, then three, two, one, and each step is
taken only where those before it found too few.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from typing import Final

from helios.knowledge.terms import fold, words_of

TOGETHER: Final = 4
"""So many words of the question in a row: from these come the words that a chunk has to hold at once."""
MOST_WORDS: Final = 32
"""The index is asked for the longest words of a long message: they are the rarest, and each makes every step dearer."""
NOTHING: Final = "-"
"""A full-text query that no text satisfies."""
_WORD = re.compile(r"[^\W_]+")


def word_steps(query: str, language: str) -> tuple[str, ...]:
    """Full-text queries, the narrowest first; a chunk satisfies one of them at most. `NOTHING` where one is empty."""
    words = _longest(_asked(query, language))
    steps: list[str] = []
    for count in range(TOGETHER, 0, -1):
        held = _holding(words, count)
        wider = " | ".join(step for step in steps if step)
        steps.append(f"({held}) & !({wider})" if held and wider else held)
    return tuple(step or NOTHING for step in steps)


def any_word(query: str, language: str) -> str:
    """What a chunk that one of the steps finds is ranked by: how many of the words, how near to each other."""
    return " | ".join(_asked(query, language)) or NOTHING


def _asked(query: str, language: str) -> tuple[str, ...]:
    """The words as the index has them: in lower case, accents kept. Common ones only where there are no others."""
    words = tuple(dict.fromkeys(word for word in _WORD.findall(query.lower()) if len(word) > 2))
    stopwords = words_of(language).stopwords
    return tuple(word for word in words if fold(word) not in stopwords) or words


def _longest(words: Sequence[str]) -> tuple[str, ...]:
    kept = set(sorted(words, key=len, reverse=True)[:MOST_WORDS])
    return tuple(word for word in words if word in kept)


def _holding(words: Sequence[str], count: int) -> str:
    """A full-text query for any `count` words of those that stand together."""
    windows = (words[begin : begin + TOGETHER] for begin in range(max(1, len(words) - TOGETHER + 1)))
    found = dict.fromkeys(each for window in windows for each in combinations(window, count))
    return " | ".join(f"({' & '.join(each)})" for each in found)
