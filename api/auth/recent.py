"""What asks for more than a session: that its owner has just signed in. A stolen token alone is not enough for it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from api.problems import Problem
from api.state import Services
from helios.tokens import Identity

RECENT = timedelta(minutes=10)
SIGNED_IN = text(
    "SELECT created_at > now() - CAST(:recent AS interval) FROM sessions WHERE tenant_id = :tenant_id AND id = :id"
)


async def signed_in_recently(services: Services, caller: Identity) -> bool:
    """Refreshing a session does not make it a recent sign-in."""
    where = {"tenant_id": caller.tenant_id, "id": caller.session_id, "recent": RECENT}
    async with services.database.tenant(caller.tenant_id) as connection:
        return bool((await connection.execute(SIGNED_IN, where)).scalar_one_or_none())


async def require_recent_sign_in(services: Services, caller: Identity) -> None:
    if not await signed_in_recently(services, caller):
        raise Problem("reauthentication_required")
