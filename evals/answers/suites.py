"""The suites of questions over the demo bank's articles: how they are answered, and how that is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from evals.answers.bank import Bank
from evals.answers.judge import (
    Question,
    Verdict,
    customers_questions,
    follow_ups,
    hard_paraphrases,
    judge,
    outside_questions,
)
from evals.report import table
from helios.models.intent import IntentClassifier
from helios.offline import OfflineGenerator
from helios.settings import settings


def judge_of(bank: Bank, *, as_one: bool = False) -> Callable[[Sequence[Question]], list[Verdict]]:
    """Lets the demo bank's offline generator answer questions, and applies the rules. `as_one`: see `Bank.prompt`."""
    generator = OfflineGenerator(bank.encoder, intents=IntentClassifier.load(settings(), bank.encoder))
    return partial(_judged, bank, generator, as_one)


def measure(judged: Callable[[Sequence[Question]], list[Verdict]]) -> list[list[str]]:
    """Right, declined and invented, by suite."""
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
    return [_row(name, judged(questions)) for name, questions in suites.items()]


def tell(rows: Sequence[Sequence[str]]) -> str:
    head = ["", "questions", "right", "declined", "with an invented figure"]
    return (
        "## Offline answers\n\nQuestions over the demo bank's articles (`evals/suites`), judged by rules that anyone"
        " can apply again (`evals/answers/judge.py`): the right article, every fact, no figure that the citation does"
        " not hold. Of the questions outside none should be answered. The weights are learnt from the customers'"
        " questions, the paraphrases and eighty more questions outside (`python -m evals.answers.fit` cross-validates"
        " them by article); the follow-ups were written for measuring; the two fresh"
        " suites were written afterwards, and only their sums were looked at.\n\n" + table(head, rows)
    )


def _judged(bank: Bank, generator: OfflineGenerator, as_one: bool, questions: Sequence[Question]) -> list[Verdict]:
    async def every() -> list[Verdict]:
        return [
            await judge(generator, bank.prompt(one.text, one.language, one.history, as_one=as_one), one, bank.slugs)
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
