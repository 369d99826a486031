"""The operator makes tenants, suspends and deletes them; a tenant's admin reaches his own and no other."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

from helios.database import Database
from helios.keyring import Keyring
from tests.api.problems import assert_problem
from tests.api.test_passwords import Codes, code_of, letters, mailed
from tests.caller import Api
from tests.neighbour import PASSWORD, make_neighbour
from tests.tenants.conftest import Bank

__all__ = ["letters", "mailed"]


async def test_a_new_tenant_is_whole_and_its_first_admin_can_be_invited(operator: Api, mailed: Codes) -> None:
    headers = {**await operator.staff("platform_admin"), "Idempotency-Key": str(uuid4())}
    body = {"slug": f"harbour-{uuid4().hex[:8]}", "name": "Harbour Bank"}
    made = await operator.http.post("/v1/tenants", json=body, headers=headers)
    assert made.status_code == 201, made.text
    tenant = made.json()
    assert (tenant["slug"], tenant["name"], tenant["status"]) == (*body.values(), "active")
    again = await operator.http.post("/v1/tenants", json=body, headers=headers)
    assert (again.json(), again.headers["idempotency-replayed"]) == (tenant, "true")
    taken = {k: v for k, v in headers.items() if k != "Idempotency-Key"}
    assert_problem(await operator.http.post("/v1/tenants", json=body, headers=taken), code="slug_taken")

    path = f"/v1/tenants/{tenant['id']}"
    email = f"{uuid4()}@harbour.example"
    invited = await operator.http.post(f"{path}/admins", json={"email": email}, headers=taken)
    assert invited.status_code == 201
    assert (invited.json()["email"], invited.json()["roles"]) == (email, ["admin"])
    code = await code_of(mailed, email)
    assert code not in invited.text
    account = {"invitation": code, "display_name": "First", "password": PASSWORD}
    assert (await operator.http.post("/v1/auth/register", json=account)).json()["roles"] == ["admin"]
    settings = await operator.http.get(f"{path}/settings", headers=headers)
    assert settings.json()["settings"]["retention"]["books"] == 6
    listed = (await operator.http.get("/v1/tenants", params={"limit": 1}, headers=headers)).json()
    assert listed["next_cursor"]
    assert len(listed["items"]) == 1


async def test_a_suspended_tenant_lets_nobody_in_and_closes_its_streams(bank: Bank, operator: Api) -> None:
    customer = await (await bank.api.customer()).open()
    agent = await bank.api.staff("agent")
    staff = {"tenant": bank.tenant.slug, **bank.api.demo["users"]["agent"]}
    signed = (await bank.api.http.post("/v1/auth/login", json=staff)).json()
    renewal = {"refresh_token": signed["refresh_token"]}
    headers = await operator.staff("platform_admin")
    path = f"/v1/tenants/{bank.id}"
    once = {**customer.headers, "Idempotency-Key": "before"}
    assert (await bank.api.http.post("/v1/conversations", json={}, headers=once)).status_code == 201
    async with bank.api.http.stream("GET", f"{customer.path}/events", headers=customer.headers) as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == ": stream"
        suspended = await operator.http.post(f"{path}/suspend", headers=headers)
        assert suspended.json()["status"] == "suspended"
        left = time.monotonic()
        async with asyncio.timeout(8):
            async for _ in lines:
                pass
    assert time.monotonic() - left < 8
    assert_problem(await bank.api.http.get(customer.path, headers=customer.headers), code="tenant_suspended")
    replayed = await bank.api.http.post("/v1/conversations", json={}, headers=once)
    assert_problem(replayed, code="tenant_suspended")
    assert_problem(await bank.api.http.get("/v1/conversations", headers=agent), code="tenant_suspended")
    key = {"X-API-Key": str(bank.api.demo["api_key"])}
    refused = await bank.api.http.post("/v1/customer-tokens", json={"external_id": "x"}, headers=key)
    assert_problem(refused, code="tenant_suspended")
    assert_problem(await bank.api.http.post("/v1/auth/login", json=staff), code="invalid_credentials")
    assert_problem(await bank.api.http.post("/v1/auth/refresh", json=renewal), code="tenant_suspended")
    assert (await operator.http.post(f"{path}/resume", headers=headers)).json()["status"] == "active"
    assert (await bank.api.http.get(customer.path, headers=customer.headers)).status_code == 200
    assert (await bank.api.http.post("/v1/auth/refresh", json=renewal)).status_code == 200
    assert [each["action"] for each in await bank.events("tenant")] == [
        "tenant.resumed",
        "tenant.suspended",
        "tenant.created",
    ]


async def test_a_deleted_tenant_is_as_if_it_had_never_been_and_can_come_back(bank: Bank, operator: Api) -> None:
    agent, headers = await bank.api.staff("agent"), await operator.staff("platform_admin")
    path = f"/v1/tenants/{bank.id}"
    assert (await operator.http.delete(path, headers=headers)).status_code == 204
    assert (await operator.http.get(path, headers=headers)).json()["status"] == "deleted"
    deleted = await operator.http.get("/v1/tenants", params={"status": "deleted"}, headers=headers)
    assert str(bank.id) in {each["id"] for each in deleted.json()["items"]}
    assert_problem(await bank.api.http.get("/v1/conversations", headers=agent), code="unauthenticated")
    assert (await operator.http.post(f"{path}/restore", headers=headers)).json()["status"] == "active"
    assert (await bank.api.http.get("/v1/conversations", headers=agent)).status_code == 200


async def test_the_operator_lets_himself_into_no_bank_that_has_an_admin(bank: Bank, operator: Api) -> None:
    headers = {**await operator.staff("platform_admin"), "If-Match": '"1"'}
    path = f"/v1/tenants/{bank.id}"
    me = {"email": "operator@platform.example"}
    assert_problem(await operator.http.post(f"{path}/admins", json=me, headers=headers), code="tenant_has_admin")
    provider = {"issuer": "https://mine.example", "client_id": "x"}
    changes: tuple[dict[str, Any], ...] = (
        {"sso": provider},
        {"mfa_required_roles": []},
        {"allowed_origins": ["https://mine.example"]},
        {"limits": {"customer": 9}, "sso": None},
    )
    for change in changes:
        changed = await operator.http.patch(f"{path}/settings", json=change, headers=headers)
        assert_problem(changed, code="tenant_has_admin", why=str(change))
    assert_problem(await operator.http.delete(f"{path}/sso/client-secret", headers=headers), code="tenant_has_admin")
    own = await bank.ask("PATCH", f"{path}/settings", json={"sso": provider}, headers={"If-Match": '"1"'})
    assert own.status_code == 200, own.text
    secret = {"client_secret": "s" * 32}
    put = await operator.http.put(f"{path}/sso/client-secret", json=secret, headers=headers)
    assert_problem(put, code="tenant_has_admin")
    allowed = await operator.http.patch(
        f"{path}/settings", json={"limits": {"customer": 9}}, headers={**headers, "If-Match": '"2"'}
    )
    assert allowed.status_code == 200, allowed.text


async def test_of_the_operators_invitations_one_makes_an_admin(
    operator: Api, database: Database, keyring: Keyring, mailed: Codes
) -> None:
    """Else the second would wait in the operator's drawer until the bank has its own admin."""
    made = await make_neighbour(database, keyring.root, ())
    headers, path = await operator.staff("platform_admin"), f"/v1/tenants/{made.tenant_id}/admins"
    codes = []
    for email in (f"{uuid4()}@platform.example", f"{uuid4()}@bank.example"):
        assert (await operator.http.post(path, json={"email": email}, headers=headers)).status_code == 201
        codes.append(await code_of(mailed, email))
    first, second = ({"invitation": code, "display_name": "Ada", "password": PASSWORD} for code in codes)
    assert_problem(await operator.http.post("/v1/auth/register", json=first), code="invalid_invitation")
    assert (await operator.http.post("/v1/auth/register", json=second)).status_code == 201
    assert_problem(
        await operator.http.post(path, json={"email": "x@bank.example"}, headers=headers), code="tenant_has_admin"
    )


