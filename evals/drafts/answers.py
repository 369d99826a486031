"""The section of docs/quality.md about sound answers that are held for nothing, and promises that no article makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from activities.review import Gate, Standard, review_whole
from evals.report import Section, table
from helios import demo_bank
from helios.detection.output import Context
from helios.detection.wording import Wording
from helios.models.embedder import Embedder
from helios.settings import settings

SUITES: Final = Path(__file__).parents[1] / "suites"
KNOWLEDGE: Final = Path(demo_bank.__path__[0]) / "knowledge" / "en"


def answers(_: Path | None) -> Section:
    encoder = Embedder.load(settings())
    wording = Wording(lambda sentence: encoder.embed([sentence])[0])
    rows, figures, kept = [], {}, []
    for suite, wanted in (("answers", False), ("unsupported", True)):
        held: dict[str, list[bool]] = {}
        for article, language, text in texts(suite):
            stopped = is_held(article, language, text, wording)
            held.setdefault(language, []).append(stopped)
            if stopped != wanted:
                kept.append(f"{suite} {language}: {text}")
        figures[suite] = {language: [sum(each), len(each)] for language, each in held.items()}
        rows.append([suite, *(f"{sum(each)} of {len(each)}" for each in held.values())])
    text = (
        "## Answers\n\nAnswers as a model writes them over the demo bank's articles (`answers`: none should be held),"
        " and promises, fees and days that the articles do not say (`unsupported`: each should). On the first run,"
        " before anything was mended with them in sight, 4 of the 82 were held and 5 of the 34 passed. Held now:\n\n"
    )
    text += table(["", "English", "German", "Spanish", "French", "Arabic", "Turkish"], rows)
    return Section("answers", text, {**figures, "wrong": kept})


def texts(suite: str) -> Iterator[tuple[str, str, str]]:
    """(article, language, text) of a suite, its languages in the order of the table."""
    found = yaml.safe_load((SUITES / f"{suite}.yaml").read_text(encoding="utf-8"))
    for language in ("en", "de", "es", "fr", "ar", "tr"):
        for article, by_language in found.items():
            yield from ((article, language, text) for text in by_language.get(language, ()))


def is_held(article: str, language: str, text: str, wording: Wording) -> bool:
    """Whether any window of the answer, or its last look, is not released."""
    passages = passages_of(article)
    context = Context(passages=passages, language=language, same_language=language == "en", wording=wording)
    standard = Standard(context, language, len(passages))
    gate = Gate(standard)
    windows = [*gate.feed(text), *gate.finish()]
    return any(window.action != "release" for window in windows) or review_whole(text, standard).action != "release"


def passages_of(article: str) -> tuple[str, ...]:
    """The text of a demo bank's article; nothing for `none`."""
    if article == "none":
        return ()
    return ((KNOWLEDGE / f"{article}.md").read_text(encoding="utf-8").split("---", 2)[-1],)
