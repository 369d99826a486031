"""Who may do what to whom: nobody raises himself, grants what is out of reach, or leaves a tenant without an admin."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import pytest
from sqlalchemy import text

from api.permissions import GRANTS, KEPT, PERMISSIONS, ROLES, grantable, not_separate
from helios.database import Database
from tests.api.problems import assert_problem
from tests.api.test_passwords import Codes, code_of, letters, mailed
from tests.caller import Api
from tests.neighbour import PASSWORD
from tests.tenants.conftest import Bank

__all__ = ["letters", "mailed"]


async def second_admin(bank: Bank, mailed: Codes) -> tuple[str, dict[str, str]]:
    """Invited, registered and signed in. Returns the id and the headers."""
    email = f"{uuid4()}@bank.example"
    made = await bank.ask("POST", "/v1/users", json={"email": email, "roles": ["admin"]})
    assert made.status_code == 201, made.text
    account = {"invitation": await code_of(mailed, email), "display_name": "Second", "password": PASSWORD}
    registered = await bank.api.http.post("/v1/auth/register", json=account)
    assert registered.status_code == 201, registered.text
    signed_in = {"tenant": bank.tenant.slug, "email": email, "password": PASSWORD}
    tokens = await bank.api.http.post("/v1/auth/login", json=signed_in)
    return registered.json()["id"], {"Authorization": f"Bearer {tokens.json()['access_token']}"}


def test_nobody_but_the_operator_reaches_the_operators_role() -> None:
    assert {role for role in ROLES if "platform_admin" in grantable(frozenset({role}))} == {"platform_admin"}
    assert set(GRANTS) <= set(ROLES)
    assert all(granted <= set(ROLES) - {"customer"} for granted in GRANTS.values())


def test_who_may_change_people_may_grant_something() -> None:
    managers = PERMISSIONS["users.manage"]
    assert all(grantable(frozenset({role})) for role in managers)
    assert set(KEPT) == managers | PERMISSIONS["tenants.manage"]


async def test_an_admin_invites_lists_and_changes_people(bank: Bank) -> None:
    invited = await bank.ask("POST", "/v1/users", json={"email": "New@Bank.example", "roles": ["agent", "agent"]})
    assert invited.status_code == 201
    assert invited.json()["email"] == "new@bank.example"
    assert invited.json()["roles"] == ["agent"]
    open_ones = (await bank.ask("GET", "/v1/invitations", "auditor")).json()["items"]
    assert open_ones == [invited.json()]
    assert (await bank.ask("DELETE", f"/v1/invitations/{invited.json()['id']}")).status_code == 204
    assert_problem(await bank.ask("DELETE", f"/v1/invitations/{invited.json()['id']}"), code="not_found")
    assert (await bank.ask("GET", "/v1/invitations")).json()["items"] == []
    known = {"email": f"agent@{bank.tenant.slug}.example", "roles": ["agent"]}
    assert_problem(await bank.ask("POST", "/v1/users", json=known), code="email_taken")

    path = f"/v1/users/{bank.user('agent')}"
    changed = await bank.ask("PATCH", path, json={"display_name": "Renamed", "roles": ["supervisor", "agent"]})
    assert changed.status_code == 200
    assert changed.json() == (await bank.ask("GET", path)).json()
    assert (changed.json()["display_name"], changed.json()["roles"]) == ("Renamed", ["agent", "supervisor"])
    events = await bank.events("user.changed", subject_id=bank.user("agent"))
    assert [each["detail"] for each in events] == [
        {"changed": ["display_name"], "roles": ["agent", "supervisor"], "roles_before": ["agent"]}
    ]
    assert events[0]["actor"] == {"type": "user", "id": bank.user("admin")}
    assert "Renamed" not in str(events)


async def test_filters_find_people(bank: Bank) -> None:
    await bank.ask("POST", f"/v1/users/{bank.user('agent')}/deactivate")
    for where, found in (
        ({"role": "auditor"}, {"auditor"}),
        ({"status": "deactivated"}, {"agent"}),
        ({"search": "NORA SUP"}, {"supervisor"}),
        ({"search": "auditor@"}, {"auditor"}),
        ({"search": "%"}, set()),
        ({"status": "active", "role": "agent"}, set()),
    ):
        items = (await bank.ask("GET", "/v1/users", params=where)).json()["items"]
        assert {each["roles"][0] for each in items} == found, where


@pytest.mark.parametrize("change", ["roles", "deactivate", "delete"])
async def test_whose_account_is_changed_is_out_at_once(bank: Bank, change: str) -> None:
    """Not when the token ends: with the next request, and open streams close."""
    customer = await (await bank.api.customer()).open()
    agent = await bank.api.staff("agent")
    path = f"/v1/users/{bank.user('agent')}"
    async with bank.api.http.stream("GET", f"{customer.path}/events", headers=agent) as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == ": stream"
        if change == "roles":
            assert (await bank.ask("PATCH", path, json={"roles": ["analyst"]})).status_code == 200
        elif change == "deactivate":
            assert (await bank.ask("POST", f"{path}/deactivate")).json()["status"] == "deactivated"
        else:
            assert (await bank.ask("DELETE", path)).status_code == 204
        left = time.monotonic()
        async with asyncio.timeout(5):
            async for _ in lines:
                pass
    assert time.monotonic() - left < 5
    assert_problem(await bank.api.http.get("/v1/conversations", headers=agent), code="unauthenticated")
    login = {"tenant": bank.tenant.slug, "email": f"agent@{bank.tenant.slug}.example", "password": PASSWORD}
    again = await bank.api.http.post("/v1/auth/login", json=login)
    if change == "roles":
        assert again.status_code == 200
        return
    assert_problem(again, code="invalid_credentials")
    back = await bank.ask("POST", f"{path}/{'activate' if change == 'deactivate' else 'restore'}")
    assert back.json()["status"] == "active"
    assert (await bank.api.http.post("/v1/auth/login", json=login)).status_code == 200


async def test_nobody_raises_himself(bank: Bank) -> None:
    own = f"/v1/users/{bank.user('admin')}"
    for roles in (["admin", "auditor"], ["agent"]):
        assert_problem(await bank.ask("PATCH", own, json={"roles": roles}), code="own_account")
    for verb in ("deactivate", "activate", "restore"):
        assert_problem(await bank.ask("POST", f"{own}/{verb}"), code="own_account")
    assert_problem(await bank.ask("DELETE", own), code="own_account")
    assert (await bank.ask("PATCH", own, json={"display_name": "Me", "roles": ["admin"]})).status_code == 200
    for role in ("supervisor", "agent", "auditor"):
        path = f"/v1/users/{bank.user(role)}"
        assert_problem(await bank.ask("PATCH", path, role, json={"roles": ["admin"]}), code="forbidden")


def test_every_role_that_checks_is_apart_from_those_that_it_checks() -> None:
    assert {role for role in ROLES if not_separate((role,))} == set()
    assert not_separate(("admin", "agent", "compliance_officer")) == ("compliance_officer", "admin")
    publishes = PERMISSIONS["rules.publish"]
    assert all(not_separate({*publishes, role}) for role in PERMISSIONS["users.manage"] | PERMISSIONS["tenants.manage"])
    checks = PERMISSIONS["audit.verify"]
    assert all(not_separate({role, "admin"}) for role in checks)


async def test_nobody_holds_a_role_and_the_one_that_checks_it(bank: Bank, database: Database) -> None:
    email, agent = f"{uuid4()}@bank.example", f"/v1/users/{bank.user('agent')}"
    both = ["admin", "compliance_officer"]
    invited = await bank.ask("POST", "/v1/users", json={"email": email, "roles": [*both, "auditor"]})
    assert_problem(invited, code="roles_not_separate")
    assert_problem(await bank.ask("PATCH", agent, json={"roles": both}), code="roles_not_separate")
    assert_problem(await bank.ask("PATCH", agent, json={"roles": ["agent", "auditor"]}), code="roles_not_separate")
    # Out of the time before the rule: it does not come back with both.
    old = text("UPDATE users SET roles = :roles, deleted_at = now(), deactivated_at = now() WHERE id = :id")
    async with database.tenant(bank.id) as connection:
        await connection.execute(old, {"roles": both, "id": bank.user("agent")})
    for verb in ("restore", "activate"):
        assert_problem(await bank.ask("POST", f"{agent}/{verb}"), code="roles_not_separate")
    assert (await bank.ask("PATCH", agent, json={"roles": ["compliance_officer"]})).status_code == 200
    assert (await bank.ask("POST", f"{agent}/restore")).status_code == 200


async def test_the_other_admins_are_told_who_gets_a_role_that_changes_or_checks(
    bank: Bank, mailed: Codes, letters: Codes
) -> None:
    _, theirs = await second_admin(bank, mailed)
    first, email = f"admin@{bank.tenant.slug}.example", f"{uuid4()}@bank.example"
    for roles in (["agent"], ["auditor"]):
        body = {"email": email, "roles": roles}
        assert (await bank.api.http.post("/v1/users", json=body, headers=theirs)).status_code == 201
    path, made = f"/v1/users/{bank.user('agent')}", {"roles": ["agent", "compliance_officer"]}
    assert (await bank.api.http.patch(path, json=made, headers=theirs)).status_code == 200
    async with asyncio.timeout(20):
        while len(told := letters(first)) < 2:
            await asyncio.sleep(0.05)
    # Two mails: the agent's invitation is nobody's business, nor is what he has done himself.
    assert {(email in each, "auditor" in each, "compliance_officer" in each) for each in told} == {
        (True, True, False),
        (False, False, True),
    }


async def test_nobody_grants_or_takes_a_role_out_of_reach(bank: Bank, operator: Api) -> None:
    invite = {"email": "x@bank.example", "roles": ["agent", "platform_admin"]}
    assert_problem(await bank.ask("POST", "/v1/users", json=invite), code="role_not_grantable")
    raised = {"roles": ["platform_admin"]}
    path = f"/v1/users/{bank.user('agent')}"
    assert_problem(await bank.ask("PATCH", path, json=raised), code="role_not_grantable")
    admin = await operator.staff("admin")
    people = (await operator.http.get("/v1/users", params={"role": "platform_admin"}, headers=admin)).json()["items"]
    above = f"/v1/users/{people[0]['id']}"
    assert_problem(await operator.http.delete(above, headers=admin), code="role_not_grantable")
    assert_problem(
        await operator.http.patch(above, json={"roles": ["agent"]}, headers=admin), code="role_not_grantable"
    )


async def test_two_admins_cannot_take_each_others_role_in_the_same_moment(bank: Bank, mailed: Codes) -> None:
    first = bank.user("admin")
    for attempt in ("demote", "delete", "deactivate"):
        second, theirs = await second_admin(bank, mailed)
        mine = await bank.api.staff("admin")

        async def take(user_id: str, headers: dict[str, str], how: str = attempt) -> int:
            path = f"/v1/users/{user_id}"
            if how == "demote":
                answer = await bank.api.http.patch(path, json={"roles": ["agent"]}, headers=headers)
            elif how == "delete":
                answer = await bank.api.http.delete(path, headers=headers)
            else:
                answer = await bank.api.http.post(f"{path}/deactivate", headers=headers)
            return answer.status_code

        statuses = sorted(await asyncio.gather(take(second, mine), take(first, theirs)))
        # The slower one is either told that he would take the last, or is none himself any more.
        assert statuses[0] in (200, 204), statuses
        assert statuses[1] in (401, 403, 409), statuses
        people = (await bank.ask("GET", "/v1/users", "auditor", params={"role": "admin", "status": "active"})).json()
        assert len(people["items"]) == 1, attempt
        if people["items"][0]["id"] != first:
            # The winner lets the first in again, so that the next round begins as this one did.
            restore = {"demote": ("PATCH", ""), "delete": ("POST", "/restore"), "deactivate": ("POST", "/activate")}
            method, verb = restore[attempt]
            body = {"roles": ["admin"]} if method == "PATCH" else {}
            again = await bank.api.http.request(method, f"/v1/users/{first}{verb}", headers=theirs, json=body)
            assert again.status_code == 200, again.text
            bank.api._staff.pop("admin")
            assert (await bank.ask("DELETE", f"/v1/users/{second}")).status_code == 204


async def test_the_last_platform_admin_stays(operator: Api, database: Database) -> None:
    """Also against the tenant's own admins, who may not touch the role, and against himself."""
    headers = await operator.staff("platform_admin")
    me = (await operator.http.get("/v1/auth/me", headers=headers)).json()["id"]
    assert_problem(await operator.http.delete(f"/v1/users/{me}", headers=await operator.staff("admin")), 403)
    assert_problem(await operator.http.delete(f"/v1/users/{me}", headers=headers), code="forbidden")
