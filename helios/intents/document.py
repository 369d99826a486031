"""What a version of a tenant's intents says: which intents there are, and a digest of each one's examples.

The examples themselves are kept apart, sealed: see `helios.intents.examples`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict

from helios.rules.policy_document import Wrong
from helios.rules.versions import RuleKind
from schema.intents import FAILURES


class HeldExamples(BaseModel):
    """`examples`: how many; `sha256`: of their texts in order."""

    model_config = ConfigDict(frozen=True)

    examples: int
    sha256: str


class IntentDocument(BaseModel):
    """Empty: the model that ships with the product."""

    model_config = ConfigDict(frozen=True)

    intents: dict[str, HeldExamples] = {}

    @classmethod
    def of(cls, examples: Mapping[str, Sequence[str]]) -> IntentDocument:
        return cls(intents={name: _held(examples[name]) for name in sorted(examples)})


def _held(texts: Sequence[str]) -> HeldExamples:
    return HeldExamples(examples=len(texts), sha256=hashlib.sha256("\0".join(sorted(texts)).encode()).hexdigest())


@cache
def _shipped() -> IntentDocument:
    from helios.models.intent import shipped_examples

    return IntentDocument.of(shipped_examples())


def effective(document: IntentDocument) -> dict[str, Any]:
    """Every intent with the number and the digest of its examples."""
    return (document if document.intents else _shipped()).model_dump()


def nothing_wrong(_: IntentDocument) -> list[Wrong]:
    """What may not be in a version is refused where its examples are handed in."""
    return []


def shown(row: Any) -> dict[str, Any]:
    """How far the training of a version is, and what came of it."""
    return {
        "progress": {"examples_total": row.examples_total, "examples_done": row.examples_done},
        "failure": {"code": row.failure, "detail": FAILURES[row.failure]} if row.failure else None,
        "report": row.report,
    }


INTENTS = RuleKind(
    "intent_sets",
    "intents",
    IntentDocument,
    nothing_wrong,
    effective,
    ready="trained",
    undecided=frozenset({"draft", "trained", "failed"}),
    shown=shown,
    parts="intent_chunks",
    # Its gate asks whether it was compared with what is in force.
    replaces=False,
)
SHIPPED_VERSION = 1
