"""What a suite guards is published after it passed over exactly that, or because a second person answers for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.problems import assert_problem
from tests.evaluations.conftest import SUITES, Bank, drafted
from tests.knowledge_editing import publish

SUITE = """
name: fees
guards: [{guards}]
cases:
  - name: the monthly fee
    message: What is the monthly fee of the Basic Account?
    expect: {{outcome: answered, must_contain: [{says}]}}
"""
SAYS = "The monthly fee of the Basic Account is {fee} dollars."


def suite(says: str, guards: str = "knowledge") -> str:
    return SUITE.format(guards=guards, says=says)


@pytest.fixture
async def fees(bank: Bank) -> dict[str, Any]:
    return await publish(bank.api, SAYS.format(fee=10), title="Fees", slug="fees")


async def next_fee(bank: Bank, fees: dict[str, Any], fee: int) -> dict[str, Any]:
    return await bank.article(SAYS.format(fee=fee), source_id=fees["source_id"], title="Fees")


async def policy(bank: Bank, *situations: dict[str, Any]) -> int:
    made = await bank.call("POST", "/v1/policies", "admin", json={"situations": situations})
    return int(made.json()["version"])


async def test_an_article_is_published_after_the_suite_has_passed_over_it(bank: Bank, fees: dict[str, Any]) -> None:
    made, version = await bank.add(suite("12 dollars")), await next_fee(bank, fees, 12)
    refused = assert_problem(await bank.approve(version), code="evaluation_required")
    assert (refused["status"], refused["detail"]) == (409, "Over what would then be in force: fees was not run.")
    (told,) = await bank.events("evaluation.publish_refused")
    assert told["detail"] == {"guarded": "knowledge", "suites": [made["id"]]}
    assert (await bank.run(made, drafted(version)))["passed"]
    assert (await bank.approve(version)).json()["status"] == "published"


async def test_a_suite_that_fails_stops_it_and_a_second_person_may_answer_for_it(
    bank: Bank, fees: dict[str, Any]
) -> None:
    made, version = await bank.add(suite("10 dollars")), await next_fee(bank, fees, 11)
    assert not (await bank.run(made, drafted(version)))["passed"]
    assert "fees fails" in assert_problem(await bank.approve(version), code="evaluation_required")["detail"]
    assert "note" in assert_problem(await bank.approve(version, force=True), code="evaluation_required")["detail"]
    assert await bank.events("evaluation.overridden") == []
    assert (await bank.approve(version, force=True, note="In force by law today.")).status_code == 200
    (told,) = await bank.events("evaluation.overridden")
    assert told["detail"] == {"guarded": "knowledge", "suites": [made["id"]]}
    assert told["actor"]["id"] == str(bank.tenant.users["knowledge_approver"])


async def test_a_run_counts_for_exactly_what_it_saw(bank: Bank, fees: dict[str, Any]) -> None:
    """Not once something else was published, nor for a draft beside another, nor of an older suite."""
    made = await bank.add(suite("dollars"))
    one, other = await next_fee(bank, fees, 12), await bank.article("Cards are blue.", title="Cards", slug="cards")
    together = {"knowledge": [drafted(each)["knowledge"][0] for each in (one, other)]}
    assert (await bank.run(made, together))["passed"]
    assert_problem(await bank.approve(one), code="evaluation_required")
    assert (await bank.run(made, drafted(one)))["passed"]
    assert (await bank.approve(other, force=True, note="Urgent.")).status_code == 200
    # What was tested together is what is in force now, with the one: that run counts again.
    assert (await bank.approve(one)).status_code == 200
    third = await next_fee(bank, fees, 13)
    assert (await bank.run(made, drafted(third)))["passed"]
    await bank.add(suite("12 dollars"))
    assert_problem(await bank.approve(third), code="evaluation_required")


async def test_what_is_not_guarded_or_changes_nothing_for_customers_needs_no_run(
    bank: Bank, fees: dict[str, Any]
) -> None:
    made = await bank.add(suite("10 dollars"))
    internal = await bank.article("Never waive it.", title="Desk", visibility="internal")
    assert (await bank.approve(internal)).status_code == 200
    version = await policy(bank, {"number": 6, "queue": "ombudsman"})
    published = await bank.call("POST", f"/v1/policies/{version}/publish", "compliance_officer", json={})
    assert published.status_code == 200, published.text
    assert (await bank.call("DELETE", f"{SUITES}/{made['id']}", "admin")).status_code == 204
    assert (await bank.approve(await next_fee(bank, fees, 12))).status_code == 200


async def test_rules_are_guarded_likewise_and_a_rollback_is_not(bank: Bank, fees: dict[str, Any]) -> None:
    made = await bank.add(suite("10 dollars", "policies, redaction-rules"))
    held = await policy(bank, {"number": 9, "forbidden_phrases": ["monthly fee of the basic account is"]})
    fine = await policy(bank, {"number": 6, "queue": "ombudsman"})
    path = "/v1/policies/{}/{}"

    async def decide(version: int, action: str, **body: Any) -> Any:
        return await bank.call("POST", path.format(version, action), "compliance_officer", json=body)

    assert not (await bank.run(made, {"policy": held}))["passed"]
    assert_problem(await decide(held, "publish"), code="evaluation_required")
    assert (await bank.run(made, {"policy": fine}))["passed"]
    assert (await decide(fine, "publish")).json()["status"] == "published"
    assert (await decide(1, "rollback")).status_code == 200
    body = {"kinds": [{"kind": "EMAIL", "operator": "mask"}]}
    assert (await bank.call("POST", "/v1/redaction-rules", "admin", json=body)).json()["version"] == 2
    rules = "/v1/redaction-rules/2/publish"
    assert_problem(await bank.call("POST", rules, "compliance_officer", json={}), code="evaluation_required")
    assert (await bank.run(made, {"redaction_rules": 2}))["passed"]
    assert (await bank.call("POST", rules, "compliance_officer", json={})).status_code == 200


async def test_an_approval_for_later_is_asked_at_once(bank: Bank, fees: dict[str, Any]) -> None:
    made, version = await bank.add(suite("12 dollars")), await next_fee(bank, fees, 12)
    at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert_problem(await bank.approve(version, publish_at=at), code="evaluation_required")
    assert (await bank.run(made, drafted(version)))["passed"]
    assert (await bank.approve(version, publish_at=at)).json()["status"] == "pending_review"
