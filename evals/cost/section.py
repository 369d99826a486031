"""The section of docs/quality.md about what masking, screening and the check of a window cost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

from activities.review import Gate, Standard
from activities.screening import screen
from evals.detectors import measure
from evals.drafts.answers import passages_of, texts
from evals.redaction import finders
from evals.report import Section, table
from helios.detection import personal, secrets
from helios.detection.output import Context
from helios.detection.wording import Wording
from helios.models.embedder import Embedder
from helios.models.intent import IntentClassifier
from helios.models.language import LanguageIdentifier
from helios.models.tagger import Tagger, tag
from helios.settings import settings

MESSAGES: Final = 200
WORDS: Final = 50
SEED: Final = 5
WARMING: Final = 5


@dataclass(frozen=True, slots=True)
class Took:
    """`each_ms`: CPU milliseconds of this thread; `aim_ms` is for the median."""

    name: str
    each_ms: Sequence[float]
    aim_ms: float | None = None

    def row(self) -> list[str]:
        aim = f"{self.aim_ms:g}" if self.aim_ms else ""
        return [self.name, str(len(self.each_ms)), f"{median(self.each_ms):.2f}", f"{self.p95_ms():.2f}", aim]

    def p95_ms(self) -> float:
        return quantiles(self.each_ms, n=20)[-1]


def cost(_: Path | None) -> Section:
    encoder = Embedder.load(settings())
    written = messages()
    stock = finders.presidio(written)
    took = [
        Took("masking of cards and secrets, in the API", _times(secrets.mask, written), 1),
        Took("screening: names, situations, injection, language, intent", _times(_screening(encoder), written), 30),
        *([Took("stock Presidio, personal data alone", stock.cpu_ms)] if stock else []),
        Took("the check of a window", window_times(encoder), 10),
    ]
    text = (
        "## Cost\n\nCPU milliseconds of one thread, aims for the median. Messages have"
        f" {WORDS} words; screening reads each in one pass of the encoder, which retrieval shares. Windows are those of"
        " the sound answers above, with the articles that they rest on.\n\n"
    )
    text += table(["", "measured", "p50 ms", "p95 ms", "aim"], [each.row() for each in took])
    figures = {each.name: {"p50_ms": median(each.each_ms), "p95_ms": each.p95_ms()} for each in took}
    return Section("cost", text, figures)


def messages() -> list[str]:
    """Texts of 50 words, no two alike: sentences of customers put together."""
    draw = random.Random(SEED)
    sentences = [text for texts in measure.suite().values() for text in texts.get("en", ())]
    return [_of_words(draw, sentences) for _ in range(MESSAGES)]


def _of_words(draw: random.Random, sentences: Sequence[str]) -> str:
    words: list[str] = []
    while len(words) < WORDS:
        words += draw.choice(sentences).split()
    return " ".join(words[:WORDS])


def _screening(encoder: Embedder) -> Callable[[str], Any]:
    tagger, languages = Tagger.load(), LanguageIdentifier.load()
    intents = IntentClassifier.load(settings(), encoder)

    def everything(text: str) -> None:
        language = languages.detect(text).code
        personal.find(text, language, tag(encoder, tagger, text))
        (vector,) = encoder.embed([text])  # known from the pass that found the names
        intents.classify(vector, text)
        screen(text, (), vector)

    return everything


def window_times(encoder: Embedder) -> list[float]:
    """Of each window of the sound answers, through the gate that every answer passes."""
    return [
        took for article, language, text in texts("answers") for took in _of_answer(encoder, article, language, text)
    ]


def _of_answer(encoder: Embedder, article: str, language: str, text: str) -> Iterator[float]:
    passages = passages_of(article)
    wording = Wording(lambda sentence: encoder.embed([sentence])[0])
    context = Context(passages=passages, language=language, same_language=language == "en", wording=wording)
    gate = Gate(Standard(context, language, len(passages)))
    for window in (*gate.cutter.feed(text), *gate.cutter.flush()):
        yield _times(lambda one: gate.review([one]), [window], warming=0)[0]


def _times(run: Callable[[str], Any], given: Sequence[str], warming: int = WARMING) -> list[float]:
    for text in given[:warming]:
        run(f"{text} again")
    took = []
    for text in given:
        started = time.thread_time()
        run(text)
        took.append(1000 * (time.thread_time() - started))
    return took
