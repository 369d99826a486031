"""Signing in as a member of staff, and comparing what the API says to those who fail."""

from __future__ import annotations

from typing import Any

import httpx

from tests.caller import Api


async def login(api: Api, http: httpx.AsyncClient | None = None, role: str = "agent", **other: Any) -> httpx.Response:
    """Signs the tenant's agent in, unless `other` says otherwise; `http` is another client, with cookies of its own."""
    known = {"tenant": str(api.demo["tenant"]), **api.demo["users"][role]}
    return await (http or api.http).post("/v1/auth/login", json={**known, **other})


async def signed_in(api: Api, role: str = "agent") -> dict[str, str]:
    """Headers of a fresh session."""
    return bearer((await login(api, role=role)).json()["access_token"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def answer_of(response: httpx.Response) -> dict[str, Any]:
    """What the caller learns, but for the request's own id."""
    return {**{k: v for k, v in response.json().items() if k != "request_id"}, "status": response.status_code}
