"""Two questions in one message: made of pairs of the suites' questions, so that the same rules judge both halves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from evals.answers.judge import Question, Verdict, customers_questions, outside_questions
from evals.report import table
from helios.offline import texts_for

SEED: Final = 7
Judge = Callable[[Sequence[Question]], list[Verdict]]


def measure(judged: Judge, as_one: Judge) -> list[list[str]]:
    """By suite: pairs of questions that are answered right alone, and each of them with one that nothing answers; both
    beside `as_one`, which searches once for the whole message.
    """
    suites = {"customers' questions": ("customers_questions", "outside"),
              "fresh questions": ("fresh_questions", "fresh_outside")}  # fmt: skip
    rows = []
    for name, (inside, outside) in suites.items():
        alone = [one.question for one in judged(customers_questions(inside)) if one.right]
        declined = [
            one.question for one in judged([_outside(text) for text in outside_questions(outside)]) if one.declined
        ]
        for how, judge in {", searched as one": as_one, "": judged}.items():
            rows += [
                _pairs(name + how, alone, judge),
                _with_one_outside(f"{name}, the second outside{how}", alone, declined, judge),
            ]
    return rows


def tell(rows: Sequence[Sequence[str]]) -> str:
    head = ["", "messages", "both halves right", "one half right", "said which has no answer", "invented figures"]
    return (
        "## Two questions in one message\n\nPairs of questions that are answered right alone, from two articles, drawn"
        f" at random (seed {SEED}); then the same with a second question that nothing answers, which is right where the"
        " first is answered and the answer names the second as the one without. Each part is searched for by itself and"
        " answered from the union (`helios/knowledge/several.py`). Choices were made on the customers' questions; of"
        " the fresh ones only these sums were seen.\n\n" + table(head, rows)
    )


def _outside(text: str) -> Question:
    return Question(text, (), ())


def joined(first: Question, second: Question) -> Question:
    """One message of both, judged by the first half."""
    text = f"{first.text.rstrip('?.! ')}? {second.text.rstrip('?.! ')}?"
    return Question(text, first.articles, first.facts)


def _pairs(name: str, questions: Sequence[Question], judged: Judge) -> list[str]:
    random = Random(SEED)  # noqa: S311 - nothing secret
    pairs = [
        (one, random.choice([other for other in questions if not set(other.articles) & set(one.articles)]))
        for one in questions
    ]
    verdicts = judged([joined(*pair) for pair in pairs])
    halves = [sum(verdict.holds(half) for half in pair) for pair, verdict in zip(pairs, verdicts, strict=True)]
    said = sum(_names(verdict, 0) or _names(verdict, 1) for verdict in verdicts)
    return _row(name, verdicts, halves.count(2), halves.count(1), said)


def _with_one_outside(name: str, inside: Sequence[Question], outside: Sequence[Question], judged: Judge) -> list[str]:
    random = Random(SEED)  # noqa: S311 - nothing secret
    verdicts = judged([joined(one, random.choice(outside)) for one in inside])
    said = [_names(one, 1) and not _names(one, 0) for one in verdicts]
    right = [one.holds(one.question) for one in verdicts]
    both = sum(each and named for each, named in zip(right, said, strict=True))
    return _row(name, verdicts, both, sum(right) - both, sum(said))


def _names(verdict: Verdict, place: int) -> bool:
    """Whether the answer says that this question has none."""
    texts = texts_for(verdict.question.language)
    return texts["no_answer_part"].format(which=texts[f"part_{place}"]) in verdict.answer


def _row(name: str, verdicts: Sequence[Verdict], both: int, one: int, said: int) -> list[str]:
    invented = sum(bool(verdict.invented) for verdict in verdicts)
    return [name, str(len(verdicts)), str(both), str(one), str(said), str(invented)]
