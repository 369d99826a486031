"""Learns the English weights of `helios/knowledge/weights.yaml`: `python -m evals.answers.fit`.

`--write all` keeps them, `--write calibration` only what makes a probability of their sum.

Sentences by listwise logistic regression over the questions whose answers are known; whether anything answers by
logistic regression against questions that the articles do not answer; and how sure that makes an answer (Platt scaling)
by what weights said of articles that they had not seen. What it prints is cross-validated by article.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import yaml
from scipy.optimize import minimize

from evals.answers.bank import Bank, demo_bank
from evals.answers.judge import Question, customers_questions, hard_paraphrases, outside_questions
from helios.knowledge.candidates import Candidate, Part, candidates_of, parts_of
from helios.knowledge.evidence import SIGNS, SUPPORT_SIGNS, WEIGHTS_FILE, signs, support_signs
from helios.knowledge.extraction import MAX_SENTENCES, add_best
from helios.knowledge.terms import Floats
from helios.models.intent import IntentClassifier
from helios.settings import settings

FOLDS: Final = 5
SIGNS_PENALTY: Final = 0.3
SUPPORT_PENALTY: Final = 0.05
MARGIN: Final = 4.0
"""How far below the best sentence a further one may lie: an answer has three in the mean."""
OUTSIDE_COUNTS: Final = 3.5
"""An answer to what the articles do not say is worse than a question passed on to a person."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A question with its candidates' signs; `right` marks those that hold a fact of the right article."""

    question: Question
    articles: tuple[str, ...]
    """Of each candidate."""
    part: Part
    candidates: list[Candidate]
    signs: Floats
    right: Floats
    foreign: float

    @property
    def fold(self) -> int:
        return zlib.crc32(f"fold {(self.question.articles or (self.question.text,))[0]}".encode()) % FOLDS


@dataclass(frozen=True, slots=True)
class Fitted:
    signs: Floats
    support: Floats


@dataclass(frozen=True, slots=True)
class Judged:
    """A question by weights that have not seen its article: the log odds that the passages answer it."""

    odds: float
    right: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", choices=("all", "calibration"))
    write = parser.parse_args().write
    bank = demo_bank()
    intents = IntentClassifier.load(settings(), bank.encoder)
    hard = [question for question in hard_paraphrases() if question.language == "en"]
    outside = [Question(text, (), ()) for text in outside_questions("outside_fitting")]
    asked = {"customers": customers_questions(), "hard": hard, "outside": outside}
    rows = {name: rows_of(bank, intents, questions) for name, questions in asked.items()}
    inside = [*rows["customers"], *rows["hard"]]
    judged = {name: _validated(held, inside, rows["outside"]) for name, held in rows.items()}
    for name, each in judged.items():
        answered = [one for one in each if one.odds >= 0]
        right = sum(one.right for one in answered)
        _tell(f"{name}: {len(each)} questions, {len(answered)} answered, {right} right")
    block = _block(fit(inside, rows["outside"]), calibration([one for each in judged.values() for one in each]))
    _tell(yaml.safe_dump(block))
    if write:
        _keep(block if write == "all" else {"calibration": block["calibration"]})


def fit(inside: Sequence[Row], outside: Sequence[Row]) -> Fitted:
    answerable = [row for row in inside if row.right.any()]
    weights = _fit_signs(answerable)
    rows = [*answerable, *outside]
    evidence = np.array([_support(row, weights) for row in rows])
    labels = np.array([1.0] * len(answerable) + [0.0] * len(outside))
    counts = np.where(labels > 0, 1.0, OUTSIDE_COUNTS)
    return Fitted(weights, _fit_support(evidence, labels, counts))


def rows_of(bank: Bank, intents: IntentClassifier, questions: Sequence[Question]) -> list[Row]:
    """Messages with one question only: of the parts of others nobody has said what answers which."""
    rows: list[Row] = []
    for question in questions:
        prompt = bank.prompt(question.text)
        parts, candidates = parts_of(prompt, bank.encoder), candidates_of(prompt, bank.encoder)
        if len(parts) != 1 or prompt.question_vector is None:
            continue
        articles = tuple(bank.slugs[prompt.passages[one.passage].source_id] for one in candidates)
        right = [
            article in question.articles and any(fact.casefold() in _said([one]) for fact in question.facts)
            for article, one in zip(articles, candidates, strict=True)
        ]
        found = signs(parts[0], candidates, prompt.passages, "en")
        foreign = intents.foreign(prompt.question_vector, question.text)
        rows.append(Row(question, articles, parts[0], candidates, found, np.array(right, dtype=np.float64), foreign))
    return rows


