"""Decisions with four eyes: a transaction in which the rules may refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from api.problems import Problem
from api.state import Services
from helios.evaluations.guard import NotEvaluated
from helios.refusals import Refused
from helios.tokens import Identity

REFUSALS = {code: code for code in ("not_found", "four_eyes", "version_conflict", "ticket_conflict", "gate_not_passed",
                                 "training_busy", "embedder_conflict", "evaluation_required",
                                 "evaluation_busy", "rule_not_allowed")}  # fmt: skip
"""Every code of `Refused`, all of them published."""


@asynccontextmanager
async def deciding(services: Services, actor: Identity) -> AsyncIterator[AsyncConnection]:
    """A transaction of the actor's tenant; what the rules refuse becomes a problem."""
    try:
        async with services.database.tenant(actor.tenant_id) as connection:
            yield connection
    except NotEvaluated as refused:
        async with services.database.tenant(actor.tenant_id) as connection:
            await refused.record(connection, actor.tenant_id, actor.id)
        raise Problem(REFUSALS[refused.code], refused.detail) from None
    except Refused as refused:
        raise Problem(REFUSALS[refused.code], refused.detail) from None
