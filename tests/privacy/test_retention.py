"""What has been kept long enough goes, by the schedule; what is held, or younger, stays."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from temporalio.client import Client

from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from helios.settings import Settings
from helios.temporal import connect
from schema.privacy import retention_id
from tests.caller import Api, Customer
from tests.examiner.test_replay import replay
from tests.privacy.test_erasure import erase
from tests.reports.keeping import kept_report

RETENTION = "/v1/privacy/retention"


async def closed(api: Api) -> Customer:
    customer = await (await api.customer()).open()
    await customer.say("What does a replacement card cost?")
    assert (await customer.post("close")).status_code == 200
    return customer


async def run_schedule(stack: Stack, keyring: Keyring, schedule_id: str) -> None:
    """Triggers it and waits for its run."""
    settings = Settings(temporal_address=stack.servers.temporal_address)
    client: Client = await connect(settings, keyring)
    schedule = client.get_schedule_handle(schedule_id)
    seen = (await schedule.describe()).info.num_actions
    await schedule.trigger()
    async with asyncio.timeout(60):
        while (about := (await schedule.describe()).info).num_actions == seen or about.running_actions:
            await asyncio.sleep(0.2)


async def test_what_is_due_goes_and_what_is_held_stays(
    stack: Stack, api: Api, database: Database, keyring: Keyring, tenant_id: UUID
) -> None:
    report = await kept_report(database, keyring.root, tenant_id, "2020-01")
    old, held, young, gone = [await closed(api) for _ in range(4)]
    officer, admin = await api.staff("compliance_officer"), await asyncpg.connect(stack.servers.admin_dsn)
    body = {"customer_id": held.id, "matter": "Case 26-1030"}
    hold = await api.http.post("/v1/privacy/legal-holds", json=body, headers=officer)
    assert hold.status_code == 201
    await erase(api, gone.id)
    try:
        back = "UPDATE threads SET closed_at = now() - interval '4 years' WHERE id = ANY($1::uuid[])"
        await admin.execute(back, [old.conversation, held.conversation])
        await admin.execute(
            "UPDATE statutory_records SET retain_until = now() WHERE customer_id = $1::text::uuid", gone.id
        )
    finally:
        await admin.close()
    await run_schedule(stack, keyring, retention_id(tenant_id))
    supervisor = await api.staff("supervisor")

    async def messages(customer: Customer) -> list[Any]:
        return list((await api.http.get(f"{customer.path}/messages", headers=supervisor)).json()["items"])

    assert await messages(old) == []
    assert await messages(held)
    assert await messages(young)
    listed = await api.http.get("/v1/privacy/records", params={"customer_id": gone.id}, headers=officer)
    (record,) = listed.json()["items"]
    assert record["destroyed_at"]
    code, out = await replay(stack, old.conversation)
    assert (code, "Retention deleted the customer's words on" in out, "were erased" in out) == (0, True, False), out
    told = json.loads((await replay(stack, old.conversation, "--json"))[1])
    assert (told["expired"], bool(told["erased_at"])) == (True, True)
    shown = await api.http.get(f"/v1/privacy/records/{record['id']}", headers=officer)
    assert shown.json()["content"] is None
    read = await api.http.get(f"/v1/scheduled-reports/{report}", headers=officer)
    assert (read.status_code, read.json()["code"]) == (410, "report_expired")
    tombstones = {
        "conversation.expired": old.conversation,
        "statutory_record.destroyed": record["id"],
        "report.destroyed": report,
    }
    for action, subject in tombstones.items():
        where = {"action": action, "subject_id": subject}
        assert len((await api.http.get("/v1/audit/events", params=where, headers=officer)).json()["items"]) == 1


@pytest.mark.parametrize(
    ("years", "pointer"),
    [
        ({"communications": 2}, "/communications"),
        ({"books": 5}, "/books"),
        ({"unheard_of": 9}, ""),
        ({"complaints": "4"}, "/complaints"),
    ],
)
async def test_retention_does_not_go_below_what_regulation_asks(api: Api, years: dict[str, Any], pointer: str) -> None:
    refused = await api.http.put(RETENTION, json=years, headers=await api.staff("compliance_officer"))
    assert refused.status_code == 422, refused.text
    assert [each["pointer"] for each in refused.json()["errors"]] == [pointer]


async def test_retention_is_set_by_class_and_read_again(api: Api) -> None:
    officer = await api.staff("compliance_officer")
    set_to = await api.http.put(RETENTION, json={"complaints": 9}, headers=officer)
    read = (await api.http.get(RETENTION, headers=await api.staff("auditor"))).json()
    assert set_to.json() == read
    assert (read["years"]["complaints"], read["at_least"]["complaints"]) == (9, 4)
    assert (await api.http.put(RETENTION, json={}, headers=officer)).json()["years"]["complaints"] == 4
