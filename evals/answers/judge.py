"""Who says what is right: rules that anyone can apply again, over what an answer says and cites.

An answer is right when it quotes one of the articles named, holds every fact named, and every figure in it stands in
the sentences that it cites. Nothing here knows how the answer was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import yaml

from helios.llm.base import PastMessage, Prompt, TextDelta
from helios.offline import OfflineGenerator
from helios.settings import PROJECT

SUITES: Final = PROJECT / "evals" / "suites"
_MARKER = re.compile(r"\s*\[(\d+)\]")
_FIGURE = re.compile(r"\d+(?:[.,:]\d+)*")


@dataclass(frozen=True, slots=True)
class Question:
    """`articles` are those that say it."""

    text: str
    articles: tuple[str, ...]
    facts: tuple[str, ...]
    language: str = "en"
    before: str = ""
    """What the customer asked in the turn before, for a question that does not stand alone."""

    @property
    def history(self) -> tuple[PastMessage, ...]:
        return (PastMessage("customer", self.before),) if self.before else ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a question. `invented`: figures that no cited passage holds."""

    question: Question
    answer: str
    cited: tuple[str, ...]
    declined: bool
    invented: tuple[str, ...]

    @property
    def right(self) -> bool:
        return not self.declined and not self.invented and self.holds(self.question)

    def holds(self, question: Question) -> bool:
        """Whether the answer quotes the question's article and holds its facts."""
        said = self.answer.casefold()
        return any(article in question.articles for article in self.cited) and all(
            fact.casefold() in said for fact in question.facts
        )


def customers_questions(suite: str = "customers_questions") -> list[Question]:
    """A suite of one question an article: the hundred that were looked at, or `fresh_questions`, which were not."""
    rows = yaml.safe_load((SUITES / f"{suite}.yaml").read_text(encoding="utf-8"))
    return [Question(asked, tuple(articles.split(" or ")), tuple(facts)) for articles, (asked, *facts) in rows.items()]


def follow_ups() -> list[Question]:
    rows = yaml.safe_load((SUITES / "follow_ups.yaml").read_text(encoding="utf-8"))
    return [
        Question(asked, (article,), tuple(facts), before=before) for article, (before, asked, *facts) in rows.items()
    ]


def hard_paraphrases() -> list[Question]:
    """The older suite: questions that avoid the articles' words."""
    rows = yaml.safe_load((SUITES / "offline_answers.yaml").read_text(encoding="utf-8"))
    return [Question(row["question"], (row["slug"],), tuple(row["must_contain"]), row["language"]) for row in rows]


def outside_questions(suite: str = "outside") -> list[str]:
    rows = yaml.safe_load((SUITES / f"{suite}.yaml").read_text(encoding="utf-8"))
    return [row["question"] for row in rows]


async def judge(generator: OfflineGenerator, prompt: Prompt, question: Question, slugs: Mapping[UUID, str]) -> Verdict:
    """Lets the generator answer, and applies the rules."""
    answer, supported = "", True
    async for piece in generator.stream(prompt):
        if isinstance(piece, TextDelta):
            answer += piece.text
        else:
            supported = piece.supported
    cited = tuple(dict.fromkeys(int(number) for number in _MARKER.findall(answer)))
    passages = [prompt.passages[number - 1] for number in cited]
    words = _MARKER.sub("", answer)
    known = set(_figures(passage.text for passage in passages))
    invented = tuple(figure for figure in _figures([words]) if figure not in known) if supported else ()
    return Verdict(question, words, tuple(slugs[passage.source_id] for passage in passages), not supported, invented)


def _figures(texts: Iterable[str]) -> list[str]:
    return [figure for text in texts for figure in _FIGURE.findall(text)]
