"""Trains the detectors of injection and of situations, and says what they reach on groups that they did not see.

`python -m evals.detectors.train [--sets FOLDER] [--check]` writes helios/detection/weights/*.npz; `--check` only
measures. Takes about ten minutes of CPU, most of it the encoder. The same examples and sets give the same weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from evals.detectors import datasets
from evals.detectors.examples import Example
from evals.detectors.fitting import Fitted, Floats, Inputs, fit, folds, gram_matrix
from evals.detectors.measure import CRITICAL
from helios.detection.features import readable
from helios.detection.learned import DIMENSION, Heads, save
from helios.detection.output import always
from helios.models.embedder import Embedder
from helios.settings import settings

FOLDS: Final = 3
WRITTEN: Final = ("line", "customer")
"""How the names of groups of our own sentences begin; the others are what people wrote."""
NEAR_MISS_WEIGHT: Final = 2.0
"""How much more a written look-alike counts than an everyday message."""
EVERYDAY_ALARMS_MAX: Final = {
    "situations": 0.008,
    "situations_critical": 0.02,
    "injection": 0.002,
    "injection_windows": 0.001,
    "drafts": 0.01,
    "drafts_always": 0.002,
}
NEAR_MISS_ALARMS_MAX: Final = {
    "situations": 0.03,
    "situations_critical": 0.03,
    "injection": 0.02,
    "injection_windows": 0.02,
    "drafts": 0.06,
    "drafts_always": 0.03,
}
"""Also of the lists of forbidden wordings: those that hold for every draft, and those of a situation, whose drafts a
person reads in any case; and of the critical situations, in which a miss costs far more than an alarm (aim: 0.05)."""
LOWEST_THRESHOLD: Final = {"injection_windows": 0.85, "drafts": 0.01, "drafts_always": 0.03}
HIGHEST_THRESHOLD: Final = 0.9
"""A long text has many parts, and one of them decides: each must be clear."""
GRAM_SHARE: Final = {"situations": 0.25, "injection": 1.0, "injection_windows": 1.0, "drafts": 0.5}
"""How much n-grams count beside the vector in training: attacks have marks, situations have sense."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=settings().eval_data, help="the public sets")
    parser.add_argument("--check", action="store_true", help="measure, write nothing")
    options = parser.parse_args(arguments)
    encoder = Embedder.load(settings())
    for name, examples in (
        ("situations", datasets.situations(options.sets)),
        ("injection", datasets.attacks(options.sets)),
        ("drafts", datasets.drafts()),
    ):
        train(name, examples, encoder, write=not options.check)


def train(name: str, examples: Sequence[Example], encoder: Any, write: bool) -> None:
    heads = heads_of(name, examples)
    texts = [example.text for example in examples]
    vectors = encoder.embed(texts)
    if name == "injection":
        vectors = vectors * np.array([[readable(text)] for text in texts], np.float32)
    inputs = Inputs(vectors, gram_matrix(texts))
    labels = np.array([[head in e.labels for head in heads] for e in examples], np.float32)
    weights = np.array([[weight(e, head) for head in heads] for e in examples], np.float32)
    if name != "injection":
        save_or_report(name, heads, examples, inputs, labels, weights, write)
        return
    save_or_report("injection", heads, examples, inputs, labels, weights, write)
    short = np.array([len(text) < WINDOW_CHARACTERS for text in texts])
    without = Inputs(np.zeros_like(inputs.vectors), inputs.grams).rows(np.flatnonzero(short))
    kept = [example for example, keep in zip(examples, short, strict=True) if keep]
    save_or_report("injection_windows", heads, kept, without, labels[short], weights[short], write)


WINDOW_CHARACTERS: Final = 500
"""A part of a document is judged by a head that learned from texts of about that size, without a vector."""


def heads_of(name: str, examples: Sequence[Example]) -> tuple[str, ...]:
    if name == "injection":
        return (datasets.ATTACK,)
    labels = {label for example in examples for label in example.labels}
    return tuple(sorted(labels, key=lambda label: (len(label), label) if label.isdecimal() else (0, label)))


