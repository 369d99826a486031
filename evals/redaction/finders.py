"""Who finds personal data: ours, stock Presidio, and a list of patterns."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evals.prediction.screening import predict_personal
from helios.detection.spans import Span
from helios.models.embedder import Embedder
from helios.models.tagger import Tagger, tag
from helios.settings import PROJECT, settings

PRESIDIO_PYTHON: Final = PROJECT / ".venv-eval" / "bin" / "python"
"""Of the environment that `make eval` makes."""
PATTERNS: Final = {
    "CREDIT_CARD": r"\b\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}\b",
    "EMAIL_ADDRESS": r"\S+@\S+\.\w+",
    "PHONE_NUMBER": r"\+?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b",
    "US_SSN": r"\b\d{3}-\d{2}-\d{4}\b",
    "IBAN_CODE": r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b",
    "IP_ADDRESS": r"\b\d{1,3}(?:\.\d{1,3}){3}\b",
    "URL": r"https?://\S+|www\.\S+",
    "DATE_TIME": r"\b\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b",
}
"""The list that stands beside ours: what a first afternoon would write down."""

Spans = list[list[Span]]
"""Of each text."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What Presidio finds in texts, and the CPU milliseconds that it takes for each."""

    spans: Spans
    cpu_ms: list[float]


def everybody(texts: Sequence[str]) -> Mapping[str, Spans]:
    """The spans of each finder. Without `make eval` there is no Presidio, and none of its spans."""
    stock = presidio(texts)
    return {"ours": ours(texts), **({"stock Presidio": stock.spans} if stock else {}), "patterns": patterns(texts)}


def ours(texts: Sequence[str]) -> Spans:
    encoder, tagger = Embedder.load(settings()), Tagger.load()
    rows = (predict_personal({"id": 0, "text": text}, tag(encoder, tagger, text)) for text in texts)
    return [[Span(each["start"], each["end"], each["label"]) for each in row["spans"]] for row in rows]


def patterns(texts: Sequence[str]) -> Spans:
    compiled = {label: re.compile(pattern) for label, pattern in PATTERNS.items()}
    return [
        [Span(*match.span(), label) for label, pattern in compiled.items() for match in pattern.finditer(text)]
        for text in texts
    ]


def presidio(texts: Sequence[str], python: Path = PRESIDIO_PYTHON) -> Stock | None:
    """None where it is not installed. Raises `subprocess.CalledProcessError` where it is and fails."""
    if not python.is_file():
        return None
    program = [str(python), "-m", "evals.redaction.stock"]
    found = subprocess.run(program, input=json.dumps(texts), capture_output=True, text=True, check=True, cwd=PROJECT)
    rows = json.loads(found.stdout)
    return Stock([[Span(*span) for span in row["spans"]] for row in rows], [row["cpu_ms"] for row in rows])
