"""Four eyes, publication in its time, rollback, withdrawal, and what customers' answers rest on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from helios.database import Database
from tests.api.problems import assert_problem
from tests.caller import Api
from tests.knowledge_editing import SOURCES, decide, ingested, path, publish, search, submit

PRICE = "The {name} card costs {price} dollars a year."
QUESTION = "What does the {name} card cost a year?"


def named() -> str:
    """A product that no other test and no article knows."""
    return f"Tuatara{uuid4().hex[:8]}"


def in_future(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def ask(api: Api, name: str) -> dict[str, Any]:
    customer = await (await api.customer()).open()
    answer = await customer.say(QUESTION.format(name=name))
    assert answer.status_code == 200, answer.text
    turn: dict[str, Any] = answer.json()
    turn["customer"] = customer
    return turn


def cites(turn: dict[str, Any], version: dict[str, Any]) -> bool:
    cited = {(each["source_id"], each["version"]) for each in (turn["reply"] or {}).get("citations", ())}
    return (version["source_id"], version["version"]) in cited


async def test_whoever_submitted_may_not_approve_in_whatever_role(
    api: Api, database: Database, tenant_id: UUID
) -> None:
    """An editor who is an approver as well, and an admin, who may do both."""
    promote = text("UPDATE users SET roles = :roles WHERE tenant_id = :t AND roles @> '{knowledge_editor}'")
    editor = api.demo["users"]["knowledge_editor"]
    both = {"t": tenant_id, "roles": ["knowledge_editor", "knowledge_approver"]}
    version = await ingested(api, await submit(api, PRICE.format(name=named(), price=1)))
    async with database.tenant(tenant_id) as connection:
        await connection.execute(promote, both)
    try:
        login = {"tenant": api.demo["tenant"], **editor}
        token = (await api.http.post("/v1/auth/login", json=login)).json()["access_token"]
        own = await api.http.post(f"{path(version)}/approve", headers={"Authorization": f"Bearer {token}"})
        assert_problem(own, code="four_eyes")
    finally:
        async with database.tenant(tenant_id) as connection:
            await connection.execute(promote, {**both, "roles": ["knowledge_editor"]})
    by_admin = await ingested(api, await submit(api, PRICE.format(name=named(), price=1), by="admin"))
    assert_problem(await decide(api, by_admin, "approve", by="admin"), code="four_eyes")
    assert_problem(await decide(api, version, "approve", by="knowledge_editor"), code="forbidden")
    assert (await decide(api, version, "approve", by="admin")).status_code == 200


async def test_of_two_who_approve_at_once_one_wins(api: Api) -> None:
    version = await ingested(api, await submit(api, PRICE.format(name=named(), price=1)))
    answers = await asyncio.gather(decide(api, version, "approve"), decide(api, version, "approve", by="admin"))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert_problem(max(answers, key=lambda each: each.status_code), code="version_conflict")
    assert_problem(await decide(api, version, "reject"), code="version_conflict")


async def test_the_same_approval_again_gets_the_same_answer(api: Api) -> None:
    version = await ingested(api, await submit(api, PRICE.format(name=named(), price=1)))
    headers = {**await api.staff("knowledge_approver"), "Idempotency-Key": str(uuid4())}
    first = await api.http.post(f"{path(version)}/approve", headers=headers)
    again = await api.http.post(f"{path(version)}/approve", headers=headers)
    assert (first.status_code, again.json()) == (200, first.json())


async def test_the_next_answer_cites_what_was_approved_and_rolls_back_with_it(api: Api) -> None:
    name = named()
    old = await publish(api, PRICE.format(name=name, price=31))
    first = await ask(api, name)
    assert cites(first, old)
    assert "31 dollars" in first["reply"]["content"]
    new = await publish(api, PRICE.format(name=name, price=47), title=old["title"], source_id=old["source_id"])
    second = await ask(api, name)
    assert cites(second, new)
    assert "47 dollars" in second["reply"]["content"]
    approver = await api.staff("knowledge_approver")
    back = await api.http.post(f"{SOURCES}/{old['source_id']}/rollback", headers=approver)
    assert (back.status_code, back.json()["published_version"]) == (200, 1)
    listed = await api.http.get(f"{SOURCES}/{old['source_id']}/versions", headers=approver)
    states = [each["status"] for each in listed.json()["items"]]
    assert states == ["superseded", "published"]
    assert "31 dollars" in (await ask(api, name))["reply"]["content"]


async def test_a_source_with_one_version_cannot_be_rolled_back(api: Api) -> None:
    version = await publish(api, PRICE.format(name=named(), price=1))
    refused = await api.http.post(
        f"{SOURCES}/{version['source_id']}/rollback", headers=await api.staff("knowledge_approver")
    )
    assert_problem(refused, code="version_conflict")


async def test_an_approval_for_later_publishes_in_its_time(api: Api) -> None:
    name = named()
    version = await ingested(api, await submit(api, PRICE.format(name=name, price=5)))
    approved = await decide(api, version, "approve", publish_at=in_future(6), note="from the 1st on")
    assert (approved.json()["status"], approved.json()["review"]["decision"]) == ("pending_review", "approve")
    approver = await api.staff("knowledge_approver")
    assert not [each for each in await search(api, name, headers=approver) if name in each["text"]]
    assert_problem(await decide(api, version, "approve", by="admin"), code="version_conflict")
    async with asyncio.timeout(60):
        while (await api.http.get(path(version), headers=approver)).json()["status"] != "published":
            await asyncio.sleep(0.3)
    assert [each for each in await search(api, name, headers=approver) if name in each["text"]]


async def test_what_was_withdrawn_before_its_time_stays_unpublished(api: Api) -> None:
    version = await ingested(api, await submit(api, PRICE.format(name=named(), price=5)))
    await decide(api, version, "approve", publish_at=in_future(3600))
    assert (await decide(api, version, "withdraw", by="compliance_officer")).json()["status"] == "withdrawn"


async def test_a_rejected_version_goes_back_with_its_note(api: Api) -> None:
    version = await ingested(api, await submit(api, PRICE.format(name=named(), price=5)))
    rejected = (await decide(api, version, "reject", note="The price is wrong.")).json()
    assert rejected["status"] == "withdrawn"
    assert (rejected["review"]["decision"], rejected["review"]["note"]) == ("reject", "The price is wrong.")
    assert_problem(await decide(api, version, "approve"), code="version_conflict")


async def test_withdrawing_lists_every_answer_that_cited_it(api: Api) -> None:
    name = named()
    version = await publish(api, PRICE.format(name=name, price=12))
    asked = [await ask(api, name) for _ in range(2)]
    assert all(cites(each, version) for each in asked)
    withdrawn = await decide(api, version, "withdraw", by="compliance_officer", note="wrong")
    assert withdrawn.json()["status"] == "withdrawn"
    approver = await api.staff("knowledge_approver")
    seen, at = [], None
    for _ in asked:
        params = {"limit": "1", **({"cursor": at} if at else {})}
        page = (await api.http.get(f"{path(version)}/citations", params=params, headers=approver)).json()
        seen += page["items"]
        at = page["next_cursor"]
    assert at is None
    customers = [each["customer"] for each in reversed(asked)]
    assert [each["conversation_id"] for each in seen] == [each.conversation for each in customers]
    assert [each["customer_id"] for each in seen] == [each.id for each in customers]
    assert not cites(await ask(api, name), version)


async def test_an_internal_article_helps_staff_and_no_customer(api: Api) -> None:
    name = named()
    version = await publish(api, PRICE.format(name=name, price=88), visibility="internal")
    assert [each for each in await search(api, name, headers=await api.staff("agent")) if name in each["text"]]
    customer = await api.customer()
    for more in ({}, {"filters": {"visibility": "internal"}}, {"filters": {"source_ids": [version["source_id"]]}}):
        assert not [each for each in await search(api, name, headers=customer.headers, **more) if name in each["text"]]
    turn = await ask(api, name)
    assert "88" not in (turn["reply"] or {}).get("content", "")
    assert not cites(turn, version)


async def test_a_public_article_that_becomes_internal_is_gone_for_customers(api: Api) -> None:
    name = named()
    public = await publish(api, PRICE.format(name=name, price=61))
    assert cites(await ask(api, name), public)
    same = {"title": public["title"], "source_id": public["source_id"]}
    await publish(api, PRICE.format(name=name, price=62), visibility="internal", **same)
    customer = await api.customer()
    assert not [each for each in await search(api, name, headers=customer.headers) if name in each["text"]]


async def test_search_as_of_a_past_time_finds_what_was_in_force_then(api: Api) -> None:
    name = named()
    old = await publish(api, PRICE.format(name=name, price=10))
    between = datetime.now(UTC).isoformat()
    await publish(api, PRICE.format(name=name, price=20), title=old["title"], source_id=old["source_id"])
    agent = await api.staff("agent")
    only = {"filters": {"source_ids": [old["source_id"]]}}
    then = await search(api, name, headers=agent, as_of=between, **only)
    assert [(each["version"], "10 dollars" in each["text"]) for each in then] == [(1, True)]
    assert [each["version"] for each in await search(api, name, headers=agent, **only)] == [2]
    before = "2020-01-01T00:00:00Z"
    assert await search(api, name, headers=agent, as_of=before, **only) == []
    customer = await api.customer()
    refused = await api.http.post(
        "/v1/knowledge/search", json={"query": name, "as_of": between}, headers=customer.headers
    )
    assert_problem(refused, code="forbidden")


async def test_the_diff_shows_what_changes_sentence_by_sentence(api: Api) -> None:
    old = await publish(api, "The fee is 3 dollars. You pay it each month. It can be waived.", tags=["fees"])
    text_after = "The fee is 4 dollars. You pay it each month. It can be waived. Students pay nothing."
    new = await ingested(api, await submit(api, text_after, title=old["title"], source_id=old["source_id"], tags=[]))
    answer = await api.http.get(f"{path(new)}/diff", headers=await api.staff("knowledge_approver"))
    shown = answer.json()
    assert (shown["from"], shown["to"]) == (1, 2)
    assert shown["fields"] == [{"field": "tags", "before": ["fees"], "after": []}]
    assert [(each["kind"], each["before"], each["after"]) for each in shown["changes"]] == [
        ("changed", ["The fee is 3 dollars."], ["The fee is 4 dollars."]),
        ("added", [], ["Students pay nothing."]),
    ]


async def test_each_step_leaves_its_audit_event(api: Api, database: Database, tenant_id: UUID) -> None:
    old = await publish(api, PRICE.format(name=named(), price=1))
    await publish(api, PRICE.format(name=named(), price=2), title=old["title"], source_id=old["source_id"])
    await api.http.post(f"{SOURCES}/{old['source_id']}/rollback", headers=await api.staff("knowledge_approver"))
    await decide(api, old, "withdraw")
    found = text("SELECT action FROM audits WHERE tenant_id = :t AND subject_id = :s ORDER BY id")
    async with database.tenant(tenant_id) as connection:
        actions = list(await connection.scalars(found, {"t": tenant_id, "s": old["source_id"]}))
    handed_in = ["knowledge.submitted", "knowledge.ingested", "knowledge.approved"]
    assert [each.removeprefix("knowledge.") for each in actions] == [
        each.removeprefix("knowledge.")
        for each in (
            *handed_in, "published", *handed_in, "superseded", "published", "superseded", "published", "rolled_back",
            "withdrawn",
        )
    ]  # fmt: skip


async def test_another_tenants_knowledge_does_not_exist(api: Api, next_door: Api) -> None:
    name = named()
    version = await publish(api, PRICE.format(name=name, price=1))
    admin = await next_door.staff("admin")
    for method, where in (
        ("GET", f"{SOURCES}/{version['source_id']}"),
        ("GET", path(version)),
        ("GET", f"{path(version)}/diff"),
        ("GET", f"{path(version)}/citations"),
        ("POST", f"{path(version)}/approve"),
        ("POST", f"{path(version)}/reject"),
        ("POST", f"{path(version)}/withdraw"),
        ("POST", f"{SOURCES}/{version['source_id']}/rollback"),
        ("DELETE", f"{SOURCES}/{version['source_id']}"),
    ):
        assert_problem(await api.http.request(method, where, headers=admin), code="not_found")
    body = {"title": "x", "text": "x", "source_id": version["source_id"]}
    assert_problem(await api.http.post(SOURCES, json=body, headers=admin), code="not_found")
    assert await search(api, name, headers=admin, filters={"source_ids": [version["source_id"]]}) == []
    source = await api.http.get(f"{SOURCES}/{version['source_id']}", headers=await api.staff("auditor"))
    assert source.json()["published_version"] == 1
