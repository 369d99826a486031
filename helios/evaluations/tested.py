"""What an answer hangs on, told by one digest: the versions of the rules, every article that customers may be told of,
and the tenant's settings that a turn reads. Two states with the same digest answer alike in the same release.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import UUID

import rfc8785
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.knowledge.retrieval import drafted
from helios.knowledge.visible import AS_DRAFTED, CUSTOMERS
from helios.tenant_settings import TenantSettings

IN_FORCE = text(
    """
    SELECT settings,
        (SELECT version FROM policies WHERE tenant_id = :tenant_id AND status = 'published') AS policy,
        (SELECT version FROM redaction_rules WHERE tenant_id = :tenant_id AND status = 'published') AS redaction_rules,
        (SELECT version FROM intent_sets WHERE tenant_id = :tenant_id AND status = 'published') AS intents
    FROM tenants WHERE id = :tenant_id
    """
)
SETTINGS = text(
    "SELECT settings, "
    "(SELECT space FROM embedder_changes WHERE tenant_id = :tenant_id AND status = 'in_force') AS space "
    "FROM tenants WHERE id = :tenant_id"
)
KNOWLEDGE = text(
    f"""
    SELECT encode(sha256(convert_to(
        coalesce(string_agg(source.id || ':' || version.version, ',' ORDER BY source.id), ''), 'UTF8')), 'hex')
    FROM knowledge_sources AS source JOIN knowledge_versions AS version
      ON version.tenant_id = source.tenant_id AND version.source_id = source.id
    WHERE source.tenant_id = :tenant_id AND {AS_DRAFTED}
    """  # noqa: S608 - a constant of ours
)


@dataclass(frozen=True, slots=True)
class Tested:
    """Versions of rules, and those of articles, by their sources' ids, that stand in the places of published ones."""

    policy: int
    redaction_rules: int
    intents: int
    knowledge: tuple[tuple[UUID, int], ...] = ()

    def with_draft(self, draft: Draft) -> Self:
        changed = {name: value for name in ("policy", "redaction_rules") if (value := getattr(draft, name)) is not None}
        return replace(self, **changed, knowledge=tuple(sorted(draft.knowledge)))

    def json(self) -> dict[str, Any]:
        rules = {name: getattr(self, name) for name in ("policy", "redaction_rules", "intents")}
        return {**rules, "knowledge": [{"source_id": str(source), "version": n} for source, n in self.knowledge]}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        knowledge = tuple((UUID(each["source_id"]), int(each["version"])) for each in stored["knowledge"])
        return cls(stored["policy"], stored["redaction_rules"], stored["intents"], knowledge)


@dataclass(frozen=True, slots=True)
class Draft:
    """What would be published: None, or no article, where nothing of the kind."""

    policy: int | None = None
    redaction_rules: int | None = None
    knowledge: tuple[tuple[UUID, int], ...] = ()


async def in_force(connection: AsyncConnection, tenant_id: UUID) -> Tested:
    row = (await connection.execute(IN_FORCE, {"tenant_id": tenant_id})).one()
    return Tested(row.policy, row.redaction_rules, row.intents)


async def digest_of(connection: AsyncConnection, tenant_id: UUID, tested: Tested) -> str:
    """SHA-256 in hex, of this moment: an article that expires changes it."""
    row = (await connection.execute(SETTINGS, {"tenant_id": tenant_id})).one()
    settings = TenantSettings.of(row.settings)
    where = {"tenant_id": tenant_id, "visibilities": list(CUSTOMERS), **drafted(tested.knowledge)}
    told = {
        "policy": tested.policy,
        "redaction_rules": tested.redaction_rules,
        "intents": tested.intents,
        "knowledge": (await connection.execute(KNOWLEDGE, where)).scalar_one(),
        "settings": [
            list(settings.languages),
            list(settings.generators),
            list(settings.link_domains),
            settings.confidence_least,
            row.space,
        ],
    }
    return hashlib.sha256(rfc8785.dumps(told)).hexdigest()
