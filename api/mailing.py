"""Handing over what `helios.outbox` holds, right after the answer to a request."""

from __future__ import annotations

from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.background import BackgroundTask

from api.state import Services
from helios.crypto import CryptoError

log = structlog.get_logger()


def mailing(services: Services, tenant_id: UUID) -> BackgroundTask:
    """Sends what waits. What it cannot send now, or does not live to send, a worker does."""
    return BackgroundTask(_deliver, services, tenant_id)


async def _deliver(services: Services, tenant_id: UUID) -> None:
    try:
        await services.post.deliver(tenant_id)
    except (SQLAlchemyError, OSError, CryptoError) as error:
        log.warning("mail waits", error=type(error).__name__)
