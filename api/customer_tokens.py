"""`POST /v1/customer-tokens`: a tenant's own backend signs its customers in."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert as upsert

from api.access_log import Entry
from api.auth.answers import NO_STORE
from api.cleaning import clean, clean_map
from api.conversation_examples import CUSTOMER_TOKEN
from api.described import described
from api.models import CustomerToken
from api.problems import Problem
from api.state import Services, State
from api.validation import StrictRoute
from helios import audit
from helios.crypto import token_hash
from helios.customer_keys import customer_keys
from helios.ids import new_id
from helios.tokens import CUSTOMER_LIFETIME, Identity
from schema.tables import Customer

router = APIRouter(prefix="/v1", tags=["Sign-in"], route_class=StrictRoute)

PROFILE = "customers.profile_ct"

SCOPE = "customer_tokens"
AUDIENCES_MAX = 20
API_KEY = text(
    "SELECT last_used_at > now() - interval '1 minute' AS noted FROM api_keys WHERE tenant_id = :tenant_id "
    "AND id = :id AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AND :scope = ANY(scopes)"
)
# Once a minute at most: a busy backend would else write one row over and over.
API_KEY_USED = text(
    "UPDATE api_keys SET last_used_at = now() WHERE tenant_id = :tenant_id AND id = :id "
    "AND (last_used_at IS NULL OR last_used_at <= now() - interval '1 minute')"
)
SET_PROFILE = text(
    "UPDATE customers SET profile_ct = :profile, audiences = :audiences, locale = coalesce(:locale, locale) "
    "WHERE tenant_id = :tenant_id AND id = :id"
)
API_KEY_TENANT = text("SELECT tenant_id, api_key_id FROM api_key_index WHERE key_hash = :key_hash")


@router.post(
    "/customer-tokens",
    **described(
        CUSTOMER_TOKEN,
        "invalid_api_key",
        "customer_erased",
        body={"external_id": "c-1029", "display_name": "Ada", "locale": "en"},
        about="A token for the customer",
    ),
)
async def create_customer_token(
    body: CustomerToken,
    services: State,
    api_key: Annotated[str | None, Header(alias="X-API-Key", max_length=256)] = None,
) -> Response:
    """A tenant's backend signs one of its customers in. The same `external_id` is the same customer."""
    tenant_id, key_id = await _api_key(services, api_key)
    return JSONResponse(await sign_customer_in(services, tenant_id, body, ("api_key", key_id)), headers=NO_STORE)


async def sign_customer_in(
    services: Services, tenant_id: UUID, body: CustomerToken, actor: tuple[audit.ActorType, UUID | None]
) -> dict[str, Any]:
    """Finds or makes the customer, and signs a token for them."""
    keys = await services.keyring.tenant(tenant_id)
    customer_id = new_id()
    index = keys.blind_index(body.external_id, "customers.external_id")
    locale = clean(body.locale) if body.locale else None
    profile = {name: clean_map(value) if isinstance(value, dict) else clean(value)
               for name, value in body.model_dump(exclude_none=True).items()}  # fmt: skip
    async with services.database.tenant(tenant_id) as connection:
        made = await connection.execute(
            upsert(Customer)
            .values(
                tenant_id=tenant_id,
                id=customer_id,
                external_id_index=index,
                profile_ct=b"",
                locale=locale,
            )
            .on_conflict_do_update(index_elements=["tenant_id", "external_id_index"], set_={"deleted_at": None})
            .returning(Customer.id, Customer.frozen_at)  # type: ignore[call-overload]
        )
        found, frozen_at = made.one()
        if frozen_at is not None:
            raise Problem("customer_erased")
        # A customer's own key needs the customer to be there.
        own = await customer_keys(connection, keys, found)
        await connection.execute(
            SET_PROFILE,
            {
                "tenant_id": tenant_id,
                "id": found,
                "locale": locale,
                "audiences": _audiences(body),
                "profile": own.seal_json(profile, PROFILE, found),
            },
        )
        await audit.record(connection, tenant_id, "auth.customer_token", actor=actor, subject=("customer", found))
    api_key_id = actor[1] if actor[0] == "api_key" else None
    identity = Identity(tenant_id, found, "customer", frozenset({"customer"}), found, api_key_id=api_key_id)
    return {
        "access_token": services.tokens.sign(identity, CUSTOMER_LIFETIME),
        "token_type": "Bearer",
        "expires_in": int(CUSTOMER_LIFETIME.total_seconds()),
        "customer_id": str(found),
    }


async def _api_key(services: Services, api_key: str | None) -> tuple[UUID, UUID]:
    if api_key is None:
        raise Problem("invalid_api_key")
    async with services.database.platform() as connection:
        row = (await connection.execute(API_KEY_TENANT, {"key_hash": token_hash(api_key)})).one_or_none()
    if row is None:
        raise Problem("invalid_api_key")
    tenant = await services.tenants.get(row.tenant_id)
    if tenant is None or not tenant.open:
        raise Problem("tenant_suspended" if tenant is not None and not tenant.deleted else "invalid_api_key")
    where = {"tenant_id": row.tenant_id, "id": row.api_key_id}
    async with services.database.tenant(row.tenant_id) as connection:
        live = (await connection.execute(API_KEY, {**where, "scope": SCOPE})).one_or_none()
        if live is None:  # revoked, too old, or for something else
            refused = Entry("access.refused", "api_key", row.api_key_id, "POST", "/v1/customer-tokens", 401)
            services.access.count(row.tenant_id, refused)
            raise Problem("invalid_api_key")
        if not live.noted:
            await connection.execute(API_KEY_USED, where)
    return row.tenant_id, row.api_key_id


def _audiences(body: CustomerToken) -> list[str]:
    """`attributes.audiences` with commas between them."""
    told = (body.attributes or {}).get("audiences")
    named = [clean(each.strip()) for each in told.split(",")] if isinstance(told, str) else []
    return [each for each in named if each][:AUDIENCES_MAX]
