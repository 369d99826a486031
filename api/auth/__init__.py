"""Everything under /v1/auth: signing in, staying in, and what belongs to one's own account."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import account, login, mfa, passwords, registration, sessions, sso, sso_session

router = APIRouter(prefix="/v1/auth", tags=["Sign-in"])
for _part in (login, registration, sessions, passwords, mfa, account, sso, sso_session):
    router.include_router(_part.router)
router.include_router(sso.callback_router)
