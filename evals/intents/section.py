"""The sections of docs/quality.md about intents and languages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from evals.detectors.examples import rows
from evals.intents.finders import FINDERS, OF_SEVERAL, Predictions, Remembering
from evals.intents.score import accuracy, auroc, micro_f1
from evals.intents.sets import SPLITS, Split
from evals.prediction.intents import OUT_OF_SCOPE
from evals.prediction.rows import Row
from evals.prediction.screening import identify_languages
from evals.report import Section, table
from helios.models.embedder import Embedder
from helios.settings import settings

WITHOUT_SETS: Final = "Not measured: `HELIOS_EVAL_DATA` is not set.\n"
AIMS: Final = {
    "banking77, all examples": ".945 with 10,003 examples",
    "banking77, ten a class": ".88",
    "clinc150, finance: in scope": ".95",
    "clinc150, finance: out of scope, AUROC": ".95",
}
FOLDED: Final = {"nb": "no"}
"""The model knows one Norwegian, which it calls by the code of both."""
MESSAGES_OF: Final = {"en": "banking77/check.jsonl", "ar": "arbanking77/val_msa_pal.jsonl"}
"""Customers' sentences whose language is known."""


def intent(sets: Path | None) -> Section:
    """Accuracy, out-of-scope AUROC and F1 of several, beside plain models that learn from the same rows."""
    head = "## Intents\n\n"
    if sets is None:
        return Section("intent", head + WITHOUT_SETS, {})
    encoder = Remembering(Embedder.load(settings()))
    figures: dict[str, dict[str, str]] = {}
    for name, read in SPLITS.items():
        split = read(sets)
        finders = OF_SEVERAL if "intents" in split.asked[0] else tuple(FINDERS)
        for finder in finders:
            for row, value in _judged(name, split, FINDERS[finder](encoder, split)).items():
                figures.setdefault(row, {})[finder] = value
    text = head + (
        "Each model learns from the same rows; none of those asked is among them. banking77 is asked with the 1,847"
        " rows that its folder sets aside of the training set, and so learnt from 8,156. Of nlupp_banking four folds"
        " are asked, of arbanking77 every twelfth row is read: its sentences are Arabic, the encoder is English, and"
        " n-grams carry it. The linear SVM has the same vectors as ours beside TF-IDF of words and characters,"
        " logistic regression the vectors alone.\n\n"
    )
    told = [[row, *(held.get(name, "") for name in FINDERS), AIMS.get(row, "")] for row, held in figures.items()]
    return Section("intent", text + table(["", *FINDERS, "aim"], told), figures)


def language(sets: Path | None) -> Section:
    """How often the language of a sentence is told right."""
    head = "## Languages\n\n"
    if sets is None:
        return Section("language", head + WITHOUT_SETS, {})
    known = [row for row in rows(sets / "langid" / "udhr_article1.jsonl") if row["lang"]]
    figures = {"one sentence of the declaration of human rights, by language": _told_right(known)}
    for code, file in MESSAGES_OF.items():
        figures[f"messages to a bank, {code}"] = _told_right([{**row, "lang": code} for row in rows(sets / file)])
    text = head + "Told right by `python -m helios predict language`: fastText's lid.176.\n\n"
    return Section("language", text + table(["", "right"], [[name, share] for name, share in figures.items()]), figures)


def _judged(name: str, split: Split, found: Predictions) -> dict[str, str]:
    if "intents" in split.asked[0]:
        value = micro_f1([row["intents"] for row in split.asked], [row["intents"] for row in found])
        return {f"{name}: several in a message, F1": f"{value:.3f}"}
    labels = [row["label"] for row in split.asked]
    names = [row["label"] for row in found]
    foreign = [label in OUT_OF_SCOPE for label in labels]
    if not any(foreign):
        return {name: f"{accuracy(labels, names):.3f}"}
    scores = [row["oos_score"] for row in found]
    inside = [place for place, outside in enumerate(foreign) if not outside]
    right = accuracy([labels[place] for place in inside], [names[place] for place in inside])
    area = auroc(_where(scores, foreign, True), _where(scores, foreign, False))
    return {f"{name}: in scope": f"{right:.3f}", f"{name}: out of scope, AUROC": f"{area:.3f}"}


def _where(scores: Sequence[float], foreign: Sequence[bool], wanted: bool) -> list[float]:
    return [score for score, outside in zip(scores, foreign, strict=True) if outside == wanted]


def _told_right(known: Sequence[Row]) -> str:
    found = identify_languages(known)
    right = sum(row["language"] == FOLDED.get(one["lang"], one["lang"]) for row, one in zip(found, known, strict=True))
    return f"{right / len(known):.3f} ({len(known)})"