async def test_nobody_shuts_himself_out(operator: Api) -> None:
    headers = await operator.staff("platform_admin")
    own = (await operator.http.get("/v1/auth/me", headers=headers)).json()["tenant_id"]
    assert_problem(await operator.http.post(f"/v1/tenants/{own}/suspend", headers=headers), code="own_tenant")
    assert_problem(await operator.http.delete(f"/v1/tenants/{own}", headers=headers), code="own_tenant")


async def test_an_admin_reaches_his_own_tenant_only(bank: Bank, operator: Api, api: Api) -> None:
    own, other = f"/v1/tenants/{bank.id}", f"/v1/tenants/{uuid4()}"
    renamed = await bank.ask("PATCH", own, json={"name": "Another Name"})
    assert renamed.json()["name"] == (await bank.ask("GET", own)).json()["name"] == "Another Name"
    theirs = (await api.http.get("/v1/auth/me", headers=await api.staff("admin"))).json()["tenant_id"]
    for foreign in (f"/v1/tenants/{theirs}", other):
        for path in (foreign, f"{foreign}/settings", f"{foreign}/settings/versions"):
            assert_problem(await bank.ask("GET", path), code="not_found")
        assert_problem(await bank.ask("PATCH", foreign, json={"name": "Mine"}), code="not_found")
        match = {"If-Match": '"1"'}
        assert_problem(await bank.ask("PATCH", f"{foreign}/settings", json={}, headers=match), code="not_found")
    for verb in ("suspend", "resume", "restore", "admins"):
        body = {"email": "x@y.example"} if verb == "admins" else {}
        assert_problem(await bank.ask("POST", f"{own}/{verb}", json=body), code="forbidden")
    assert_problem(await bank.ask("GET", "/v1/tenants"), code="forbidden")
    operators = await operator.staff("platform_admin")
    for path in ("/v1/conversations", "/v1/users", "/v1/audit/events", "/v1/api-keys"):
        assert_problem(await operator.http.get(path, headers=operators), code="forbidden")
