"""`Idempotency-Key`: the first answer again for the same request, kept 24 h, sealed.

The reservation mints the id of what will be created, in a transaction of its own. A request that died half-way can
so be sent again: it creates the same thing, or finds it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.authentication import admit, identify
from api.problems import Problem
from api.state import Services
from api.validation import StrictRoute, strictly
from helios.crypto import Keys
from helios.ids import new_id
from helios.tokens import Identity

WHERE = "idempotency_keys.response_ct"
KEY_MAX = 255
# A request that has not answered for this long is dead; its key may be taken up again.
DEAD_AFTER_S = 30
HAND_BACK_WITHIN_S = 0.3

RESERVE = text(
    """
    INSERT INTO idempotency_keys (tenant_id, actor_id, key, request_hash, resource_id)
    VALUES (:tenant_id, :actor_id, :key, :request_hash, :resource_id)
    ON CONFLICT (tenant_id, actor_id, key) DO UPDATE SET
        request_hash = CASE WHEN idempotency_keys.created_at < now() - interval '24 hours'
                            THEN excluded.request_hash ELSE idempotency_keys.request_hash END,
        resource_id = CASE WHEN idempotency_keys.created_at < now() - interval '24 hours'
                           THEN excluded.resource_id ELSE idempotency_keys.resource_id END,
        status = CASE WHEN idempotency_keys.created_at < now() - interval '24 hours'
                      THEN NULL ELSE idempotency_keys.status END,
        created_at = CASE
            WHEN idempotency_keys.created_at < now() - interval '24 hours' THEN now()
            WHEN idempotency_keys.status IS NULL AND idempotency_keys.request_hash = excluded.request_hash
                 AND idempotency_keys.created_at < now() - make_interval(secs => :dead_after_s) THEN now()
            ELSE idempotency_keys.created_at END
    RETURNING request_hash, resource_id, status, response_ct, created_at = now() AS mine, xmax = 0 AS fresh
    """
)
KEEP = text(
    "UPDATE idempotency_keys SET status = :status, response_ct = :response_ct "
    "WHERE tenant_id = :tenant_id AND actor_id = :actor_id AND key = :key"
)
# Refused before anything was made: the same key may come with a mended body, and nothing of it is stored.
RELEASE = text(
    "DELETE FROM idempotency_keys WHERE tenant_id = :tenant_id AND actor_id = :actor_id AND key = :key "
    "AND status IS NULL AND resource_id = :resource_id"
)
# The minted id stays: whatever the request had created is found again by it.
HAND_BACK = text(
    "UPDATE idempotency_keys SET created_at = now() - interval '1 hour' "
    "WHERE tenant_id = :tenant_id AND actor_id = :actor_id AND key = :key AND status IS NULL"
)


@dataclass(frozen=True, slots=True)
class Reservation:
    identity: Identity
    key: str
    resource_id: UUID
    fresh: bool
    """No earlier request with this key may have made something."""

    def where(self) -> dict[str, Any]:
        return {"tenant_id": self.identity.tenant_id, "actor_id": self.identity.id, "key": self.key}


class IdempotentRoute(StrictRoute):
    """A route whose POSTs honour the header."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def once(request: Request) -> Response:
            request = strictly(request)
            key = request.headers.get("idempotency-key")
            if request.method != "POST" or key is None:
                return await handle(request)
            services: Services = request.app.state.services
            reserved = await _reserve(services, request, key)
            if isinstance(reserved, Response):
                return reserved
            request.state.resource_id = reserved.resource_id
            try:
                response = await handle(request)
            except (Problem, HTTPException, RequestValidationError) as refusal:
                failed = isinstance(refusal, Problem) and refusal.status >= 500
                await (_hand_back if failed or not reserved.fresh else _release)(services, reserved)
                raise
            except Exception:
                await _hand_back(services, reserved)
                raise
            await _keep(services, reserved, response)
            return response

        return once


def resource_id(request: Request) -> UUID:
    """The id of what this request creates."""
    minted: UUID | None = getattr(request.state, "resource_id", None)
    return minted or new_id()


async def _keys(services: Services, identity: Identity) -> Keys:
    """An answer to a customer is theirs as their messages are."""
    if identity.kind == "customer":
        return await services.keyring.customer(identity.tenant_id, identity.id)
    return await services.keyring.tenant(identity.tenant_id)


async def _fingerprint(request: Request, keys: Keys) -> bytes:
    """Keyed, since a body is easily guessed: a card's number in a sentence has some thousand million possibilities."""
    head = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    digest = hashlib.sha256(head + await request.body()).hexdigest()
    return keys.blind_index(digest, "idempotency_keys.request_hash")


async def _reserve(services: Services, request: Request, key: str) -> Reservation | Response:
    if not 1 <= len(key) <= KEY_MAX or not key.isprintable():
        raise Problem("invalid_request", "Idempotency-Key must have 1 to 255 printable characters.")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Problem("unauthenticated")
    identity = identify(services, request, token.strip())
    keys = await _keys(services, identity)
    key = keys.blind_index(key, "idempotency_keys.key").hex()  # a client's own words: an order's number, an address
    asked = await _fingerprint(request, keys)
    async with services.database.tenant(identity.tenant_id) as connection:
        row = (
            await connection.execute(
                RESERVE,
                {
                    "tenant_id": identity.tenant_id,
                    "actor_id": identity.id,
                    "key": key,
                    "request_hash": asked,
                    "resource_id": new_id(),
                    "dead_after_s": DEAD_AFTER_S,
                },
            )
        ).one()
    if row.request_hash != asked:
        raise Problem("idempotency_conflict")
    if row.status is not None:
        # The first request was asked for its rights by its route; this one does not get that far.
        await admit(services, identity)
        kept = keys.open_json(row.response_ct, WHERE, (identity.id, key))
        return JSONResponse(kept["body"], row.status, {"Idempotency-Replayed": "true", **kept["headers"]})
    if not row.mine:
        raise Problem("idempotency_in_progress", retry_after_s=1)
    return Reservation(identity, key, row.resource_id, row.fresh)


async def _keep(services: Services, reserved: Reservation, response: Response) -> None:
    """Answers that say something final are kept; a stream is not, its message is found by the id that we minted."""
    if not isinstance(response, JSONResponse):
        await _hand_back(services, reserved)
        return
    keys = await _keys(services, reserved.identity)
    headers = {name: value for name, value in response.headers.items() if name == "location"}
    kept = {"body": json.loads(bytes(response.body)), "headers": headers}
    sealed = keys.seal_json(kept, WHERE, (reserved.identity.id, reserved.key))
    async with services.database.tenant(reserved.identity.tenant_id) as connection:
        await connection.execute(KEEP, {**reserved.where(), "status": response.status_code, "response_ct": sealed})


async def _release(services: Services, reserved: Reservation) -> None:
    async with services.database.tenant(reserved.identity.tenant_id) as connection:
        await connection.execute(RELEASE, {**reserved.where(), "resource_id": reserved.resource_id})


async def _hand_back(services: Services, reserved: Reservation) -> None:
    """Best effort: without it the key is taken up again after a while. The caller waits for its 503 already."""
    with suppress(DBAPIError, OSError):
        await asyncio.wait_for(_let_go(services, reserved), HAND_BACK_WITHIN_S)


async def _let_go(services: Services, reserved: Reservation) -> None:
    async with services.database.tenant(reserved.identity.tenant_id) as connection:
        await connection.execute(HAND_BACK, reserved.where())
