"""A tenant's redaction rules as a turn uses them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.crypto import Keys
from helios.detection.redaction import ALWAYS_MASKED, Tokens, masked
from helios.detection.spans import Span
from helios.rules.redaction_document import KindRule, OwnPattern, RedactionDocument

KEPT_MOST = 1_000
WHERE = "redaction.value"
MATCHES_MAX = 200
DEFINITION = text("SELECT definition FROM redaction_rules WHERE tenant_id = :tenant_id AND version = :version")


@dataclass(frozen=True, slots=True)
class Redaction:
    """`operators` where they differ from the shipped one, which is the typed token."""

    version: int
    operators: Mapping[str, str]
    patterns: tuple[tuple[str, re.Pattern[str]], ...]

    def operator(self, kind: str) -> str:
        """How a kind is taken out. Secrets are masked, whatever a document says."""
        return "mask" if kind in ALWAYS_MASKED else self.operators.get(kind, "token")

    def find(self, words: str) -> list[Span]:
        """What the tenant's own patterns match."""
        return [
            Span(match.start(), match.end(), kind)
            for kind, pattern in self.patterns
            for match, _ in zip(pattern.finditer(words), range(MATCHES_MAX), strict=False)
        ]


@dataclass(slots=True, kw_only=True)
class Applied(Tokens):
    """Stands for values as the rules say. One object serves all texts of a turn.

    hash     the value's HMAC under the tenant's key, so that it is the same in every conversation and tells nothing
    encrypt  the sealed value: who holds the tenant's key can open it
    """

    redaction: Redaction
    keys: Keys

    def token(self, label: str, value: str) -> str:
        operator = self.redaction.operator(label)
        if operator == "token":
            # Not super(): a dataclass with slots is another class than the one that this function closes over.
            return Tokens.token(self, label, value)
        if operator == "mask":
            standing = masked(value, label)
        elif operator == "hash":
            standing = f"<{label}_{self.keys.blind_index(value, WHERE).hex()[:16]}>"
        else:
            sealed = self.keys.seal_text(value, WHERE, label)
            standing = f"<{label}:{base64.urlsafe_b64encode(sealed).decode()}>"
        self.values[standing] = value
        return standing


_known: dict[tuple[UUID, int], Redaction] = {}


async def redaction_of(connection: AsyncConnection, tenant_id: UUID, version: int) -> Redaction:
    """A version of the tenant's rules. `connection` is a transaction of that tenant."""
    key = (tenant_id, version)
    if key not in _known:
        where = {"tenant_id": tenant_id, "version": version}
        definition = (await connection.execute(DEFINITION, where)).scalar_one()
        if len(_known) >= KEPT_MOST:
            _known.pop(next(iter(_known)))
        _known[key] = made(version, RedactionDocument.model_validate(definition))
    return _known[key]


def made(version: int, document: RedactionDocument) -> Redaction:
    chosen: list[KindRule | OwnPattern] = [*document.kinds, *document.patterns]
    return Redaction(
        version,
        {each.kind: each.operator for each in chosen if each.operator != "token"},
        tuple((own.kind, re.compile(own.pattern)) for own in document.patterns),
    )


SHIPPED = made(1, RedactionDocument())
