"""Folds, figures and the process that trains, on vectors that are made up. No server is started."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from helios.intents.folds import folds_of, groups_of
from helios.intents.gate import failings
from helios.intents.picture import MATRIX_MOST, confusion_svg
from helios.intents.training import Set
from helios.intents.training_process import TooCostly, train_apart
from helios.models.intent import IntentClassifier
from helios.tenant_settings import IntentGate

NAMES = ("fees", "out_of_scope", "trees")
WORDS = {"fees": "please pay the bill", "out_of_scope": "tell me a joke", "trees": "plant green forests"}


def made_up(version: int = 2, *, shuffled: bool = False) -> Set:
    """Ten texts an intent, whose vectors stand around one direction an intent. `shuffled`: the labels say nothing."""
    source = np.random.default_rng(5)
    texts = [f"{WORDS[name]} {source.integers(1 << 30):x}" for name in NAMES for _ in range(10)]
    around = np.repeat(np.eye(384, dtype=np.float32)[: len(NAMES)], 10, axis=0)
    vectors = around + source.normal(0, 0.04, (30, 384)).astype(np.float32)
    labels = [(name,) for name in NAMES for _ in range(10)]
    if shuffled:
        labels = [labels[n] for n in source.permutation(30)]
    return Set(version, texts, labels, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_texts_that_say_nearly_the_same_are_held_out_together() -> None:
    texts = ["Pay 5 euros", "pay  7 EUROS", "plant a tree", "set a tree", "قهوة", "شاي"]
    vectors = np.eye(6, dtype=np.float32)
    vectors[3] = vectors[2]
    vectors[5] = vectors[4]
    groups = groups_of(texts, vectors)
    assert (groups[0] == groups[1], groups[2] == groups[3]) == (True, True)
    assert groups[4] != groups[5], "an English encoder finds all Arabic texts alike"
    folds = folds_of(texts, ["a", "a", "b", "b", "c", "c"], groups)
    assert (folds[0], folds[2]) == (folds[1], folds[3])


def test_the_examples_of_an_intent_are_spread_over_the_folds() -> None:
    mine = made_up()
    folds = folds_of(mine.texts, [held[0] for held in mine.intents], list(range(30)))
    for first in range(0, 30, 10):
        assert sorted(folds[first : first + 10]) == sorted([*range(5)] * 2)


async def test_labels_that_say_nothing_do_worse_beside_those_that_do() -> None:
    report = (await train_apart(made_up(3, shuffled=True), made_up(2), lambda: None)).report
    assert report["against"]["asked"] == 30
    assert report["against"]["published"]["accuracy"] > 0.9 > 0.6 > report["against"]["new"]["accuracy"]
    assert report["confused"][0]["times"] > 1
    assert len(failings(report, 2, IntentGate())) == 3


async def test_a_process_apart_trains_and_ends_at_its_limit() -> None:
    mine, steps = made_up(3), []
    trained = await train_apart(mine, made_up(2), lambda: steps.append(1))
    assert len(steps) == trained.report["folds"]
    assert failings(trained.report, 2, IntentGate()) == []
    assert ["version 4 is in force" in each for each in failings(trained.report, 4, IntentGate())] == [True]
    model = IntentClassifier.from_bytes(trained.weights, 384)
    assert model is not None
    assert model.classify(mine.vectors[0], mine.texts[0]).name == "fees"
    with pytest.raises(TooCostly):
        await train_apart(mine, None, lambda: None, wall_s=0.01)


def test_the_picture_shows_what_was_confused() -> None:
    figures = {"examples": 5, "recall": 0.6, "precision": 1.0}
    pair = {"is": "fees", "said": "trees", "times": 2}
    report: dict[str, Any] = {"folds": 5, "examples": 10, "intents": dict.fromkeys(NAMES, figures), "confused": [pair]}
    matrix = confusion_svg(2, report)
    assert "fees was taken for trees 2 times" in matrix
    assert (matrix.count(">60<"), matrix.count(">40<")) == (3, 1)
    many = {f"intent_{n}": figures for n in range(MATRIX_MOST)}
    pairs = confusion_svg(2, {**report, "intents": {**report["intents"], **many}})
    assert "fees → trees" in pairs
    assert "2 of 5" in pairs
    assert "intent_7" not in pairs
