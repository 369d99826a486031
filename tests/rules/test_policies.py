"""Policies over the API: four eyes, states, comparison, and the turn that keeps the version that it began with."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from helios.database import Database
from tests.api.problems import assert_problem
from tests.rules.conftest import Bank

OMBUDSMAN = {"number": 6, "queue": "ombudsman", "texts": {"en": "Case {case} is with our ombudsman until {due}."}}
COMPLAINT = "I want to make a formal complaint about how I was treated."


async def complain(bank: Bank) -> dict[str, Any]:
    """A conversation with a complaint: the turn, its escalation and its provenance."""
    customer = await (await bank.api.customer()).open()
    turn: dict[str, Any] = (await customer.say(COMPLAINT)).json()
    escalation_id = (await customer.get()).json()["escalation_id"]
    turn["escalation"] = await bank.get(f"/v1/escalations/{escalation_id}")
    turn["provenance"] = (await bank.get(f"/v1/conversations/{customer.conversation}/provenance"))["turns"][0]
    return turn


async def test_a_new_tenant_begins_with_the_shipped_rules(bank: Bank) -> None:
    listed = await bank.get("/v1/policies")
    assert [(each["version"], each["status"]) for each in listed["items"]] == [(1, "published")]
    whole = await bank.get("/v1/policies/1")
    assert whole["definition"] == {}
    assert whole["effective"]["situations"]["12"]["priority"] == "P0"


async def test_a_published_policy_is_felt_on_the_next_turn_and_a_rollback_too(bank: Bank) -> None:
    before = await complain(bank)
    assert before["escalation"]["queue"] == "complaints"
    version = await bank.publish(situations=[OMBUDSMAN], note="The ombudsman takes them")
    during = await complain(bank)
    assert during["escalation"]["queue"] == "ombudsman"
    assert "is with our ombudsman until" in during["reply"]["content"]
    assert (await bank.decide(1, "rollback")).status_code == 200
    after = await complain(bank)
    assert after["escalation"]["queue"] == "complaints"
    told = [each["provenance"] for each in (before, during, after)]
    assert [each["policy_version"] for each in told] == [1, version, 1]
    assert told[0]["policy_digest"] == told[2]["policy_digest"] != told[1]["policy_digest"]


async def test_whoever_wrote_a_draft_may_not_publish_it_in_whatever_role(bank: Bank) -> None:
    own = (await bank.draft("compliance_officer", situations=[OMBUDSMAN])).json()["version"]
    assert_problem(await bank.decide(own, "publish"), code="four_eyes")
    assert_problem(await bank.decide(own, "publish", by="admin"), code="forbidden")
    assert (await bank.decide(own, "reject")).json()["status"] == "rejected"
    assert_problem(await bank.decide(own, "publish"), 403, 409)


async def test_of_two_who_publish_at_once_one_wins_and_one_version_is_in_force(bank: Bank) -> None:
    drafts = [(await bank.draft(situations=[OMBUDSMAN])).json()["version"] for _ in range(2)]
    answers = await asyncio.gather(*(bank.decide(drafts[0], "publish") for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert_problem(await bank.decide(drafts[1], "publish"), code="version_conflict")
    assert (await bank.decide(drafts[1], "publish", replaces=drafts[0])).status_code == 200
    listed = (await bank.get("/v1/policies"))["items"]
    assert [each["status"] for each in listed] == ["published", "superseded", "superseded"]
    assert_problem(await bank.decide(drafts[1], "rollback"), code="version_conflict")
    assert_problem(await bank.decide(99, "publish"), code="not_found")


@pytest.mark.parametrize("kind", ["policies", "redaction-rules"])
async def test_a_draft_does_not_undo_what_was_published_after_it_was_written(bank: Bank, kind: str) -> None:
    bodies: dict[str, list[dict[str, Any]]] = {
        "policies": [{"situations": [{"number": n, "priority": "P0"}]} for n in (10, 20)],
        "redaction-rules": [{"kinds": [{"kind": each, "operator": "mask"}]} for each in ("EMAIL", "IBAN")],
    }
    first, second = [(await bank.draft(kind=kind, **body)).json() for body in bodies[kind]]
    assert first["based_on"] == second["based_on"] == 1
    assert (await bank.decide(first["version"], "publish", kind=kind)).status_code == 200
    refused = assert_problem(await bank.decide(second["version"], "publish", kind=kind), code="version_conflict")
    assert "version 1 was in force. Version 2 is now" in refused["detail"]
    assert "replaces: 2" in refused["detail"]
    wrong = await bank.decide(second["version"], "publish", kind=kind, replaces=1)
    assert assert_problem(wrong, code="version_conflict")["detail"] == "Version 2 is in force, not 1."
    assert (await bank.get(f"/v1/{kind}/2"))["status"] == "published"
    assert (await bank.decide(second["version"], "publish", kind=kind, replaces=2)).json()["status"] == "published"
    assert (await bank.get(f"/v1/{kind}/2"))["status"] == "superseded"


async def test_a_draft_of_an_older_release_says_what_it_replaces(bank: Bank, database: Database) -> None:
    version = (await bank.draft(situations=[OMBUDSMAN])).json()["version"]
    async with database.tenant(bank.tenant_id) as connection:
        await connection.execute(text("UPDATE policies SET based_on = NULL WHERE version = :v"), {"v": version})
    refused = assert_problem(await bank.decide(version, "publish"), code="version_conflict")
    assert "a version that is not known" in refused["detail"]
    assert (await bank.decide(version, "publish", replaces=1)).status_code == 200


async def test_a_draft_that_changes_nothing_is_refused(bank: Bank) -> None:
    for nothing in ([], [{"number": 6}]):
        problem = assert_problem(await bank.draft(situations=nothing), code="rule_not_allowed")
        assert problem["detail"] == "It changes nothing: version 1 says all of it already."
    await bank.publish(situations=[OMBUDSMAN])
    assert_problem(await bank.draft(situations=[OMBUDSMAN]), code="rule_not_allowed")
    # Back to what is shipped is a change then.
    assert (await bank.draft(situations=[])).status_code == 201


async def test_the_difference_names_each_value_that_changes(bank: Bank) -> None:
    version = (await bank.draft(situations=[OMBUDSMAN])).json()["version"]
    found = await bank.get(f"/v1/policies/{version}/diff")
    changes = {each["pointer"]: (each["before"], each["after"]) for each in found["changes"]}
    assert (found["from"], found["to"]) == (1, version)
    assert changes["/situations/6/queue"] == ("complaints", "ombudsman")
    assert changes.keys() == {"/situations/6/queue", "/situations/6/texts/en"}
    assert (await bank.get(f"/v1/policies/{version}/diff?against={version}"))["changes"] == []


async def test_the_safety_minimum_is_named_and_nothing_is_stored(bank: Bank) -> None:
    lowered = await bank.draft(situations=[{"number": 6}, {"number": 12, "enabled": False, "priority": "P4"}])
    problem = assert_problem(lowered, code="rule_not_allowed")
    assert [each["pointer"] for each in problem["errors"]] == ["/situations/1/enabled", "/situations/1/priority"]
    assert "fraud_in_progress" in problem["errors"][0]["detail"]
    wrong = await bank.draft(situations=[{"number": 6, "priority": "P9"}])
    assert assert_problem(wrong, code="invalid_request")["errors"][0]["pointer"] == "/situations/0/priority"
    assert len((await bank.get("/v1/policies"))["items"]) == 1


async def test_the_same_request_again_makes_no_second_draft(bank: Bank) -> None:
    headers = {**await bank.api.staff("admin"), "Idempotency-Key": str(uuid4())}
    body = {"situations": [OMBUDSMAN]}
    first, again = [await bank.api.http.post("/v1/policies", json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, again.json()) == (201, first.json())


async def test_every_step_is_in_the_audit_log(bank: Bank, database: Database) -> None:
    version = await bank.publish(situations=[OMBUDSMAN])
    await bank.decide(1, "rollback")
    events = (await bank.get("/v1/audit/events?action=policy"))["items"]
    told = [(each["action"], each["detail"]["version"]) for each in reversed(events)]
    assert told == [("policy.drafted", version), ("policy.published", version), ("policy.rolled_back", 1)]
    assert await in_force(database, bank.tenant_id) == [1]


async def in_force(database: Database, tenant_id: UUID) -> list[int]:
    async with database.tenant(tenant_id) as connection:
        rows = await connection.execute(text("SELECT version FROM policies WHERE status = 'published'"))
        return list(rows.scalars())
