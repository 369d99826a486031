"""How well the confidence that an answer is told with says how often such answers are right: table and diagram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
import numpy.typing as npt

from evals.answers.bank import Bank
from evals.answers.fit import Fitted, Row, judged_by, rows_of
from evals.answers.judge import Question, customers_questions, outside_questions
from evals.report import table
from helios.knowledge.confidence import confidence
from helios.knowledge.evidence import SIGNS, weights_of
from helios.knowledge.extraction import logistic
from helios.models.intent import IntentClassifier
from helios.settings import PROJECT, settings

PICTURE: Final = PROJECT / "docs" / "images" / "confidence.svg"
BINS: Final = 5
THRESHOLDS: Final = (0.1, 0.2, 0.3, 0.4, 0.5)
SIDE, EDGE = 300, 46


@dataclass(frozen=True, slots=True)
class Bin:
    """Of `count` answers told with about `told`, the share `right` was right; both 0..1."""

    told: float
    right: float
    count: int


Floats = npt.NDArray[np.float64]


def measure(bank: Bank) -> str:
    """The section, over questions that no weight was learnt from; draws the diagram."""
    inside, outside = _fresh(bank)
    support, told, right = _told([*inside, *outside])
    nearest = np.array([row.signs[:, SIGNS.index("passage")].max() for row in [*inside, *outside]])
    bins = bins_of(told, right)
    PICTURE.write_text(diagram(bins), encoding="utf-8")
    compared = {
        "confidence": told,
        "support, not calibrated": support,
        "cosine of the nearest passage": np.clip(nearest, 0.0, 1.0),
    }
    rows = [
        [name, f"{error(bins_of(values, right)):.3f}", f"{((values - right) ** 2).mean():.3f}"]
        for name, values in compared.items()
    ]
    asked = [
        [f"{least:.1f}", *(f"{(part < least).mean():.2f}" for part in np.split(told, [len(inside)]))]
        for least in THRESHOLDS
    ]
    return (
        f"## Confidence\n\nHow probably an answer is right, told with each one. {len(inside)} fresh questions and"
        f" {len(outside)} that the articles do not answer, each with one question; an answer is forced, and judged as"
        " above. The line that makes a probability of the evidence is learnt from the other suites"
        " (`python -m evals.answers.fit --write calibration`), each judged by weights that had not seen its article."
        f" Expected calibration error in {BINS} bins of equal width, with so few questions give or take a few"
        " hundredths; Brier score. The nearest passage's cosine is what was told before.\n\n"
        + table(["", "expected calibration error", "Brier score"], rows)
        + "\n![Told and right, by confidence](images/confidence.svg)\n\n"
        "What a tenant's `confidence_least` would ask back or pass on instead of answering:\n\n"
        + table(["confidence_least", "of questions with an answer", "of questions without"], asked)
    )


def told_and_right(bank: Bank) -> tuple[Floats, Floats]:
    """Of each fresh question the confidence, and 1.0 where the answer is right."""
    inside, outside = _fresh(bank)
    return _told([*inside, *outside])[1:]


def _fresh(bank: Bank) -> tuple[list[Row], list[Row]]:
    """Questions that the articles answer, and questions that they do not."""
    intents = IntentClassifier.load(settings(), bank.encoder)
    outside = [Question(text, (), ()) for text in outside_questions("fresh_outside")]
    return rows_of(bank, intents, customers_questions("fresh_questions")), rows_of(bank, intents, outside)


def bins_of(told: Floats, right: Floats) -> list[Bin]:
    place = np.minimum((told * BINS).astype(int), BINS - 1)
    return [
        Bin(float(told[place == n].mean()), float(right[place == n].mean()), int((place == n).sum()))
        for n in range(BINS)
        if (place == n).any()
    ]


def error(bins: Sequence[Bin]) -> float:
    """Expected calibration error, 0..1: how far told and right lie apart, by answer."""
    return sum(each.count * abs(each.told - each.right) for each in bins) / sum(each.count for each in bins)


def diagram(bins: Sequence[Bin]) -> str:
    """Reliability diagram as SVG: a dot a bin, its area by its answers; on the diagonal told is right."""
    title = "Answers told with a confidence, and how many of them were right"
    most = max(each.count for each in bins)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE + 2 * EDGE} {SIDE + 2 * EDGE}" role="img" '
        f'width="{SIDE + 2 * EDGE}" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{SIDE + 2 * EDGE}" height="{SIDE + 2 * EDGE}" fill="#ffffff"/>',
        f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="#8b949e" stroke-dasharray="4 4"/>',
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += [
            f'<line x1="{_x(tick)}" y1="{_y(0)}" x2="{_x(tick)}" y2="{_y(1)}" stroke="#d0d7de" stroke-width="0.5"/>',
            f'<line x1="{_x(0)}" y1="{_y(tick)}" x2="{_x(1)}" y2="{_y(tick)}" stroke="#d0d7de" stroke-width="0.5"/>',
            f'<text x="{_x(tick)}" y="{_y(0) + 16}" text-anchor="middle" fill="#1f2328">{tick:g}</text>',
            f'<text x="{_x(0) - 8}" y="{_y(tick) + 4}" text-anchor="end" fill="#1f2328">{tick:g}</text>',
        ]
    for each in bins:
        x, y, radius = _x(each.told), _y(each.right), 4 + 12 * math.sqrt(each.count / most)
        parts += [
            f'<circle cx="{x}" cy="{y}" r="{radius:.1f}" fill="#1f6feb" fill-opacity="0.75"/>',
            f'<text x="{x}" y="{y + radius + 13:.0f}" text-anchor="middle" fill="#1f2328">{each.count}</text>',
        ]
    parts += [
        f'<text x="{EDGE + SIDE / 2}" y="{SIDE + 2 * EDGE - 8}" text-anchor="middle" fill="#1f2328">confidence</text>',
        f'<text transform="translate(13 {EDGE + SIDE / 2}) rotate(-90)" text-anchor="middle" fill="#1f2328">'
        "share that was right</text>",
    ]
    return "\n".join([*parts, "</svg>", ""])


def _told(rows: Sequence[Row]) -> tuple[Floats, Floats, Floats]:
    """Of each question the support, the confidence, and 1.0 where the answer is right."""
    weights = weights_of("en")
    judged = [judged_by(row, Fitted(weights.signs, weights.support)) for row in rows]
    support = [logistic(each.odds) for each in judged]
    told = [confidence(each, "en") for each in support]
    return np.array(support), np.array(told), np.array([float(each.right) for each in judged])


def _x(share: float) -> float:
    return round(EDGE + SIDE * share, 1)


def _y(share: float) -> float:
    return round(EDGE + SIDE * (1 - share), 1)
