"""The vectors of a query that somebody types into the search: the local one, and one in the tenant's space."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text

from api.state import Services
from helios.detection.personal import find
from helios.detection.redaction import tokenise
from helios.embedders.asking import ask
from helios.embedders.base import LOCAL, SpaceVector
from helios.models.embedder import Embedder
from helios.models.tagger import Tagger, tag
from helios.rules.redaction import Redaction, redaction_of
from helios.tenant_settings import TenantSettings

TENANT = text(
    """
    SELECT settings,
        (SELECT space FROM embedder_changes WHERE tenant_id = :tenant_id AND status = 'in_force') AS space,
        (SELECT version FROM redaction_rules WHERE tenant_id = :tenant_id AND status = 'published') AS redaction
    FROM tenants WHERE id = :tenant_id
    """
)


async def vectors_of(
    services: Services, tenant_id: UUID, query: str, language: str
) -> tuple[np.ndarray, SpaceVector | None]:
    """None: the local embedder's is the one in force, or the other gave no vector in time."""
    async with services.database.tenant(tenant_id) as connection:
        tenant = (await connection.execute(TENANT, {"tenant_id": tenant_id})).one()
        redaction = await redaction_of(connection, tenant_id, tenant.redaction)
    local = (await services.embedders.by_name[LOCAL].embed_queries([query]))[0]
    return local, await _in_space(services, tenant, redaction, query, language)


async def _in_space(
    services: Services, tenant: Any, redaction: Redaction, query: str, language: str
) -> SpaceVector | None:
    embedder = services.embedders.of_space(tenant.space) if tenant.space is not None else None
    if embedder is None or embedder.name == LOCAL:
        return None
    if embedder.remote:
        query = await asyncio.to_thread(_without_personal_data, services, redaction, query, language)
    in_house = TenantSettings.of(tenant.settings).in_house
    asked = await ask(services.embedders, tenant.space, [query], in_house=in_house)
    return asked.for_each([query])[0]


def _without_personal_data(services: Services, redaction: Redaction, query: str, language: str) -> str:
    """As in a turn: typed tokens in the places of values, also of names that no cue announces."""
    encoder = services.encoder()
    assert isinstance(encoder, Embedder)
    named = tag(encoder, Tagger.load(), query)
    return tokenise(query, [*find(query, language, named), *redaction.find(query)]).text
