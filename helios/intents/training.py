"""Training on a tenant's examples, and what it would have said of each one without having seen it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from helios.intents.folds import ALIKE, FOLDS, folds_of, groups_of
from helios.models.auroc import auroc
from helios.models.intent import OTHER, OUT_OF_SCOPE, IntentClassifier

Floats = npt.NDArray[np.float32]
PAIRS_MOST: Final = 200
"""Confused pairs that are kept, the most frequent first."""


@dataclass(frozen=True, slots=True, eq=False)
class Set:
    """Examples with their intents and their (n, dimension) vectors; `version` says whose."""

    version: int
    texts: Sequence[str]
    intents: Sequence[tuple[str, ...]]
    vectors: Floats

    @property
    def names(self) -> list[str]:
        return sorted({name for held in self.intents for name in held})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said of a text that it was not trained on. `outside`: how much it seems to be of no intent."""

    truth: tuple[str, ...]
    said: str
    outside: float

    @property
    def right(self) -> bool:
        return self.said in self.truth


@dataclass(frozen=True, slots=True)
class Asked:
    """A text that two versions are asked about, each by its own word where it has one."""

    text: str
    vector: Floats
    fold: int
    truths: tuple[tuple[str, ...], tuple[str, ...]]


def comparable(mine: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether two sets of names have enough in common to be asked the same."""
    return len(set(mine) & set(theirs)) >= 2


def trained(mine: Set) -> IntentClassifier:
    rows = list(zip(mine.texts, mine.intents, strict=True))
    return IntentClassifier.train_encoded(mine.vectors, rows, mine.names)


def evaluate(mine: Set, theirs: Set | None, progress: Callable[[], object]) -> dict[str, Any]:
    """Held-out figures of `mine`, beside those of `theirs` on the same folds: what both are asked are the examples, of
    either, whose intents both know. Calls `progress` after each fold.
    """
    if theirs is not None and not comparable(mine.names, theirs.names):
        theirs = None
    every = [mine] if theirs is None else [mine, theirs]
    place_of = {text: place for place, text in enumerate(dict.fromkeys(text for each in every for text in each.texts))}
    vectors, labels = _joined(every, place_of)
    groups = groups_of(list(place_of), vectors)
    folds = folds_of(list(place_of), labels, groups)
    both = _asked_both(mine, theirs, place_of, folds) if theirs is not None else []
    own: list[Answer] = []
    compared: tuple[list[Answer], list[Answer]] = ([], [])
    for fold in range(FOLDS):
        models = [_without(each, place_of, folds, fold) for each in every]
        for text, truth, vector in zip(mine.texts, mine.intents, mine.vectors, strict=True):
            if folds[place_of[text]] == fold:
                own.append(_answer(models[0], text, vector, truth))
        for asked in (each for each in both if each.fold == fold):
            for side, model in enumerate(models):
                compared[side].append(_answer(model, asked.text, asked.vector, asked.truths[side]))
        progress()
    return {
        "folds": FOLDS, "alike": ALIKE, "groups": len(set(groups)), "examples": len(mine.texts), **_figures(own),
        "intents": _by_intent(own), "confused": _confused(own),
        "against": {"version": theirs.version, "asked": len(both), "new": _figures(compared[0]),
                    "published": _figures(compared[1])} if theirs is not None and both else None,
    }  # fmt: skip


def _joined(every: Sequence[Set], place_of: dict[str, int]) -> tuple[Floats, list[str]]:
    """The vector of each text, and its first label."""
    vectors = np.zeros((len(place_of), every[0].vectors.shape[1]), np.float32)
    labels = [""] * len(place_of)
    for each in reversed(every):
        for text, held, vector in zip(each.texts, each.intents, each.vectors, strict=True):
            vectors[place_of[text]] = vector
            labels[place_of[text]] = held[0]
    return vectors, labels


def _asked_both(mine: Set, theirs: Set, place_of: dict[str, int], folds: npt.NDArray[Any]) -> list[Asked]:
    """Judged by one version's labels, the other would be wrong wherever somebody has thought better of a label."""
    shared = set(mine.names) & set(theirs.names)
    labels = [dict(zip(each.texts, each.intents, strict=True)) for each in (mine, theirs)]
    vectors = dict(zip((*theirs.texts, *mine.texts), (*theirs.vectors, *mine.vectors), strict=True))
    return [
        Asked(text, vectors[text], int(folds[place]), (truths[0], truths[-1]))
        for text, place in place_of.items()
        if (truths := [label[text] for label in labels if text in label])
        and all(shared.issuperset(truth) for truth in truths)
    ]


def _without(each: Set, place_of: dict[str, int], folds: npt.NDArray[Any], fold: int) -> IntentClassifier | None:
    """None where too little is left: nearly all of its examples say the same."""
    kept = [n for n, text in enumerate(each.texts) if folds[place_of[text]] != fold]
    left = Set(each.version, [each.texts[n] for n in kept], [each.intents[n] for n in kept], each.vectors[kept])
    return trained(left) if len(left.names) > 1 else None


def _answer(model: IntentClassifier | None, text: str, vector: Floats, truth: Sequence[str]) -> Answer:
    shown = tuple(OTHER if name == OUT_OF_SCOPE else name for name in truth)
    if model is None:
        return Answer(shown, OTHER, 1.0)
    return Answer(shown, model.classify(vector, text).name, model.outside(vector, text))


def _figures(answers: Sequence[Answer]) -> dict[str, Any]:
    """Accuracy in scope, and how well what is out of scope is told apart: None where there is none of it."""
    inside = [each for each in answers if OTHER not in each.truth]
    outside = [each.outside for each in answers if OTHER in each.truth]
    return {
        "accuracy": _share(each.right for each in inside),
        "out_of_scope_auroc": round(auroc(outside, [each.outside for each in inside]), 4)
        if inside and outside
        else None,
    }


def _by_intent(answers: Sequence[Answer]) -> dict[str, dict[str, Any]]:
    """Of what is of an intent, how much was named so; and of what was named so, how much is."""
    names = sorted({name for each in answers for name in each.truth})
    return {
        name: {
            "examples": sum(name in each.truth for each in answers),
            "recall": _share(each.said == name for each in answers if each.truth == (name,)),
            "precision": _share(name in each.truth for each in answers if each.said == name),
        }
        for name in names
    }


def _confused(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Which intent was taken for which, the most frequent first. Of texts with several intents nothing is told."""
    pairs = Counter((each.truth[0], each.said) for each in answers if len(each.truth) == 1 and not each.right)
    order = sorted(pairs, key=lambda pair: (-pairs[pair], pair))
    return [{"is": truth, "said": said, "times": pairs[truth, said]} for truth, said in order[:PAIRS_MOST]]


def _share(hits: Iterable[bool]) -> float | None:
    counted = list(hits)
    return round(sum(counted) / len(counted), 4) if counted else None
