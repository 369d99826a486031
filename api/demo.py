"""The demo bank's backend: it would sign its own customers in; the demo page asks here instead."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from api.auth.answers import NO_STORE
from api.customer_tokens import sign_customer_in
from api.models import CustomerToken
from api.problems import not_found
from api.state import State
from api.validation import StrictRoute

router = APIRouter(prefix="/demo", include_in_schema=False, route_class=StrictRoute)

DEMO_TENANT = text("SELECT id FROM tenants WHERE slug = :slug AND deleted_at IS NULL AND (settings->>'demo')::boolean")


@router.post("/session")
async def demo_session(body: CustomerToken, services: State) -> Response:
    """A token for a visitor of the demo bank. Without a demo tenant there is no such thing."""
    async with services.database.platform() as connection:
        found = (await connection.execute(DEMO_TENANT, {"slug": services.settings.demo_tenant})).scalar_one_or_none()
    if not services.settings.demo_page or found is None:
        not_found()
    return JSONResponse(await sign_customer_in(services, found, body, None), headers=NO_STORE)
