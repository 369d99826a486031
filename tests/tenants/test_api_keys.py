"""API keys: shown once, kept as a hash, good for what they are for, and for nothing once revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from helios.crypto import token_hash
from helios.embedded.supervisor import Stack
from tests.api.problems import assert_problem
from tests.tenants.conftest import Bank


async def made(bank: Bank, **other: Any) -> dict[str, Any]:
    answer = await bank.ask("POST", "/v1/api-keys", json={"name": "website", "scopes": ["customer_tokens"], **other})
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


async def use(bank: Bank, key: str) -> httpx.Response:
    body = {"external_id": "somebody"}
    return await bank.api.http.post("/v1/customer-tokens", json=body, headers={"X-API-Key": key})


async def test_a_key_is_shown_once_and_kept_as_a_hash(bank: Bank, stack: Stack) -> None:
    key = await made(bank)
    assert key["key"].startswith(key["prefix"])
    path = f"/v1/api-keys/{key['id']}"
    read = (await bank.ask("GET", path)).json()
    assert read == {name: value for name, value in key.items() if name != "key"}
    assert key["key"] not in (await bank.ask("GET", "/v1/api-keys")).text
    owner = await asyncpg.connect(stack.servers.admin_dsn)
    try:
        row = await owner.fetchrow("SELECT * FROM api_keys WHERE id = $1", key["id"])
        assert row["key_hash"] == token_hash(key["key"])
        assert key["key"] not in str(dict(row))
    finally:
        await owner.close()
    events = await bank.events("api_key")
    assert [each["action"] for each in events] == ["api_key.created"]
    assert key["key"] not in str(events)


async def test_its_use_is_noted_once_a_minute_at_most(bank: Bank, stack: Stack) -> None:
    key = await made(bank)
    path = f"/v1/api-keys/{key['id']}"
    noted = []
    for _ in range(3):
        assert (await use(bank, key["key"])).status_code == 200
        noted.append((await bank.ask("GET", path)).json()["last_used_at"])
    assert noted[0] is not None
    assert len(set(noted)) == 1
    owner = await asyncpg.connect(stack.servers.admin_dsn)
    try:
        await owner.execute("UPDATE api_keys SET last_used_at = now() - interval '61 s' WHERE id = $1", key["id"])
    finally:
        await owner.close()
    await use(bank, key["key"])
    assert datetime.now(UTC) - datetime.fromisoformat((await bank.ask("GET", path)).json()["last_used_at"]) < timedelta(
        seconds=50
    )


async def test_a_revoked_key_is_worth_nothing_at_once(bank: Bank) -> None:
    key = await made(bank)
    assert (await use(bank, key["key"])).status_code == 200
    path = f"/v1/api-keys/{key['id']}"
    for _ in range(2):
        assert (await bank.ask("DELETE", path)).status_code == 204
    assert_problem(await use(bank, key["key"]), code="invalid_api_key")
    assert (await bank.ask("GET", path)).json()["status"] == "revoked"
    assert [each["action"] for each in await bank.events("api_key")] == ["api_key.revoked", "api_key.created"]
    active = (await bank.ask("GET", "/v1/api-keys", params={"status": "active"})).json()["items"]
    assert [each["name"] for each in active] == ["test"]


async def test_a_key_expires_and_is_good_for_its_scopes_only(bank: Bank, stack: Stack) -> None:
    key = await made(bank, expires_at=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    assert (await use(bank, key["key"])).status_code == 200
    owner = await asyncpg.connect(stack.servers.admin_dsn)
    try:
        for change, status in (
            ("expires_at = now() - interval '1 s'", "expired"),
            ("expires_at = NULL, scopes = ARRAY['webhooks']", "active"),
        ):
            await owner.execute(f"UPDATE api_keys SET {change} WHERE id = $1", key["id"])
            assert_problem(await use(bank, key["key"]), code="invalid_api_key")
            assert (await bank.ask("GET", f"/v1/api-keys/{key['id']}")).json()["status"] == status
    finally:
        await owner.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2099-01-01T00:00:00Z"},
        {"expires_at": "2026-12-01T00:00:00"},
        {"name": ""},
    ],
)
async def test_a_key_that_none_should_have_is_refused(bank: Bank, wrong: dict[str, Any]) -> None:
    body = {"name": "website", "scopes": ["customer_tokens"], **wrong}
    assert_problem(await bank.ask("POST", "/v1/api-keys", json=body), code="invalid_request")


async def test_only_admins_see_or_make_keys(bank: Bank) -> None:
    body = {"name": "website", "scopes": ["customer_tokens"]}
    for role in ("supervisor", "agent", "auditor", "compliance_officer"):
        assert_problem(await bank.ask("GET", "/v1/api-keys", role), code="forbidden")
        assert_problem(await bank.ask("POST", "/v1/api-keys", role, json=body), code="forbidden")
