"""Rows of texts through what every message meets before it is answered: redaction, injection, situations, language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from activities.screening import screen
from evals.prediction.rows import Row
from helios.detection import injection, personal, redaction, secrets
from helios.detection.spans import merge
from helios.models.language import LanguageIdentifier

FIELD_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "CARD": "CREDIT_CARD",
        "EMAIL": "EMAIL_ADDRESS",
        "PHONE": "PHONE_NUMBER",
        "IBAN": "IBAN_CODE",
        "ACCOUNT": "US_BANK_NUMBER",
    }
)
"""Our labels that the field (Presidio, its data sets) calls otherwise."""


def find_personal_data(rows: Iterable[Row]) -> Iterator[Mapping[str, Any]]:
    """Spans in code points with the field's labels, and the text with typed tokens in their places."""
    for row in rows:
        text = row["text"]
        spans = merge([*secrets.find(text), *personal.find(text)])
        yield {
            "id": row["id"],
            "spans": [
                {"start": span.start, "end": span.end, "label": FIELD_NAMES.get(span.label, span.label)}
                for span in spans
            ],
            "redacted": redaction.tokenise(text, spans).text,
        }


def find_injections(rows: Iterable[Row]) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        found = injection.find_injection(row["text"])
        yield {"id": row["id"], "flagged": found is not None, "score": found.score if found else 0.0}


def find_situations(rows: Iterable[Row]) -> Iterator[Mapping[str, Any]]:
    """Numbers of the table of situations, and whether the turn goes to a person without an answer of the AI."""
    for row in rows:
        screened = screen(row["text"], ())
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
