"""The section of docs/quality.md about the semantic cache: which questions share an answer, and which never may."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from evals.answers.bank import Bank, demo_bank
from evals.detectors.examples import rows
from evals.drafts.answers import texts
from evals.report import Section, table
from helios.models.embedder import Embedder, Vectors
from helios.semantic_cache.agreement import Asked, nearness, same_question
from helios.semantic_cache.worth import MARK, SUPPORTED, WORDS_MIN, closeness, sentences_of
from helios.tenant_settings import SemanticCache

FOLDER: Final = Path(__file__).parents[1] / "suites"
SUITES: Final = {"in sight": "same_questions", "fresh": "same_questions_fresh"}
LEASTS: Final = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
SUPPORTS: Final = (0.5, 0.55, 0.6, 0.65, 0.7)
Judge = Callable[[Asked, Asked, float], bool]


@dataclass(frozen=True, slots=True)
class Pair:
    left: Asked
    right: Asked
    same: bool
    suite: str


def cache(sets: Path | None) -> Section:
    bank = demo_bank()
    pairs = list(pairs_of(bank.encoder))
    told, figures = _by_nearness(pairs)
    shown: dict[str, Any] = {"pairs": figures}
    text = (
        "## Semantic cache\n\nTwo questions share an answer where their words agree and their vectors are near"
        " (`helios/semantic_cache/agreement.py`). Pairs of phrasings that ask the same, most of them in quite other"
        " words, and pairs that look alike and must not share: one fee and another, a denial, another amount, who does"
        " what. The words that count were chosen with the first suite (`evals/suites/same_questions.yaml`) in sight."
        ' The fresh one was written afterwards; on its first run one of its 44 shared ("When do you pay interest?" and'
        ' "When do you charge interest?"), which was mended since. Beside it, nearness alone. The default is'
        f" {SemanticCache().nearness_least}.\n\n{told}"
    )
    if sets is not None:
        many, shown["banking77"] = _of_intents(rows(sets / "banking77" / "check.jsonl"), bank.encoder)
        text += f"\n{many}"
    ten, shown["passages"] = _passages(bank, [pair for pair in pairs if pair.same])
    kept, shown["support"] = _supported(bank)
    return Section("cache", f"{text}\n{ten}\n\n{kept}", shown)


def pairs_of(encoder: Embedder) -> Iterator[Pair]:
    """Of each suite, each two of a line."""
    for suite, file in SUITES.items():
        read = yaml.safe_load((FOLDER / f"{file}.yaml").read_text(encoding="utf-8"))
        for kind in ("same", "different"):
            for line in read[kind]:
                asked = [Asked(text, "en", vector) for text, vector in zip(line, encoder.embed(line), strict=True)]
                for left, right in combinations(asked, 2):
                    yield Pair(left, right, kind == "same", suite)


def near(left: Asked, right: Asked, least: float) -> bool:
    """What a cache does that goes by vectors alone."""
    return nearness(left, right) >= least


JUDGES: Final[dict[str, Judge]] = {"ours": same_question, "nearness alone": near}
COLUMNS: Final = [(same, suite) for same in (True, False) for suite in SUITES]


def _by_nearness(pairs: Sequence[Pair]) -> tuple[str, dict[str, Any]]:
    figures: dict[str, Any] = {}
    told = []
    for least in LEASTS:
        line = [f"{least}"]
        for name, judge in JUDGES.items():
            for same, suite in COLUMNS:
                asked = [pair for pair in pairs if (pair.same, pair.suite) == (same, suite)]
                shared = sum(judge(pair.left, pair.right, least) for pair in asked)
                figures.setdefault(name, {}).setdefault(str(least), []).append([shared, len(asked)])
                line.append(f"{shared} of {len(asked)}")
        told.append(line)
    head = [f"{name}: {'same' if same else 'different'}, {suite}" for name in JUDGES for same, suite in COLUMNS]
    return table(["nearness ≥", *head], told), figures


def _of_intents(read: Sequence[dict[str, Any]], encoder: Embedder) -> tuple[str, dict[str, Any]]:
    """Every two questions of banking77: those that share an answer and have different intents are wrong, or nearly."""
    vectors = encoder.embed([row["text"] for row in read])
    asked = [Asked(row["text"], "en", vector) for row, vector in zip(read, vectors, strict=True)]
    close: Vectors = np.triu(vectors @ vectors.T, 1)
    figures: dict[str, Any] = {}
    for least in LEASTS:
        places = [(int(left), int(right)) for left, right in np.argwhere(close >= least)]
        for name, judge in JUDGES.items():
            shared = [pair for pair in places if judge(asked[pair[0]], asked[pair[1]], least)]
            others = sum(read[left]["label"] != read[right]["label"] for left, right in shared)
            figures.setdefault(str(least), {})[name] = [len(shared), others]
    head = ["nearness ≥", "ours: pairs that share", "of two intents", "nearness alone: pairs", "of two intents"]
    told = [[least, *(str(number) for name in JUDGES for number in each[name])] for least, each in figures.items()]
    text = (
        f"Each two of the {len(read)} questions of banking77 that share an answer, and how many of them its labels give"
        " two intents. What is left of ours are questions that read alike under two labels (\"How long does a transfer"
        " take?\").\n\n"
    )  # fmt: skip
    return text + table(head, told), figures


def _passages(bank: Bank, pairs: Sequence[Pair]) -> tuple[str, dict[str, int]]:
    """Why entries are not named by the passages: two phrasings rarely find the same ones in the same order."""
    found = {
        each.text: [passage.chunk_id for passage in bank.prompt(each.text).passages]
        for pair in pairs
        for each in (pair.left, pair.right)
    }
    shared = [pair for pair in pairs if same_question(pair.left, pair.right, SemanticCache().nearness_least)]
    ordered = sum(found[pair.left.text] == found[pair.right.text] for pair in shared)
    best = sum(found[pair.left.text][0] in found[pair.right.text] for pair in shared)
    text = (
        f"Of the {len(shared)} pairs that share an answer, {ordered} find the same ten passages in the same order, and"
        f" for {best} the best passage of one is among the ten of the other: so an entry is named by the knowledge in"
        " force, and serves where what its answer cites is among the passages found for the new question."
    )
    return text, {"pairs": len(shared), "same passages": ordered, "best among them": best}


def _supported(bank: Bank) -> tuple[str, dict[str, Any]]:
    """The sentences of sound answers against their own article and against another, by closeness."""
    english = [passage for passage, _ in bank.passages if passage.language == "en"]
    articles = sorted({(bank.slugs[passage.source_id]) for passage in english})
    own: list[float] = []
    others: list[float] = []
    for article, language, text in texts("answers"):
        if language != "en" or article not in articles:
            continue
        other = articles[(articles.index(article) + 1) % len(articles)]
        for sentence in sentences_of(text):
            words = " ".join(MARK.sub(" ", sentence).split())
            if len(words.split()) >= WORDS_MIN:
                (vector,) = bank.encoder.embed([words])
                for slug, values in ((article, own), (other, others)):
                    passages = [each for each in english if bank.slugs[each.source_id] == slug]
                    cited = "".join(f"[{number}]" for number in range(1, len(passages) + 1))
                    values.append(closeness(words + cited, vector, passages))
    kept = {least: (sum(v >= least for v in own), sum(v >= least for v in others)) for least in SUPPORTS}
    text = (
        f"An answer is kept where each sentence lies at {SUPPORTED} or nearer to a sentence of what it cites. Of"
        f" {len(own)} sentences of sound answers (`evals/suites/answers.yaml`), against their own article and against"
        " another:\n\n"
    )
    head = ["closeness ≥", "own article", "another article"]
    return text + table(head, [[str(least), str(a), str(b)] for least, (a, b) in kept.items()]), {
        str(least): list(values) for least, values in kept.items()
    }
