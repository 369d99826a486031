"""Who I am, and a ticket for what cannot send a header."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api import tickets
from api.auth.answers import NO_STORE, Anybody
from api.described import ID, described
from api.state import State
from api.validation import StrictRoute

router = APIRouter(route_class=StrictRoute)


@router.get(
    "/me",
    summary="Who you are",
    **described(
        {"id": ID, "tenant_id": ID, "kind": "user", "roles": ["agent"], "mfa_enrolment_required": False},
        "unauthenticated",
        about="You",
    ),
)
async def me(caller: Anybody) -> Response:
    """Who this token speaks for."""
    return JSONResponse(
        {
            "id": str(caller.id),
            "tenant_id": str(caller.tenant_id),
            "kind": caller.kind,
            "roles": sorted(caller.roles),
            "mfa_enrolment_required": caller.enrolling,
        },
        headers=NO_STORE,
    )


@router.post(
    "/stream-tickets",
    summary="Get a ticket for a stream",
    **described(
        {"ticket": "9Qp1…", "expires_in": tickets.LIFETIME_S},
        *("unauthenticated", "dependency_unavailable"),
        status=201,
        about="The ticket",
    ),
)
async def create_stream_ticket(services: State, caller: Anybody) -> Response:
    """A ticket for one EventSource or WebSocket, good once and for 30 s."""
    ticket = await tickets.issue(services, caller)
    return JSONResponse({"ticket": ticket, "expires_in": tickets.LIFETIME_S}, 201, NO_STORE)