def kind_of_head(name: str, head: str) -> str:
    """The key of its allowances: like its set's, but for lists that hold for every draft and critical situations."""
    if name == "situations" and int(head) in CRITICAL:
        return "situations_critical"
    return "drafts_always" if name == "drafts" and head in always() else name


def weight(example: Example, head: str) -> float:
    if head in example.unclear and head not in example.labels:
        return 0.0
    return NEAR_MISS_WEIGHT if example.group.startswith("line") and not example.labels else 1.0


def save_or_report(
    name: str, heads: tuple[str, ...], examples: Sequence[Example], inputs: Inputs, labels: Floats, weights: Floats,
    write: bool,
) -> None:  # fmt: skip
    inputs = Inputs(inputs.vectors, inputs.grams * GRAM_SHARE[name])
    unseen = out_of_fold(examples, inputs, labels, weights)
    kinds = [kind_of_head(name, head) for head in heads]
    thresholds = np.array(
        [threshold(kind, unseen[:, h], labels[:, h], weights[:, h], examples) for h, kind in enumerate(kinds)]
    )
    report(name, heads, unseen, labels, weights, thresholds, examples)
    if not write:
        return
    fitted: Fitted = fit(inputs, labels, weights)
    fitted.weights[DIMENSION:] *= GRAM_SHARE[name]  # at run time the n-grams come unscaled
    save(name, Heads(heads, fitted.weights, fitted.bias, thresholds.astype(np.float32)))


def out_of_fold(examples: Sequence[Example], inputs: Inputs, labels: Floats, weights: Floats) -> Floats:
    """Each text's probabilities from a model that saw no text of its group."""
    fold = folds([example.group for example in examples], FOLDS, datasets.SEED)
    logits = np.zeros_like(labels)
    for number in range(FOLDS):
        seen, unseen = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        logits[unseen] = fit(inputs.rows(seen), labels[seen], weights[seen]).logits(inputs.rows(unseen))
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def threshold(name: str, unseen: Floats, labels: Floats, weights: Floats, examples: Sequence[Example]) -> float:
    """The lowest at which few everyday messages and few look-alikes of other groups raise an alarm."""
    negative = (labels == 0) & (weights > 0)
    written = np.array([example.group.startswith(WRITTEN) for example in examples])
    foreign = np.array([example.group.startswith("clinc150") for example in examples]) & name.startswith("situations")
    everyday, near = unseen[negative & ~written & ~foreign], unseen[negative & written]
    lowest = LOWEST_THRESHOLD.get(name, 0.15)
    if len(everyday):
        lowest = max(lowest, float(np.quantile(everyday, 1 - EVERYDAY_ALARMS_MAX[name])))
    return round(min(HIGHEST_THRESHOLD, max(lowest, float(np.quantile(near, 1 - NEAR_MISS_ALARMS_MAX[name])))), 3)


def report(
    name: str, heads: tuple[str, ...], unseen: Floats, labels: Floats, weights: Floats,
    thresholds: npt.NDArray[Any], examples: Sequence[Example],
) -> None:  # fmt: skip
    print(f"{name}: {len(examples)} texts, {FOLDS} folds by group")
    kinds = np.array([kind_of(example) for example in examples])
    for number, head in enumerate(heads):
        flagged = unseen[:, number] >= thresholds[number]
        counted = weights[:, number] > 0
        for kind in sorted(set(kinds)):
            chosen = counted & (kinds == kind)
            for wanted in (True, False):
                part = chosen & ((labels[:, number] == 1) == wanted)
                if part.sum() > 9 and (wanted or flagged[part].any()):
                    print(f"  {head:>9} {thresholds[number]:.2f} {'found' if wanted else 'alarm':>5} {kind:<28}"
                          f" {flagged[part].mean():.4f} of {part.sum()}")  # fmt: skip


def kind_of(example: Example) -> str:
    if example.group.startswith("line"):
        kinds = sorted(example.labels - {datasets.ATTACK})
        return f"written {example.language} {kinds[0] if kinds and not kinds[0].isdecimal() else ''}".strip()
    return example.group.split(":")[0].split()[0] + (
        f" {sorted(example.labels - {datasets.ATTACK})[0]}" if datasets.ATTACK in example.labels else ""
    )


if __name__ == "__main__":
    main()
