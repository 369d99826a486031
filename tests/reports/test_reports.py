"""Reports over a bank's records: what happened is in them, and a past one can be made again."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from helios.reports.catalogue import REPORTS
from helios.reports.rendering import FORMS
from tests.caller import Api, Customer
from tests.commanding import running_helios
from tests.neighbour import Neighbour, make_neighbour
from tests.published_document import document

COMPLAINT = "I want to make a formal complaint about how your branch treated me."
UNAUTHORISED = "There is a debit card payment on my account that I never authorised, somebody stole it."


@pytest.fixture(scope="module")
async def bank(database: Database, keyring: Keyring) -> Neighbour:
    return await make_neighbour(database, keyring.root, ("admin", "supervisor", "agent"))


@pytest.fixture(scope="module")
async def desk(stack: Stack, bank: Neighbour) -> AsyncIterator[Api]:
    async with bank.api(stack.servers.api_url) as api:
        yield api


@pytest.fixture(scope="module")
async def admin(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    yield connection
    await connection.close()


async def report(desk: Api, name: str, **params: Any) -> dict[str, Any]:
    answer = await ask(desk, name, **params)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    assert all(tuple(row) == tuple(REPORTS[name].columns) for row in told["rows"])
    return told


async def ask(desk: Api, name: str, *, by: str = "supervisor", **params: Any) -> httpx.Response:
    return await desk.http.get(f"/v1/reports/{name}", params=params, headers=await desk.staff(by))


async def told_of(desk: Api, words: str) -> Customer:
    customer = await (await desk.customer()).open()
    answer = await customer.say(words)
    assert answer.json()["outcome"] == "escalated", answer.text
    return customer


async def resolve(desk: Api, ticket: str) -> None:
    path, body = f"/v1/tickets/{ticket}/resolve", {"reason": "An apology was sent."}
    answer = await desk.http.post(path, json=body, headers=await desk.staff("supervisor"))
    assert answer.status_code == 200, answer.text


async def test_a_complaint_is_in_the_register_and_a_past_register_stays_as_it_was(desk: Api) -> None:
    customer = await told_of(desk, COMPLAINT)
    now = (await report(desk, "complaints"))["as_of"]
    before = await report(desk, "complaints", as_of=now)
    (row,) = [each for each in before["rows"] if each["conversation_id"] == customer.conversation]
    assert (row["kind"], row["status"], row["customer_id"]) == ("complaint", "open", customer.id)
    assert row["received_at"] <= row["registered_at"] <= now
    assert row["received_at"] <= row["acknowledged_at"] <= now
    assert row["due_at"] > now
    assert not row["overdue"]
    await resolve(desk, row["ticket_id"])
    (after,) = [each for each in (await report(desk, "complaints"))["rows"] if each["ticket_id"] == row["ticket_id"]]
    assert after["status"] == "resolved"
    again = await report(desk, "complaints", as_of=now)
    assert (again["rows"], again["sha256"]) == (before["rows"], before["sha256"])


async def test_a_clock_runs_is_missed_or_was_kept_late(desk: Api, admin: asyncpg.Connection) -> None:
    customer = await told_of(desk, UNAUTHORISED)

    rows = (await report(desk, "reg_e_clocks"))["rows"]
    ticket = next(row["ticket_id"] for row in rows if row["conversation_id"] == customer.conversation)

    async def states() -> dict[str, str]:
        rows = (await report(desk, "reg_e_clocks"))["rows"]
        return {row["clock"]: row["state"] for row in rows if row["ticket_id"] == ticket}

    first = await states()
    assert (first["determination"], first["investigation"]) == ("running", "waiting")
    body = {"clock": "investigation", "reason": "The merchant is silent.", "provisional_credit": True}
    answer = await desk.http.post(f"/v1/tickets/{ticket}/extend", json=body, headers=await desk.staff("supervisor"))
    assert answer.status_code == 200, answer.text
    assert await states() == first | {"determination": "extended", "investigation": "running"}
    await admin.execute(
        "UPDATE tickets SET clocks = (SELECT jsonb_agg(CASE WHEN clock ->> 'name' = 'investigation' "
        "THEN clock || jsonb_build_object('due_at', received_at) ELSE clock END) "
        "FROM jsonb_array_elements(clocks) AS clock) WHERE id = $1",
        UUID(ticket),
    )
    assert (await states())["investigation"] == "missed"
    await resolve(desk, ticket)
    assert (await states())["investigation"] == "met_late"


async def test_a_request_that_was_filed_is_reported_and_a_past_report_stays_as_it_was(desk: Api) -> None:
    customer, officer = await desk.customer(), await desk.staff("admin")
    body = {"kind": "erasure", "customer_id": customer.id}
    filed = await desk.http.post("/v1/privacy/requests", json=body, headers=officer)
    assert filed.status_code == 201, filed.text
    before = await report(desk, "data_requests")
    (row,) = [each for each in before["rows"] if each["ticket_id"] == filed.json()["id"]]
    assert (row["kind"], row["state"], row["customer_id"]) == ("erasure", "running", customer.id)
    assert (row["due_at"], row["stopped_at"]) == (filed.json()["due_at"], None)
    refusal = {"reason": "not_verified"}
    path = f"/v1/privacy/requests/{row['ticket_id']}/refuse"
    assert (await desk.http.post(path, json=refusal, headers=officer)).status_code == 200
    (after,) = [each for each in (await report(desk, "data_requests"))["rows"] if each["ticket_id"] == row["ticket_id"]]
    assert after["state"] == "refused"
    again = await report(desk, "data_requests", as_of=before["as_of"])
    assert (again["rows"], again["sha256"]) == (before["rows"], before["sha256"])


async def test_a_decision_of_a_person_is_supervision_of_the_ai(desk: Api) -> None:
    customer = await told_of(desk, UNAUTHORISED)
    agent = await desk.staff("agent")
    escalation = (await customer.get()).json()["escalation_id"]
    for path, body in (("claim", None), ("decision", {"action": "respond", "content": "We have blocked the card."})):
        answer = await desk.http.post(f"/v1/escalations/{escalation}/{path}", json=body, headers=agent)
        assert answer.status_code == 200, answer.text
    async with asyncio.timeout(30):
        while not (rows := _of(escalation, await report(desk, "ai_oversight"))):
            await asyncio.sleep(0.2)
    (row,) = rows
    me = (await desk.http.get("/v1/auth/me", headers=agent)).json()
    assert (row["action"], row["edited"], row["reviewer_id"]) == ("respond", False, me["id"])
    assert (row["turn"], row["situation"], row["policy_version"]) == (1, 1, 1)
    assert row["minutes"] >= 0


def _of(escalation: str, told: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in told["rows"] if row["escalation_id"] == escalation]


async def test_who_had_access_is_told_as_it_was(desk: Api, bank: Neighbour) -> None:
    agent = str(bank.users["agent"])
    admin = await desk.staff("admin")
    before = await report(desk, "access_review")

    def access(told: dict[str, Any]) -> tuple[Any, ...]:
        (row,) = [each for each in told["rows"] if each["id"] == agent]
        return row["access"], row["state"]

    path = f"/v1/users/{agent}"
    answer = await desk.http.patch(path, json={"roles": ["agent", "knowledge_editor"]}, headers=admin)
    assert answer.status_code == 200, answer.text
    changed = await report(desk, "access_review")
    assert (await desk.http.post(f"{path}/deactivate", headers=admin)).status_code == 200
    assert access(await report(desk, "access_review")) == (["agent", "knowledge_editor"], "deactivated")
    assert access(await report(desk, "access_review", as_of=changed["as_of"])) == (
        ["agent", "knowledge_editor"],
        "active",
    )
    assert access(await report(desk, "access_review", as_of=before["as_of"])) == (["agent"], "active")


async def test_a_report_that_was_made_is_an_audit_event_with_its_digest(desk: Api) -> None:
    told = await report(desk, "reg_z_clocks", period="2026-Q1")
    assert (told["rows"], told["from"]) == ([], "2026-01-01T05:00:00.000Z")
    params: dict[str, str | int] = {"action": "report.made", "limit": 1}
    events = await desk.http.get("/v1/audit/events", params=params, headers=await desk.staff("admin"))
    (event,) = events.json()["items"]
    assert event["detail"]["sha256"] == told["sha256"]
    assert (event["detail"]["name"], event["detail"]["from"]) == ("reg_z_clocks", told["from"])


@pytest.mark.parametrize("name", REPORTS)
async def test_every_report_can_be_made_in_every_form(desk: Api, name: str) -> None:
    told = await report(desk, name)
    page = await ask(desk, name, format="html", as_of=told["as_of"])
    assert told["sha256"] in page.text
    assert "style-src 'sha256-" in page.headers["content-security-policy"]
    table = await ask(desk, name, format="csv", as_of=told["as_of"])
    header, *rows = csv.reader(io.StringIO(table.text))
    assert header == list(REPORTS[name].columns)
    assert len(rows) == len(told["rows"])


def test_the_document_names_every_form() -> None:
    asked = document()["paths"]["/v1/reports/{report}"]["get"]
    assert {each.media_type.split(";")[0] for each in FORMS.values()} == set(asked["responses"]["200"]["content"])


async def test_the_list_says_what_each_report_is_for(desk: Api) -> None:
    answer = await desk.http.get("/v1/reports", headers=await desk.staff("supervisor"))
    assert {each["name"]: each["basis"] for each in answer.json()["items"]} == {
        name: each.basis for name, each in REPORTS.items()
    }
    assert (await ask(desk, "nothing")).status_code == 404
    assert (await ask(desk, "complaints", by="agent")).status_code in (401, 403)
    wrong = await ask(desk, "complaints", period="2026", **{"from": "2026-01-01T00:00:00Z"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "query:period")
    for period in ("2026-13", "0000", "x", "2026-Q3\n"):
        none = (await ask(desk, "complaints", period=period)).json()["errors"]
        assert none == [{"pointer": "query:period", "detail": "is none: write 2026, 2026-Q3 or 2026-09"}]


async def test_the_command_makes_the_same_report(stack: Stack, desk: Api, bank: Neighbour) -> None:
    told = await report(desk, "reg_e_clocks", as_of=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    options = ("--tenant", bank.slug, "--as-of", told["as_of"])
    home = {"HELIOS_HOME": str(stack.servers.home.root)}
    ended = await running_helios("report", "reg_e_clocks", *options, env=home)
    assert (ended.returncode, json.loads(ended.stdout)) == (0, told)


async def test_where_it_cannot_be_written_no_report_is_made(
    stack: Stack, admin: asyncpg.Connection, bank: Neighbour, tmp_path: Path
) -> None:
    made = "SELECT count(*) FROM audits WHERE action = 'report.made' AND tenant_id = $1"
    before = await admin.fetchval(made, bank.tenant_id)
    for out, said in ((tmp_path / "none" / "x", "its folder is not there"), (tmp_path, "it is a folder")):
        options = ("--tenant", bank.slug, "--out", str(out))
        ended = await running_helios(
            "report", "complaints", *options, env={"HELIOS_HOME": str(stack.servers.home.root)}
        )
        assert (ended.returncode, ended.stderr) == (1, f"{out} cannot be written: {said}.\n")
    assert await admin.fetchval(made, bank.tenant_id) == before
