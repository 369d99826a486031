"""A tenant's policy as a turn uses it: the situations with the tenant's overrides applied.

A version never changes, so a process may remember it for ever; which version is published is read with each turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.detection import learned
from helios.detection.phrasebook import PhraseBook, Rule, read
from helios.detection.phrases import compile_phrases
from helios.detection.situations import Situation, all_situations
from helios.rules.policy_document import HANDS_OVER, PolicyDocument, SituationOverride

KEPT_MOST = 1_000
DEFINITION = text("SELECT definition FROM policies WHERE tenant_id = :tenant_id AND version = :version")


@dataclass(frozen=True, slots=True)
class Policy:
    """`off`: situations that count for nothing. `digest`: SHA-256 of all that is in force with it, in hex."""

    version: int
    situations: Mapping[int, Situation]
    off: frozenset[int]
    thresholds: Mapping[str, float]
    texts: Mapping[int, Mapping[str, str]]
    forbidden: PhraseBook | None
    """None where the tenant forbids nothing besides: most do not, and each window is read for it."""
    digest: str

    def situation(self, number: int) -> Situation:
        return self.situations[number]

    def text(self, number: int, language: str) -> str | None:
        """The tenant's own words for a situation, with fields to fill in. None: those of the product."""
        return self.texts.get(number, {}).get(language[:2].lower())


_known: dict[tuple[UUID, int], Policy] = {}


async def policy_of(connection: AsyncConnection, tenant_id: UUID, version: int) -> Policy:
    """A version of the tenant's policy. `connection` is a transaction of that tenant."""
    key = (tenant_id, version)
    if key not in _known:
        where = {"tenant_id": tenant_id, "version": version}
        definition = (await connection.execute(DEFINITION, where)).scalar_one()
        if len(_known) >= KEPT_MOST:
            _known.pop(next(iter(_known)))
        _known[key] = made(version, PolicyDocument.model_validate(definition))
    return _known[key]


@cache
def shipped() -> Policy:
    """As the product ships it."""
    return made(1, PolicyDocument())


def made(version: int, document: PolicyDocument) -> Policy:
    """The policy that a document makes of the shipped situations."""
    overrides = {each.number: each for each in document.situations}
    situations = {each.number: _changed(each, overrides.get(each.number)) for each in all_situations()}
    rules = [
        Rule(f"policy.{number}", number, "", compile_phrases(map(_folded, each.forbidden_phrases), {}))
        for number, each in overrides.items()
        if each.forbidden_phrases
    ]
    return Policy(
        version=version,
        situations=situations,
        off=frozenset(number for number, each in overrides.items() if not each.enabled),
        thresholds={str(n): each.threshold for n, each in overrides.items() if each.threshold is not None},
        texts={number: each.texts for number, each in overrides.items() if each.texts},
        forbidden=PhraseBook(rules) if rules else None,
        digest=hashlib.sha256(rfc8785.dumps(effective(document))).hexdigest(),
    )


def effective(document: PolicyDocument) -> dict[str, Any]:
    """All that is in force with a document, as JSON: by the situation's number."""
    overrides = {each.number: each for each in document.situations}
    heads = learned.load("situations")
    shipped = {int(name): round(float(value), 4) for name, value in zip(heads.names, heads.thresholds, strict=True)}
    return {
        "situations": {
            str(each.number): _shown(
                _changed(each, overrides.get(each.number)),
                overrides.get(each.number, SituationOverride(number=each.number)),
                shipped.get(each.number),
            )
            for each in all_situations()
        }
    }


def _changed(shipped: Situation, override: SituationOverride | None) -> Situation:
    if override is None:
        return shipped
    handed_over = replace(shipped, action="escalate", template="person_wanted") if override.escalate else shipped
    queue = override.queue or ("general" if override.escalate and shipped.queue == "none" else shipped.queue)
    ticket = shipped.ticket and replace(
        shipped.ticket,
        clocks=tuple(replace(each, days=override.clocks.get(each.name, each.days)) for each in shipped.ticket.clocks),
    )
    return replace(
        handed_over,
        priority=override.priority or shipped.priority,
        queue=queue if handed_over.action in HANDS_OVER else shipped.queue,
        person_duties=(*shipped.person_duties, *override.duties),
        ticket=ticket,
    )


def _shown(each: Situation, override: SituationOverride, threshold: float | None) -> dict[str, Any]:
    return {
        "name": each.name,
        "enabled": override.enabled,
        "priority": each.priority,
        "queue": each.queue,
        "action": each.action,
        "threshold": override.threshold if override.threshold is not None else threshold,
        "clocks": {clock.name: clock.days for clock in each.ticket.clocks} if each.ticket is not None else {},
        "duties": [*each.duties, *each.person_duties],
        "must_not": list(each.must_not),
        "forbidden_phrases": list(override.forbidden_phrases),
        "texts": override.texts,
    }


def _folded(phrase: str) -> str:
    """As the phrase book reads drafts: so that nothing in it is taken for a sign of its language."""
    return " ".join(word for word, _, _ in read(phrase).words if word.strip())
