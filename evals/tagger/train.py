"""Trains `helios/models/tagger.npz`: the same file for the same seed, packages and machine.

Adam (Kingma & Ba, 2015) on cross-entropy of each word's tag; transitions are log counts of the training tags. A sixth
of the sentences' templates is held out, by template, to say how well it does on frames that it has not seen.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from evals.tagger.fill import Sentence, Template, fill, read_templates
from helios.detection import tables
from helios.knowledge.articles import read_articles
from helios.knowledge.chunking import sections
from helios.knowledge.sentences import split_sentences
from helios.models import tagger
from helios.models.cache import write_atomically
from helios.models.embedder import Embedder
from helios.models.intent import EXAMPLES
from helios.models.tagger import TAGS, WEIGHTS, Floats, Integers
from helios.settings import PROJECT, settings

SEED: Final = 20260401
FILLS, HIDDEN, EPOCHS, BATCH = 20, 128, 6, 512
LEARNING_RATE, DROPOUT, WEIGHT_DECAY = 2e-3, 0.3, 1e-4
HELD_OUT_EVERY: Final = 6
TRANSITION_WEIGHT: Final = 0.5
"""How much the tags before a word count beside what the network, which sees the neighbours too, says of it."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sentences one behind the other, with ``REACH`` empty words between them, so that no word sees a stranger."""

    vectors: Floats
    features: Integers
    tags: Integers
    real: Integers
    """Which rows are words."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the file of weights to write")
    arguments = parser.parse_args()
    templates = read_templates()
    seen = [each for each in templates if each.number % HELD_OUT_EVERY]
    unseen = [each for each in templates if each.number % HELD_OUT_EVERY == 0]
    encoder = Embedder.load(settings())
    sentences = [sentence for each in seen for sentence in fill(each, FILLS, SEED)]
    corpus = encode(encoder, [*sentences, *plain_sentences()])
    parameters = fit(corpus)
    save(parameters, arguments.out)
    held_out = [sentence for each in unseen for sentence in fill(each, 8, SEED + 1)]
    for line in measure(tagger.Tagger(parameters), encoder, held_out):
        _say(line)
    return 0


def plain_sentences() -> Iterator[Sentence]:
    """The demo bank's own words, without names of people: what customers ask, and what its articles say in English."""
    place = re.compile(
        "|".join(rf"\b{re.escape(name.strip())}\b" for name in tables.load("places")["countries"].split(";"))
    )
    nobody = Template("demo_bank", "")
    for utterances in yaml.safe_load(EXAMPLES.read_text("utf-8")).values():
        for text in utterances:
            if not place.search(text.lower()):
                yield Sentence(nobody, text, ())
    for article in read_articles(PROJECT / "helios" / "demo_bank" / "knowledge" / "en"):
        for section in sections(article.body):
            for text in split_sentences(section.text):
                if not place.search(text.lower()) and not any(character.isdigit() for character in text):
                    yield Sentence(nobody, text, ())


def encode(encoder: Embedder, sentences: Sequence[Sentence]) -> Corpus:
    vectors: list[Any] = []
    features: list[Any] = []
    tags: list[Any] = []
    real: list[int] = []
    gap = tagger.REACH
    length = 0
    for sentence in sentences:
        words = tagger.split_words(sentence.text)
        vectors += [tagger.word_vectors(words, encoder.encode(sentence.text)), np.zeros((gap, tagger.DIMENSION))]
        features += [tagger.word_features(words), np.zeros((gap, 3))]
        tags += [tagger.to_tags(words, sentence.spans), np.zeros(gap)]
        real += range(length, length + len(words))
        length += len(words) + gap
    return Corpus(
        np.concatenate(vectors).astype(np.float32),
        np.concatenate(features).astype(np.int32),
        np.concatenate(tags).astype(np.int32),
        np.array(real, np.int32),
    )


def fit(corpus: Corpus) -> dict[str, Floats]:
    generator = np.random.default_rng(SEED)
    parameters = tagger.new_parameters(HIDDEN, generator)
    moments = {name: (np.zeros_like(value), np.zeros_like(value)) for name, value in parameters.items()}
    step = 0
    for epoch in range(EPOCHS):
        order = generator.permutation(corpus.real)
        loss = 0.0
        for start in range(0, len(order), BATCH):
            step += 1
            rate = LEARNING_RATE * max(0.05, 1 - step * BATCH / (EPOCHS * len(order)))
            batch_loss, gradients = _gradients(parameters, corpus, order[start : start + BATCH], generator)
            loss += batch_loss
            _adam(parameters, gradients, moments, step, rate)
        _say(f"epoch {epoch + 1}: loss {loss / len(order):.4f}")
    return {**parameters, "transitions": _transitions(corpus)}


