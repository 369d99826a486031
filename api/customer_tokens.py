"""`/v1/customer-tokens`: a tenant's own backend signs its customers in, and ends what they were given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert as upsert

from api.auth.answers import NO_STORE
from api.authentication import Bearer, caller
from api.backends import ApiKey, Backend, backend
from api.cleaning import clean, clean_map
from api.conversation_examples import CUSTOMER_TOKEN
from api.described import described
from api.models import CustomerToken
from api.problems import Problem, not_found
from api.state import Services, State
from api.validation import StrictRoute
from helios import audit, ended_tokens
from helios.customer_keys import customer_keys
from helios.ids import new_id
from helios.tokens import CUSTOMER_LIFETIME, Identity
from schema.tables import Customer

router = APIRouter(prefix="/v1", tags=["Sign-in"], route_class=StrictRoute)

PROFILE = "customers.profile_ct"

SCOPE = "customer_tokens"
AUDIENCES_MAX = 20
SET_PROFILE = text(
    "UPDATE customers SET profile_ct = :profile, audiences = :audiences, locale = coalesce(:locale, locale) "
    "WHERE tenant_id = :tenant_id AND id = :id"
)

by_admin = caller("customer_tokens.end")


async def whose(request: Request, services: State, bearer: Bearer, api_key: ApiKey = None) -> Identity | Backend:
    """A backend where a key is sent, else a member of staff."""
    if api_key is not None:
        return await backend(services, request, api_key, SCOPE)
    return await by_admin(request, services, bearer)


whose.permission = "customer_tokens.end"  # type: ignore[attr-defined]
Ender = Annotated[Identity | Backend, Depends(whose)]


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
    body: CustomerToken, request: Request, services: State, api_key: ApiKey = None
) -> Response:
    """A tenant's backend signs one of its customers in. The same `external_id` is the same customer. No token outlives
    the key that it was asked for with."""
    by = await backend(services, request, api_key, SCOPE)
    return JSONResponse(await sign_customer_in(services, by.tenant_id, body, by), headers=NO_STORE)


@router.delete(
    "/customer-tokens/{customer_id}",
    summary="End a customer's access",
    **described(None, "unauthenticated", "invalid_api_key", "forbidden", "not_found", status=204, about="Ended"),
)
async def end_customer_tokens(customer_id: UUID, services: State, by: Ender) -> Response:
    """Ends every token that the customer was given until now, at once, and closes their streams and sockets within 5 s.
    With the tenant's API key, or by an admin. The next token that the backend asks for is good: end the session
    there first."""
    async with services.database.tenant(by.tenant_id) as connection:
        actor: tuple[audit.ActorType, UUID | None] = (by.kind, by.id)
        if not await ended_tokens.end(connection, by.tenant_id, customer_id, reason="ended_by_tenant", actor=actor):
            not_found()
    services.ended_tokens.look_again(by.tenant_id)
    return Response(status_code=204)


async def sign_customer_in(
    services: Services, tenant_id: UUID, body: CustomerToken, by: Backend | None
) -> dict[str, Any]:
    """Finds or makes the customer, and signs a token for them. `by` None: nobody's backend asked, we did."""
    actor: tuple[audit.ActorType, UUID | None] = ("system", None) if by is None else (by.kind, by.id)
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
    api_key_id = None if by is None else by.id
    identity = Identity(tenant_id, found, "customer", frozenset({"customer"}), found, api_key_id=api_key_id)
    lasts = _lifetime(by)
    return {
        "access_token": services.tokens.sign(identity, lasts),
        "token_type": "Bearer",
        "expires_in": int(lasts.total_seconds()),
        "customer_id": str(found),
    }


def _lifetime(by: Backend | None) -> timedelta:
    """An hour, and not longer than its key's."""
    if by is None or by.expires_at is None:
        return CUSTOMER_LIFETIME
    return max(timedelta(), min(CUSTOMER_LIFETIME, by.expires_at - datetime.now(UTC)))


def _audiences(body: CustomerToken) -> list[str]:
    """`attributes.audiences` with commas between them."""
    told = (body.attributes or {}).get("audiences")
    named = [clean(each.strip()) for each in told.split(",")] if isinstance(told, str) else []
    return [each for each in named if each][:AUDIENCES_MAX]
