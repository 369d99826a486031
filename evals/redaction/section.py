"""The sections of docs/quality.md about personal data in sentences, and numbers of many countries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from evals.detectors.examples import rows
from evals.detectors.measure import Share
from evals.redaction import finders
from evals.redaction.score import Text, covers, means, score, texts
from evals.report import Section, table
from helios.detection import national_ids
from helios.detection.spans import Span

CERTAIN: Final = {"cards": "CREDIT_CARD", "IBANs": "IBAN_CODE", "US social security numbers": "US_SSN"}
WITHOUT_SETS: Final = "Not measured: `HELIOS_EVAL_DATA` is not set.\n"
WITHOUT_PRESIDIO: Final = "Stock Presidio is not measured: it is installed by `make eval` only.\n"


def personal(sets: Path | None) -> Section:
    """Partial F2, leak and over-redaction in the sentences of presidio-research."""
    head = "## Personal data in sentences\n\n"
    if sets is None:
        return Section("personal", head + WITHOUT_SETS, {})
    expected = texts(rows(sets / "pii_presidio" / "samples.jsonl"))
    found = finders.everybody([each.text for each in expected])
    scores = {name: score(expected, spans) for name, spans in found.items()}
    figures = {
        name: {
            "F2 (aim .85)": f"{each.f2():.3f}",
            "leak (aim .04)": f"{each.leak():.3f}",
            "over-redaction (aim .06)": f"{each.over_redaction():.3f}",
            **{f"leak of {kind} (aim .01)": f"{each.leak([label]):.3f}" for kind, label in CERTAIN.items()},
        }
        for name, each in scores.items()
    }
    text = head + (
        f"The {len(expected)} sentences of presidio-research that are in the public folder, 17 kinds. No detector"
        " learned from them; when ours was written its author had seen sentences of these kinds, so read it as a"
        " ceiling. F2 counts a span as found where half of it is covered by a span of its kind. Stock Presidio runs"
        " with spaCy's small English model from a score of .4 on; its one kind of place counts for cities, streets"
        " and postcodes. Leak: characters of personal data that no span covers. Over-redaction: other characters that"
        " one covers.\n\n"
    )
    return Section("personal", text + _compared(figures), figures)


def numbers(sets: Path | None) -> Section:
    """Recall and false alarms on the texts of Presidio's own recogniser tests."""
    head = "## Numbers of many countries\n\n"
    if sets is None:
        return Section("numbers", head + WITHOUT_SETS, {})
    expected = texts(rows(sets / "pii_id_numbers" / "samples.jsonl"))
    found = finders.everybody([each.text for each in expected])
    figures = {name: _recall_and_alarms(expected, spans) for name, spans in found.items()}
    text = head + (
        f"{len(expected)} short texts with a number of one of 18 countries, or with one that is nearly such a number."
        " They are the cases of Presidio's tests of its recognisers, of which it turns few on by itself: measured as it"
        " comes, like ours. A false alarm is the kind of number that the text nearly is.\n\n"
    )
    return Section("numbers", text + _compared(figures), figures)


def _compared(figures: Mapping[str, Mapping[str, str]]) -> str:
    """A row a figure, a column a finder."""
    names = list(figures)
    found = table(["", *names], [[row, *(figures[name][row] for name in names)] for row in figures[names[0]]])
    return found if "stock Presidio" in figures else f"{found}\n{WITHOUT_PRESIDIO}"


def _recall_and_alarms(expected: Sequence[Text], found: Sequence[Sequence[Span]]) -> dict[str, str]:
    kinds: dict[str, set[str]] = defaultdict(set)
    for text in expected:
        kinds[text.kind] |= {span.label for span in text.spans}
    checked = {form.label for form in national_ids.forms() if form.check} | {"CREDIT_CARD", "IBAN_CODE"}
    typed, any_type, alarms, alarms_checked = [], [], [], []
    for text, spans in zip(expected, found, strict=True):
        for span in text.spans:
            over = [each for each in spans if covers(each, span)]
            any_type.append(bool(over))
            typed.append(any(means(each, span) for each in over))
        # What nothing in the set says the kind of can raise no alarm that could be told from another reading.
        if not text.spans and kinds[text.kind]:
            alarms.append(any(means(each, Span(0, 0, kind)) for each in spans for kind in kinds[text.kind]))
            if kinds[text.kind] <= checked:
                alarms_checked.append(alarms[-1])
    shares = {
        "recall, with the country's kind (aim .95)": typed, "recall of any kind": any_type,
        "false alarms": alarms, "false alarms where a check digit decides (aim .05)": alarms_checked,
    }  # fmt: skip
    return {name: str(Share(sum(each), len(each))) for name, each in shares.items()}
