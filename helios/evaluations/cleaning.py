"""Suites are made up, but people paste: secrets and personal data are taken out of a suite before it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from helios.crypto import Keys
from helios.detection import personal, secrets
from helios.detection.redaction import tokenise
from helios.evaluations.suite import Case, Suite
from helios.models.language import LanguageIdentifier
from helios.rules.redaction import Redaction

DOCUMENT = "evaluation_suites.document_ct"
Labels = Mapping[tuple[int, int], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """secrets  kinds of secrets that were masked, by case and message, as acceptance tells a turn of them
    kinds    every kind that was taken out
    """

    suite: Suite
    secrets: Labels
    kinds: tuple[str, ...] = ()

    def seal(self, keys: Keys, suite_id: object) -> bytes:
        found = [[*place, list(labels)] for place, labels in self.secrets.items()]
        return keys.seal_json({"suite": as_written(self.suite), "secrets": found}, DOCUMENT, suite_id)


def open_suite(keys: Keys, sealed: bytes, suite_id: object) -> Cleaned:
    read = keys.open_json(sealed, DOCUMENT, suite_id)
    found = {(case, message): tuple(labels) for case, message, labels in read["secrets"]}
    return Cleaned(Suite.model_validate(read["suite"]), found)


def as_written(suite: Suite) -> dict[str, Any]:
    """What somebody would write: without what is as it is anyway."""
    return suite.model_dump(mode="json", exclude_unset=True)


def without_personal_data(suite: Suite, redaction: Redaction, languages: LanguageIdentifier) -> Cleaned:
    """Messages as a turn keeps them, with typed tokens in the places of personal data besides. What the bank is to say
    may name its own telephone number: there only secrets are masked. Names that no cue announces stay.
    """
    found: dict[tuple[int, int], tuple[str, ...]] = {}
    kinds: dict[str, None] = {}
    cases = []
    for number, case in enumerate(suite.cases):
        messages = []
        for place, message in enumerate(case.messages):
            masked = secrets.mask(message)
            if masked.labels:
                found[number, place] = masked.labels
            known = languages.detect(masked.text, default=case.language or suite.language).code
            spans = [*personal.find(masked.text, known), *redaction.find(masked.text)]
            kinds |= dict.fromkeys((*masked.labels, *(span.label for span in spans)))
            messages.append(tokenise(masked.text, spans).text)
        cases.append(_told(case, tuple(messages)))
    description = secrets.mask(suite.description).text if suite.description is not None else None
    given = {"description": description} if description is not None else {}
    return Cleaned(suite.model_copy(update={"cases": tuple(cases), **given}), found, tuple(kinds))


def _told(case: Case, messages: tuple[str, ...]) -> Case:
    expect = case.expect.model_copy(
        update={
            name: tuple(secrets.mask(phrase).text for phrase in getattr(case.expect, name))
            for name in ("must_contain", "must_not_contain")
            if name in case.expect.model_fields_set
        }
    )
    return case.model_copy(update={"name": secrets.mask(case.name).text, "messages": messages, "expect": expect})
