"""The sections of docs/answers.md: how each is measured, and how its figures are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from evals.answers.bank import Bank, demo_bank
from evals.answers.judge import (
    Question,
    Verdict,
    customers_questions,
    follow_ups,
    hard_paraphrases,
    judge,
    outside_questions,
)
from evals.answers.rankings import compare
from evals.report import table
from helios.models.intent import IntentClassifier
from helios.offline import OfflineGenerator
from helios.settings import settings

Figures = dict[str, Any]
METRICS: Final = ("R@20", "nDCG@10")


def measure_answers(_: Path | None) -> Figures:
    """Right, declined and invented, by suite."""
    bank = demo_bank()
    intents = IntentClassifier.load(settings(), bank.encoder)
    generator = OfflineGenerator(bank.encoder, intents=intents)
    hard = hard_paraphrases()
    suites = {
        "customers' questions": customers_questions(),
        "hard paraphrases, English": [question for question in hard if question.language == "en"],
        "hard paraphrases, German and Spanish": [question for question in hard if question.language != "en"],
        "outside": [Question(text, (), ()) for text in outside_questions()],
        "follow-ups": follow_ups(),
        "fresh questions": customers_questions("fresh_questions"),
        "fresh outside": [Question(text, (), ()) for text in outside_questions("fresh_outside")],
    }
    return {"rows": [_row(name, _judged(bank, generator, questions)) for name, questions in suites.items()]}


def tell_answers(figures: Figures) -> str:
    head = ["", "questions", "right", "declined", "with an invented figure"]
    return (
        "## Offline answers\n\nQuestions over the demo bank's articles (`evals/suites`), judged by rules that anyone"
        " can apply again (`evals/answers/judge.py`): the right article, every fact, no figure that the citation does"
        " not hold. Of the questions outside none should be answered. The weights are learnt from the customers'"
        " questions, the paraphrases and eighty more questions outside (`python -m evals.answers.fit` cross-validates"
        " them by article); the follow-ups were written for measuring; the two fresh"
        " suites were written afterwards, and only their sums were looked at.\n\n" + table(head, figures["rows"])
    )


def measure_retrieval(sets: Path | None) -> Figures | None:
    return None if sets is None else {"rows": compare(sets / "tau2_banking")}


def tell_retrieval(figures: Figures) -> str:
    return (
        "## Retrieval\n\ntau2_banking: the customer's sentences (utterances) and whole scripts (scenario) against"
        " 698 articles, all rankings in one run. Ours sums signs that all count alike: weights learnt by listwise"
        " regression reached no more on tasks held out.\n\n"
        + table(
            ["", *(f"{kind} {metric}" for kind in ("utterances", "scenario") for metric in METRICS)], figures["rows"]
        )
    )


SECTIONS: Final = MappingProxyType[str, tuple[Callable[[Path | None], Figures | None], Callable[[Figures], str]]](
    {"answers": (measure_answers, tell_answers), "retrieval": (measure_retrieval, tell_retrieval)}
)


def _judged(bank: Bank, generator: OfflineGenerator, questions: Sequence[Question]) -> list[Verdict]:
    async def every() -> list[Verdict]:
        return [
            await judge(generator, bank.prompt(one.text, one.language, one.history), one, bank.slugs)
            for one in questions
        ]

    return asyncio.run(every())


def _row(name: str, verdicts: Sequence[Verdict]) -> list[str]:
    right = sum(one.right for one in verdicts)
    return [
        name,
        str(len(verdicts)),
        "" if name.endswith("outside") else str(right),
        str(sum(one.declined for one in verdicts)),
        str(sum(bool(one.invented) for one in verdicts)),
    ]
