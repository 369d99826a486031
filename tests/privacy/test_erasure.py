"""A customer is erased: what they said is nowhere, what is left still verifies, and nothing brings it back."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from stdnum import luhn

from helios.audit_log.anchors import FolderAnchor
from helios.audit_log.reading import Verdict
from helios.audit_log.verifier import verify_log
from helios.commands.searching import places_with
from helios.crypto import Shredded
from helios.customer_keys import customer_keys
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.caller import Api, Customer
from tests.commanding import running_helios
from tests.examiner.test_replay import replay

REQUESTS = "/v1/privacy/requests"
TOTALS = text(
    "SELECT count(*) AS turns, sum(input_tokens) AS tokens, count(DISTINCT outcome) AS outcomes FROM analytics "
    "WHERE tenant_id = :tenant_id"
)


LEFT = text("SELECT count(*) FROM messages WHERE tenant_id = :tenant_id AND conversation_id = :id")
THREAD = text("SELECT * FROM threads WHERE tenant_id = :tenant_id AND id = :id")


async def erase(api: Api, customer_id: str) -> dict[str, Any]:
    """Files the request and waits until it is done."""
    officer = await api.staff("compliance_officer")
    body = {"kind": "erasure", "customer_id": customer_id, "verification": {"method": "document"}}
    filed = await api.http.post(REQUESTS, json=body, headers=officer)
    assert filed.status_code == 201, filed.text
    return await until(api, filed.json()["id"], "done")


async def until(api: Api, request_id: str, status: str) -> dict[str, Any]:
    officer = await api.staff("compliance_officer")
    async with asyncio.timeout(60):
        while True:
            request = (await api.http.get(f"{REQUESTS}/{request_id}", headers=officer)).json()
            if request["status"] == status:
                return dict(request)
            await asyncio.sleep(0.1)


@pytest.fixture
def words() -> list[str]:
    return new_words()


@pytest.fixture(scope="module")
async def erased(api: Api) -> tuple[Customer, list[str]]:
    """Somebody who is gone, and their words: several tests look at one."""
    words = new_words()
    customer = await talkative(api, words)
    await erase(api, customer.id)
    return customer, words


def new_words() -> list[str]:
    """A name, a number of the customer's and what they said, which exist nowhere else."""
    return [f"Zwiebelmann{uuid4().hex[:8]}", f"c-{uuid4().hex}", f"kanarienvogel{uuid4().hex}", f"papagei{uuid4().hex}"]


def new_card() -> str:
    """A Visa number that nobody else has said, in groups of four."""
    digits = f"4539{uuid4().int % 10**11:011}"
    number = next(digits + last for last in "0123456789" if luhn.is_valid(digits + last))
    return " ".join(number[start : start + 4] for start in range(0, 16, 4))


async def talkative(api: Api, words: list[str]) -> Customer:
    """Somebody who left something in every table: said, rated, escalated, answered by a person."""
    name, external_id, said, rated = words
    signed_in = await api.http.post(
        "/v1/customer-tokens",
        json={"external_id": external_id, "display_name": name, "attributes": {"note": said[:64]}},
        headers={"X-API-Key": api.demo["api_key"]},
    )
    customer = Customer(api, signed_in.json()["access_token"], signed_in.json()["customer_id"])
    await customer.open(channel="web", metadata={"page": said[:64]})
    key = {"Idempotency-Key": str(uuid4())}
    first = await api.http.post(
        f"{customer.path}/messages?wait=60", headers={**customer.headers, **key},
        json={"content": f"I am {said}. What does a replacement card cost?", "client_message_id": said},
    )  # fmt: skip
    assert first.json()["outcome"] == "answered", first.text
    assert (await customer.post("feedback", {"rating": 4, "comment": rated})).status_code == 201
    handed = await customer.say(f"There is a charge that I did not make, {said}!")
    assert handed.json()["outcome"] == "escalated", handed.text
    agent, base = await api.staff("agent"), f"/v1/escalations/{(await customer.get()).json()['escalation_id']}"
    assert (await api.http.post(f"{base}/claim", headers=agent)).status_code == 200
    answer = {"action": "respond", "content": f"Dear {name}, we are looking into it, {rated}.", "note": said}
    decided = await api.http.post(f"{base}/decision", json=answer, headers=agent)
    assert decided.status_code == 200, decided.text
    return customer


async def test_what_was_said_is_readable_nowhere_and_after_the_erasure_the_log_still_verifies(
    stack: Stack, api: Api, database: Database, keyring: Keyring, tenant_id: UUID, words: list[str]
) -> None:
    customer = await talkative(api, words)
    card, secret = new_card(), f"Regen{uuid4().hex[:10]}!"
    asked = await customer.say(f"My card is {card} and my password is {secret}, do you see a charge?")
    assert asked.status_code == 200, asked.text
    said = " ".join(message["content"] for message in await customer.messages())
    assert words[2] in said
    assert not [each for each in (card, secret) if each in said]
    seeded = [*words, card, card.replace(" ", ""), secret]
    assert await places_with(stack, *seeded) == []
    async with database.tenant(tenant_id) as connection:
        before = (await connection.execute(TOTALS, {"tenant_id": tenant_id})).one()
    done = await erase(api, customer.id)
    assert done["result"] == {"conversations": 1, "statutory_records": 1}
    assert done["verification"]["method"] == "document"
    assert await places_with(stack, *seeded) == []
    async with database.tenant(tenant_id) as connection:
        after = (await connection.execute(TOTALS, {"tenant_id": tenant_id})).one()
        tenant = await keyring.tenant(tenant_id)
        with pytest.raises(Shredded):
            (await customer_keys(connection, tenant, UUID(customer.id))).seal_text("late", "a.b", 1)
    assert after == before
    report = await verify_log(database, keyring.root, FolderAnchor(stack.servers.home.root / "audit-anchor"), tenant_id)
    assert report.verdict is Verdict.GOOD


