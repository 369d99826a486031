"""What may be kept: questions that are about nobody, and answers of which each sentence stands in what it cites."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from helios.detection import figures
from helios.detection.injection import Seen, find_injection
from helios.knowledge.query import is_follow_up, question_parts
from helios.knowledge.sentences import split_sentences
from helios.llm.base import Passage
from helios.models.embedder import Vectors

QUESTION_MAX: Final = 200
"""Characters. What needs more tells a story, and stories are personal."""
PLAIN: Final = re.compile(r"[\w\s.,;:?!¿¡'’\"“”„«»()/%$€£&+-]+")
"""What a question may be written in: each character is seen when two questions are compared, or says nothing."""
SUPPORTED: Final = 0.6
"""The least cosine of a kept sentence with one of what it cites. Measured by `python -m helios eval cache`."""
WORDS_MIN: Final = 3
"""A shorter sentence ("Yes.", "In short:") says nothing that needs a source."""
MARK: Final = re.compile(r"\[(\d{1,3})\]")
_UNENDED: Final = ("…", "...")


def is_for_anybody(question: str, language: str, vector: Vectors, passages: Sequence[Passage]) -> bool:
    """Whether a question without personal data is one that anybody may ask: short, whole, single, no attack, and
    without a figure that no passage names, which is the customer's own."""
    return (
        len(question) <= QUESTION_MAX
        and PLAIN.fullmatch(question) is not None
        and len(question_parts(question, language)) == 1
        and not is_follow_up(question, language)
        and not figures.ungrounded(question, [passage.text for passage in passages])
        and find_injection(question, Seen(vector=vector)) is None
    )


def is_supported(text: str, passages: Sequence[Passage], embed: Callable[[Sequence[str]], Vectors]) -> bool:
    """Whether each sentence of an answer cites a passage that holds a sentence close to it."""
    if not text.strip() or MARK.sub("", text).rstrip().endswith(_UNENDED):
        return False
    sentences = [each for each in sentences_of(text) if len(MARK.sub(" ", each).split()) >= WORDS_MIN]
    vectors = embed([" ".join(MARK.sub(" ", each).split()) for each in sentences])
    pairs = zip(sentences, vectors, strict=True)
    return bool(sentences) and all(closeness(each, vector, passages) >= SUPPORTED for each, vector in pairs)


def sentences_of(text: str) -> list[str]:
    """The sentences, each with the markers that stand behind its full stop."""
    sentences: list[str] = []
    for piece in split_sentences(text):
        markers = re.match(r"(?:\s*\[\d{1,3}\])+", piece)
        if markers and sentences:
            sentences[-1] += f" {markers[0]}"
            piece = piece[markers.end() :].strip()
        if piece:
            sentences.append(piece)
    return sentences


def closeness(sentence: str, vector: Vectors, passages: Sequence[Passage]) -> float:
    """The best cosine with a sentence of what is cited; 0 where nothing is."""
    numbers = {int(found) for found in MARK.findall(sentence)}
    held = [
        cited.sentence_vectors for number, cited in enumerate(passages, 1)
        if number in numbers and cited.sentence_vectors is not None and len(cited.sentence_vectors)
    ]  # fmt: skip
    return max((float(np.max(vectors @ vector)) for vectors in held), default=0.0)
