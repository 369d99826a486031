"""How long each class of record is kept, within what regulation asks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from api import privacy_examples as examples
from api.authentication import caller
from api.described import described
from api.problems import not_found
from api.state import State
from api.tenant_settings import LOCK, store_settings
from api.validation import StrictRoute
from helios.tenant_settings import Retention, TenantSettings
from helios.tokens import Identity

router = APIRouter(prefix="/v1/privacy/retention", tags=["Privacy"], route_class=StrictRoute)


@router.get("", **described(examples.RETENTION, "forbidden", about="Years by class"))
async def read_retention(services: State, reader: Annotated[Identity, Depends(caller("privacy.read"))]) -> Response:
    """Years from the end of a conversation, by class of record; a daily run deletes what is due and not held.

    Of the classes that apply to a conversation the longest counts. `at_least` is what regulation asks.
    """
    tenant = await services.tenants.get(reader.tenant_id)
    return _shown(tenant.settings.retention if tenant is not None else not_found())


@router.put("", **described(examples.RETENTION, "forbidden", body=examples.RETENTION["years"], about="Years by class"))
async def change_retention(
    body: Retention, services: State, manager: Annotated[Identity, Depends(caller("privacy.manage"))]
) -> Response:
    """Sets the years; a class that is left out has what regulation asks. It holds from the next daily run on.

    It is part of the tenant's settings, and kept in their versions.
    """
    async with services.database.tenant(manager.tenant_id) as connection:
        row = (await connection.execute(LOCK, {"id": manager.tenant_id})).one()
        before = TenantSettings.of(row.settings)
        after = before.model_copy(update={"retention": body})
        if after != before:
            await store_settings(connection, manager.tenant_id, manager, after, row.settings_version + 1, ["retention"])
    services.tenants.forget(manager.tenant_id)
    return _shown(body)


def _shown(retention: Retention) -> Response:
    shown: dict[str, Any] = {"years": retention.model_dump(), "at_least": Retention().model_dump()}
    return JSONResponse(shown)