def _said(candidates: Sequence[Candidate]) -> str:
    return " ".join(quote.text for one in candidates for quote in one.quotes).casefold()


def _validated(held: Sequence[Row], inside: Sequence[Row], outside: Sequence[Row]) -> list[Judged]:
    """Of each of the rows what weights say that have not seen its article."""
    judged: list[Judged] = []
    for fold in range(FOLDS):
        fitted = fit([row for row in inside if row.fold != fold], [row for row in outside if row.fold != fold])
        judged += [judged_by(row, fitted) for row in held if row.fold == fold]
    return judged


def judged_by(row: Row, fitted: Fitted) -> Judged:
    chosen: list[Candidate] = []
    add_best(chosen, row.candidates, row.articles, row.signs @ fitted.signs, MAX_SENTENCES, MARGIN)
    cited = {article for article, one in zip(row.articles, row.candidates, strict=True) if one in chosen}
    facts = all(fact.casefold() in _said(chosen) for fact in row.question.facts)
    odds = float(fitted.support @ _support(row, fitted.signs))
    return Judged(odds, bool(facts and cited & set(row.question.articles)))


def calibration(judged: Sequence[Judged]) -> Floats:
    """(2,): what the log odds of support are multiplied by, and what is added, so that they tell how many are right.

    Platt 1999, with his smoothed targets.
    """
    odds = np.array([one.odds for one in judged])
    right = np.array([one.right for one in judged])
    target = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))

    def loss(line: Floats) -> tuple[float, Floats]:
        told = line[0] * odds + line[1]
        slope = 1 / (1 + np.exp(-told)) - target
        return float((np.logaddexp(0, told) - target * told).sum()), np.array([slope @ odds, slope.sum()])

    return _smallest(loss, 2)


def _support(row: Row, weights: Floats) -> Floats:
    return support_signs(row.part, row.signs, int((row.signs @ weights).argmax()), row.foreign)


def _fit_signs(rows: Sequence[Row]) -> Floats:
    """What makes the right sentences of each question likeliest among its candidates."""

    def loss(weights: Floats) -> tuple[float, Floats]:
        total, slope = SIGNS_PENALTY * float(weights @ weights), 2 * SIGNS_PENALTY * weights
        for row in rows:
            scores = row.signs @ weights
            shares = np.exp(scores - scores.max())
            shares /= shares.sum()
            hit = shares * row.right
            total -= float(np.log(hit.sum() + 1e-12))
            slope = slope - (hit / hit.sum() - shares) @ row.signs
        return total, slope

    return _smallest(loss, len(SIGNS))


def _fit_support(evidence: Floats, labels: Floats, counts: Floats) -> Floats:
    def loss(weights: Floats) -> tuple[float, Floats]:
        odds = evidence @ weights
        free = np.r_[0.0, weights[1:]]
        total = float(counts @ (np.logaddexp(0, odds) - labels * odds) + SUPPORT_PENALTY * free @ free)
        return total, evidence.T @ (counts * (1 / (1 + np.exp(-odds)) - labels)) + 2 * SUPPORT_PENALTY * free

    return _smallest(loss, evidence.shape[1])


def _smallest(loss: Any, size: int) -> Floats:
    result: Floats = minimize(loss, np.zeros(size), jac=True, method="L-BFGS-B").x
    return result


def _block(fitted: Fitted, line: Floats) -> dict[str, Any]:
    return {
        "signs": {name: round(float(weight), 2) for name, weight in zip(SIGNS, fitted.signs, strict=True)},
        "support": {name: round(float(weight), 2) for name, weight in zip(SUPPORT_SIGNS, fitted.support, strict=True)},
        "margin": MARGIN,
        "calibration": [round(float(number), 2) for number in line],
    }


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _keep(block: dict[str, Any]) -> None:
    weights = yaml.safe_load(WEIGHTS_FILE.read_text(encoding="utf-8"))
    weights["en"].update(block)
    WEIGHTS_FILE.write_text(yaml.safe_dump(weights, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main()
