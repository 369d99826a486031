"""What sign-in and its relatives answer with."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Response
from fastapi.responses import JSONResponse

from api.authentication import caller
from api.state import Services
from helios.tokens import LIFETIME, Identity

NO_STORE = {"Cache-Control": "no-store"}
Anybody = Annotated[Identity, Depends(caller("account.own"))]

TOKENS: dict[str, Any] = {
    "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9…",
    "refresh_token": "019a…",
    "token_type": "Bearer",
    "expires_in": int(LIFETIME.total_seconds()),
}


def tokens(services: Services, identity: Identity, refresh_token: str) -> Response:
    """A fresh access token beside this refresh token."""
    answer = {**TOKENS, "access_token": services.tokens.sign(identity), "refresh_token": refresh_token}
    return JSONResponse(answer, headers=NO_STORE)