async def test_a_legal_hold_stops_it_until_it_is_released(api: Api) -> None:
    customer, officer = await (await api.customer()).open(), await api.staff("compliance_officer")
    body = {"customer_id": customer.id, "matter": "Case 26-1029"}
    hold = (await api.http.post("/v1/privacy/legal-holds", json=body, headers=officer)).json()
    assert (hold["status"], hold["matter"]) == ("in_force", "Case 26-1029")
    asked = {"kind": "erasure", "customer_id": customer.id, "verification": {"method": "signed_in"}}
    request = (await api.http.post(REQUESTS, json=asked, headers=officer)).json()
    await until(api, request["id"], "held")
    assert (await customer.say("Still there?", wait=0)).status_code == 202
    again = await api.http.post(REQUESTS, json=asked, headers=officer)
    assert (again.status_code, again.json()["code"]) == (409, "request_open")
    released = await api.http.post(f"/v1/privacy/legal-holds/{hold['id']}/release", headers=officer)
    assert released.json()["status"] == "released", released.text
    await until(api, request["id"], "done")


async def test_what_is_being_said_and_answered_meanwhile_leaves_nothing(
    stack: Stack, api: Api, database: Database, tenant_id: UUID, words: list[str]
) -> None:
    customer = await (await api.customer()).open()
    assert (await customer.say(f"I am {words[0]}. Which fees are there?", wait=0)).status_code == 202
    erasing = asyncio.create_task(erase(api, customer.id))
    answers: set[int] = set()
    while not erasing.done() and answers <= {202, 503}:  # 503: the erasure held the row for too long
        answers.add((await customer.say(f"And {words[0]}?", wait=0)).status_code)
    await erasing
    assert answers <= {202, 404, 409, 503}
    assert (await customer.say(f"And {words[0]}?", wait=0)).status_code in (404, 409)
    where = {"tenant_id": tenant_id, "id": UUID(customer.conversation)}
    async with database.tenant(tenant_id) as connection:
        left = await connection.execute(LEFT, where)
        thread = (await connection.execute(THREAD, where)).one()
    assert left.scalar_one() == 0
    assert thread.open_turn == thread.completed_turn
    assert await places_with(stack, words[0]) == []


async def test_nobody_says_or_opens_anything_for_somebody_erased(api: Api, erased: tuple[Customer, list[str]]) -> None:
    customer, words = erased
    assert (await customer.say("Hello again", wait=0)).status_code == 409
    opened = await api.http.post("/v1/conversations", json={}, headers=customer.headers)
    assert (opened.status_code, opened.json()["code"]) == (409, "customer_erased")
    assert (await api.http.get("/v1/conversations", headers=customer.headers)).json()["items"] == []
    again = await api.customer(words[1])
    assert again.id != customer.id
    staff = await api.staff("supervisor")
    shell = (await api.http.get(customer.path, headers=staff)).json()
    assert (shell["status"], shell["channel"], shell["turns"]) == ("closed", None, 2)
    left = await api.http.get(f"{customer.path}/messages", headers=staff)
    assert left.json()["items"] == []


async def test_an_examiner_is_told_of_it(stack: Stack, erased: tuple[Customer, list[str]]) -> None:
    customer, words = erased
    code, out = await replay(stack, customer.conversation)
    assert code == 0
    assert "The customer's words were erased on " in out
    assert "Turn 2: escalated" in out
    assert not [word for word in words if word in out]


async def test_the_statutory_copy_is_read_by_compliance_only(api: Api, erased: tuple[Customer, list[str]]) -> None:
    customer, words = erased
    officer = await api.staff("compliance_officer")
    listed = await api.http.get("/v1/privacy/records", params={"customer_id": customer.id}, headers=officer)
    (record,) = listed.json()["items"]
    assert record["class"] in ("communications", "disputes")
    path = f"/v1/privacy/records/{record['id']}"
    for role in ("admin", "auditor", "supervisor", "agent"):
        assert (await api.http.get(path, headers=await api.staff(role))).status_code == 403
    content = (await api.http.get(path, headers=officer)).json()["content"]
    assert content["customer"]["display_name"] == words[0]
    kept = " ".join(message["content"] for message in content["messages"])
    assert words[2] in kept
    assert words[3] in kept
    assert {"conversation", "messages", "turns", "escalations", "decisions", "feedback", "tickets"} <= set(content)
    events = await api.http.get(
        "/v1/audit/events", params={"action": "statutory_record.read", "subject_id": record["id"]}, headers=officer
    )
    assert len(events.json()["items"]) == 1


async def test_the_command_names_a_request_that_is_open(stack: Stack, api: Api) -> None:
    customer = await api.customer()
    filed = await api.http.post(
        REQUESTS, json={"kind": "erasure", "customer_id": customer.id}, headers=await api.staff("compliance_officer")
    )
    words = ("erase", "--tenant", "meridian", "--customer", customer.id, "--verified", "document")
    ended = await running_helios(*words, env={"HELIOS_HOME": str(stack.servers.home.root)})
    request = filed.json()["id"]
    assert ended.returncode == 1
    assert f"open request for erasure: {request} is awaiting_verification" in ended.stderr
    assert f"POST /v1/privacy/requests/{request}/verify" in ended.stderr
