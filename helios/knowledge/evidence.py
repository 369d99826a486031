"""What speaks for a sentence as an answer to a question: a row of signs, and the weights that sum them.

The weights are learnt from questions with known answers (`python -m evals.answers.fit` writes weights.yaml); those of
the languages that the encoder has not learnt are set by hand: words count for more there than vectors.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import yaml

from helios.knowledge.terms import Floats, matches, words_of

if TYPE_CHECKING:
    from helios.knowledge.candidates import Candidate, Part
    from helios.llm.base import Passage


WEIGHTS_FILE: Final = Path(__file__).with_name("weights.yaml")
ENCODER_LANGUAGE: Final = "en"
SIGNS: Final = ("cosine", "overlap", "passage", "whole", "kind", "lead", "first", "article", "place")
"""cosine    of the question and the sentence
overlap   the share of the question's words, by rarity, that the sentence or its title holds
passage   the cosine of the question and the passage
whole     the share of the words that the whole passage holds
kind      the sentence holds the kind of thing that is asked for: an amount, a time, a way
lead      it stands in its article's first passage, where articles say what matters most
first     it is its passage's first sentence
article   the share of the passages that are its article's: what an article is about fills more than one of them
place     1 / the passage's place in the ranking"""
SUPPORT_SIGNS: Final = ("one", "cosine", "passage", "whole", "kind", "article", "foreign", "absent")
"""Of the best sentence, with
passage   the best of any
foreign   the log odds that the question is of no intent
absent    where it asks whether there is a thing at all, the share of its words that even the fullest passage lacks"""
TITLE_SHARE: Final = 0.7
"""A question's word that only the passage's title holds, against one in the sentence itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """`signs` (len(SIGNS),) sum to a score; `support` (len(SUPPORT_SIGNS),) to log odds that the best sentence answers.

    `margin`: how far below the best a further sentence may lie. `calibration` (2,): what the log odds are multiplied
    by, and what is added, to tell how many such answers are right.
    """

    signs: Floats
    support: Floats
    margin: float
    calibration: Floats


def weights_of(language: str) -> Weights:
    """English has learnt weights, all other languages share one set."""
    table = _weights()
    return table[ENCODER_LANGUAGE if language == ENCODER_LANGUAGE else "other"]


def signs(part: Part, candidates: Sequence[Candidate], passages: Sequence[Passage], language: str) -> Floats:
    """(candidates, len(SIGNS))."""
    asked = list(part.terms)
    sentence = matches(asked, [one.terms for one in candidates], language)
    title = TITLE_SHARE * matches(asked, [one.title_terms for one in candidates], language)
    held = np.maximum(sentence, title)
    shares = _rarity(part, held)
    owner = np.array([one.passage for one in candidates])
    whole = np.empty(len(candidates))
    for passage in set(owner.tolist()):
        whole[owner == passage] = held[owner == passage].max(axis=0) @ shares
    of_article = Counter(passage.source_id for passage in passages)
    columns = [
        [_cosine(part, one) for one in candidates],
        held @ shares,
        [passages[index].score for index in owner],
        whole,
        _kind(part, candidates, language),
        [passages[index].position == 0 for index in owner],
        [one.quotes[-1].sentence == 0 for one in candidates],
        [of_article[passages[index].source_id] / len(passages) for index in owner],
        1 / (1 + owner),
    ]
    return np.array(columns, dtype=np.float64).T


def support_signs(part: Part, rows: Floats, best: int, foreign: float) -> Floats:
    """(len(SUPPORT_SIGNS),): what the best candidate says about whether anything answers."""
    odds = math.log((foreign + 1e-4) / (1 - foreign + 1e-4))
    row = dict(zip(SIGNS, rows[best].tolist(), strict=True))
    passage = rows[:, SIGNS.index("passage")].max()
    absent = 1 - rows[:, SIGNS.index("whole")].max() if part.offer else 0.0
    return np.array([1.0, row["cosine"], passage, row["whole"], row["kind"], row["article"], odds, absent])


@lru_cache(maxsize=1)
def _weights() -> dict[str, Weights]:
    raw = yaml.safe_load(WEIGHTS_FILE.read_text(encoding="utf-8"))
    return {
        language: Weights(
            np.array([block["signs"][name] for name in SIGNS]),
            np.array([block["support"][name] for name in SUPPORT_SIGNS]),
            float(block["margin"]),
            np.array(block["calibration"], dtype=np.float64),
        )
        for language, block in raw.items()
    }


def _kind(part: Part, candidates: Sequence[Candidate], language: str) -> list[float]:
    answers = [pattern for kind, pattern in words_of(language).answers.items() if kind in part.kinds]
    return [sum(bool(pattern.search(one.folded)) for pattern in answers) / max(1, len(answers)) for one in candidates]


def _rarity(part: Part, held: Floats) -> Floats:
    """(terms,): each term's share of the question. The rarer among the sentences at hand, the more it tells apart."""
    total = len(held)
    holding = (held >= 0.4).sum(axis=0)
    rarity = 0.3 + np.log((total + 1) / (holding + 0.5)) / math.log(2 * total + 2)
    weighed = rarity * np.array(list(part.terms.values()))
    shares: Floats = weighed / weighed.sum()
    return shares


def _cosine(part: Part, candidate: Candidate) -> float:
    if part.vector is None or candidate.vector is None:
        return 0.0
    return float(np.dot(part.vector, candidate.vector))
