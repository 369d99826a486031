"""How probably an answer from these passages is right: what speaks for it, calibrated on questions with known answers.

It is told before anything is generated, and so of whatever generator writes: the passages hold the answer or not. How
well it says so stands in docs/answers.md.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from helios.knowledge.evidence import ENCODER_LANGUAGE, weights_of
from helios.knowledge.extraction import USUAL_FOREIGN, Selection, logistic, select_sentences

if TYPE_CHECKING:
    from helios.knowledge.candidates import Part
    from helios.llm.base import Prompt
    from helios.models.embedder import TextEncoder
    from helios.models.intent import IntentClassifier

EDGE: Final = 1e-6


def confidence(support: float, language: str) -> float:
    """Probability, 0..1, that such an answer is right; `support` is a `Selection`'s, 0..1."""
    slope, offset = weights_of(language).calibration
    held = min(max(support, EDGE), 1 - EDGE)
    return logistic(float(slope * math.log(held / (1 - held)) + offset))


def look_into(prompt: Prompt, encoder: TextEncoder | None, intents: IntentClassifier | None) -> Prompt:
    """The prompt with its `selection`: the sentences of its passages that answer it, and how well they do."""

    def foreign(part: Part) -> float:
        """How likely it belongs to no intent: the intents are known in English only."""
        if intents is None or part.vector is None or prompt.language != ENCODER_LANGUAGE:
            return USUAL_FOREIGN
        return intents.foreign(part.vector, part.text)

    return replace(prompt, selection=select_sentences(prompt, encoder, foreign))


def without_answer(prompt: Prompt) -> Prompt:
    """The prompt as if nothing answered it: for who would rather ask back than be wrong."""
    support = prompt.selection.support if prompt.selection else 0.0
    return replace(prompt, selection=Selection((), support))