def _gradients(
    parameters: dict[str, Floats], corpus: Corpus, rows: Integers, generator: np.random.Generator
) -> tuple[float, dict[str, Floats]]:
    """The batch's summed loss and the gradients of its mean."""
    inputs = _inputs(corpus, rows)
    total = np.tile(parameters["bias"], (len(rows), 1))
    for name, place, taken in inputs:
        table = parameters[name][place]
        total += taken @ table if name == "dense" else table[taken]
    kept = (generator.random(total.shape) >= DROPOUT) / np.float32(1 - DROPOUT)
    hidden = np.maximum(total, 0) * kept.astype(np.float32)
    logits = hidden @ parameters["out"] + parameters["out_bias"]
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    wanted = corpus.tags[rows]
    loss = float(-np.log(chances[np.arange(len(rows)), wanted] + 1e-9).sum())
    chances[np.arange(len(rows)), wanted] -= 1
    errors = chances / len(rows)
    back = (errors @ parameters["out"].T) * kept.astype(np.float32) * (total > 0)
    gradients = {name: np.zeros_like(value) for name, value in parameters.items()}
    gradients["out"], gradients["out_bias"] = hidden.T @ errors, errors.sum(axis=0)
    gradients["bias"] = back.sum(axis=0)
    for name, place, taken in inputs:
        if name == "dense":
            gradients[name][place] = taken.T @ back
        else:
            np.add.at(gradients[name][place], taken, back)
    return loss, gradients


def _inputs(corpus: Corpus, rows: Integers) -> list[tuple[str, int, Any]]:
    """What a batch's words are seen with: the parameters' name, the neighbour's place, and its vectors or rows."""
    found: list[tuple[str, int, Any]] = []
    for place, offset in enumerate(range(-tagger.REACH, tagger.REACH + 1)):
        near = (rows + offset) % len(corpus.tags)
        found += [("dense", place, corpus.vectors[near]), ("shape", place, corpus.features[near, 0])]
        found.append(("place", place, corpus.features[near, 2]))
        if abs(offset) <= 1:
            found.append(("ending", place - 1, corpus.features[near, 1]))
    return found


def _adam(
    parameters: dict[str, Floats], gradients: dict[str, Floats], moments: dict[str, Any], step: int, rate: float
) -> None:
    for name, gradient in gradients.items():
        mean, spread = moments[name]
        mean += 0.1 * (gradient - mean)
        spread += 0.001 * (gradient * gradient - spread)
        size = rate / (1 - 0.9**step)
        parameters[name] -= size * mean / (np.sqrt(spread / (1 - 0.999**step)) + 1e-8)
        parameters[name] -= rate * WEIGHT_DECAY * parameters[name]


def _transitions(corpus: Corpus) -> Floats:
    counts = np.ones((len(TAGS) + 1, len(TAGS)))
    words = set(corpus.real.tolist())
    for row in corpus.real.tolist():
        counts[corpus.tags[row - 1] if row - 1 in words else -1, corpus.tags[row]] += 1
    chances = counts / counts.sum(axis=1, keepdims=True)
    usual = counts.sum(axis=0) / counts.sum()
    result: Floats = (TRANSITION_WEIGHT * np.log(chances / usual)).astype(np.float32)
    return result


def save(parameters: dict[str, Floats], path: Path) -> None:
    buffer = io.BytesIO()
    halved: dict[str, Any] = {name: value.astype(np.float16) for name, value in parameters.items()}
    np.savez_compressed(buffer, allow_pickle=False, **halved)
    write_atomically(path, buffer.getvalue())


def measure(trained: tagger.Tagger, encoder: Embedder, sentences: Sequence[Sentence]) -> Iterator[str]:
    """Precision and recall of whole spans, exact in place and label."""
    found: dict[str, list[int]] = {label: [0, 0, 0] for label in tagger.LABELS}
    for sentence in sentences:
        wanted = {(span.start, span.end, span.label) for span in sentence.spans}
        given = {(s.start, s.end, s.label) for s in trained.tag(sentence.text, encoder.encode(sentence.text))}
        for triple in wanted:
            found[triple[2]][0] += triple in given
            found[triple[2]][1] += 1
        for triple in given:
            found[triple[2]][2] += 1
    for label, (hits, gold, predicted) in found.items():
        yield f"{label:15} precision {hits / max(1, predicted):.3f} recall {hits / max(1, gold):.3f} of {gold}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
