"""Rows of texts through what every message meets before it is answered: redaction, injection, situations, language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from activities.screening import screen
from evals.prediction.rows import Row
from helios.detection import injection, national_ids, personal, redaction, secrets
from helios.detection.injection import Seen
from helios.detection.spans import Span
from helios.models.embedder import Embedder
from helios.models.language import LanguageIdentifier
from helios.models.tagger import Tagger, tag
from helios.settings import settings

FIELD_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "CARD": "CREDIT_CARD",
        "EMAIL": "EMAIL_ADDRESS",
        "PHONE": "PHONE_NUMBER",
        "IBAN": "IBAN_CODE",
        "ACCOUNT": "US_BANK_NUMBER",
        "DATE_OF_BIRTH": "DATE_TIME",
    }
)
"""Our labels that the field (Presidio, its data sets) calls otherwise."""


_CERTAIN = frozenset({"CARD", "IBAN", "EMAIL", "URL", "DOMAIN_NAME", "IP_ADDRESS", "MAC_ADDRESS"})


def find_personal_data(rows: Iterable[Row]) -> Iterator[Mapping[str, Any]]:
    """Spans in code points with the field's labels, and the text with typed tokens in their places."""
    encoder, tagger = Embedder.load(settings()), Tagger.load()
    for row in rows:
        yield predict_personal(row, tag(encoder, tagger, row["text"]))


def predict_personal(row: Row, tagged: Sequence[Span]) -> Mapping[str, Any]:
    text = row["text"]
    found = [*secrets.find(text), *personal.readings(text)]
    spans = personal.settle(found, tagged, text)
    return {
        "id": row["id"],
        "spans": [
            {"start": span.start, "end": span.end, "label": FIELD_NAMES.get(span.label, span.label)}
            for span in [*spans, *_other_readings(found, spans)]
        ],
        "redacted": redaction.tokenise(text, spans).text,
    }


def _other_readings(found: Sequence[Span], settled: Sequence[Span]) -> Iterator[Span]:
    """What a number also may be: several registers give nine digits. What has a certain name has only that."""
    certain = [each for each in settled if each.label in _CERTAIN]
    for span in found:
        overlaps = any(span.start < each.end and each.start < span.end for each in certain)
        if span.label in national_ids.labels() and span not in settled and not overlaps:
            yield span


def find_injections(rows: Iterable[Row]) -> Iterator[Mapping[str, Any]]:
    encoder = Embedder.load(settings())
    for row in rows:
        found = injection.find_injection(row["text"], Seen(vector=encoder.embed([row["text"]])[0]))
        yield {"id": row["id"], "flagged": found is not None, "score": found.score if found else 0.0}


def find_situations(rows: Iterable[Row]) -> Iterator[Mapping[str, Any]]:
    """Numbers of the table of situations, and whether the turn goes to a person without an answer of the AI."""
    encoder = Embedder.load(settings())
    for row in rows:
        screened = screen(row["text"], (), encoder.embed([row["text"]])[0])
        yield {
            "id": row["id"],
            "situations": sorted(screened.situations),
            "must_escalate": screened.verdict == "escalate",
        }


def identify_languages(rows: Iterable[Row]) -> Iterator[Mapping[str, Any]]:
    """ISO 639-1 where there is such a code, else 639-3; `und` for a text without words."""
    identifier = LanguageIdentifier.load()
    for row in rows:
        yield {"id": row["id"], "language": identifier.identify(row["text"]).code}
