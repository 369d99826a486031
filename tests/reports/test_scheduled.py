"""Reports that nobody asked for: made once when their period has ended, and kept sealed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from helios.crypto import CryptoError, TenantKeys
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from helios.reports import making
from helios.reports.catalogue import REPORTS
from helios.reports.scheduled import CONTENT, due, ended, make_next
from helios.tenant_settings import ReportSchedule, TenantSettings
from schema.reports import reports_id
from tests.caller import Api
from tests.neighbour import Neighbour, make_neighbour
from tests.privacy.test_retention import run_schedule
from tests.reports.keeping import kept_report

KEPT = "/v1/scheduled-reports"
NEW_YORK = ZoneInfo("America/New_York")
BORN = "UPDATE tenants SET created_at = $2 WHERE id = $1"


@pytest.fixture
async def bank(database: Database, keyring: Keyring) -> Neighbour:
    return await make_neighbour(database, keyring.root, ("auditor",))


@pytest.fixture
async def admin(stack: Stack) -> Any:
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    yield connection
    await connection.close()


async def listed(api: Api, **params: Any) -> list[dict[str, Any]]:
    answer = await api.http.get(KEPT, params={"limit": 200, **params}, headers=await api.staff("auditor"))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def events(api: Api, action: str, subject: str) -> list[dict[str, Any]]:
    where = {"action": action, "subject_id": subject}
    answer = await api.http.get("/v1/audit/events", params=where, headers=await api.staff("auditor"))
    return list(answer.json()["items"])


def test_the_setting_names_every_report_and_how_often_its_rule_asks_for_it() -> None:
    assert ReportSchedule().model_dump() == {name: report.every for name, report in REPORTS.items()}


@pytest.mark.parametrize(
    ("every", "now", "last"),
    [
        ("month", "2026-11-02T04:00:59Z", "2026-09"),  # its last minute is not settled
        ("month", "2026-11-02T04:01:00Z", "2026-10"),
        ("quarter", "2026-01-02T05:01:00Z", "2025-Q4"),
        ("quarter", "2026-03-31T12:00:00Z", "2025-Q4"),
    ],
)
def test_a_period_has_ended_when_a_day_later_all_is_known(every: Any, now: str, last: str) -> None:
    found = ended(every, NEW_YORK, datetime.fromisoformat(now))
    assert found[-1] == last
    assert len(found) == {"month": 12, "quarter": 4}[every]
    assert found == sorted(found)


def test_what_the_tenant_has_not_seen_or_does_not_want_is_not_due() -> None:
    settings = TenantSettings.of({"reports": {"complaints": "never", "data_requests": "quarter"}})
    since, now = datetime(2026, 8, 20, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC)
    found = {(report.name, period) for report, period in due(settings, since, now)}
    months = {"reg_e_clocks", "reg_z_clocks", "ai_oversight"}
    quarters = {"finra_4530", "data_requests", "access_review"}
    assert found == {(name, month) for name in months for month in ("2026-08", "2026-09", "2026-10")} | {
        (name, "2026-Q3") for name in quarters
    }


async def test_the_schedule_makes_each_once_as_it_can_be_made_again(
    stack: Stack, api: Api, admin: asyncpg.Connection, database: Database, keyring: Keyring, tenant_id: UUID
) -> None:
    """By the worker; an audit event has its digest. The same period, asked for with its `as_of`, has the same one."""
    born = await admin.fetchval("SELECT created_at FROM tenants WHERE id = $1", tenant_id)
    await admin.execute(BORN, tenant_id, born - timedelta(days=70))
    try:
        await run_schedule(stack, keyring, reports_id(tenant_id))
        assert not await make_next(database, await keyring.tenant(tenant_id))
    finally:
        await admin.execute(BORN, tenant_id, born)
    reader = await api.staff("auditor")
    made = await listed(api)
    assert {each["name"] for each in made} >= REPORTS.keys() - {"finra_4530", "access_review"}
    assert len({(each["name"], each["period"]) for each in made}) == len(made)
    one = next(each for each in made if each["name"] == "complaints")
    asked = {"period": one["period"], "as_of": one["as_of"]}
    again = (await api.http.get("/v1/reports/complaints", params=asked, headers=reader)).json()
    assert (await api.http.get(f"{KEPT}/{one['id']}", headers=reader)).json() == again
    assert (again["sha256"], again["settled"], again["to"]) == (one["sha256"], True, one["to"])
    for action in ("report.made", "report.read"):
        (event,) = await events(api, action, one["id"])
        assert event["detail"].get("sha256", one["sha256"]) == one["sha256"]
    for form, media in (("csv", "text/csv"), ("html", "text/html")):
        answer = await api.http.get(f"{KEPT}/{one['id']}", params={"format": form}, headers=reader)
        assert answer.headers["content-type"].startswith(media)
    assert (await api.http.get(KEPT, headers=await api.staff("agent"))).status_code == 403


async def test_a_kept_report_is_sealed_and_bound_to_its_row(
    stack: Stack, admin: asyncpg.Connection, database: Database, keyring: Keyring, bank: Neighbour
) -> None:
    first, second = [UUID(await kept_report(database, keyring.root, bank.tenant_id, each)) for each in ("2020", "2021")]
    stored = "SELECT content_ct FROM scheduled_reports WHERE id = $1"
    keys: TenantKeys = await keyring.tenant(bank.tenant_id)
    sealed = await admin.fetchval(stored, first)
    assert bank.name.encode() not in sealed
    assert keys.open_json(sealed, CONTENT, first)["tenant"] == bank.name
    with pytest.raises(CryptoError):
        keys.open_json(sealed, CONTENT, second)


async def test_one_that_is_too_long_says_so_and_keeps_no_other_waiting(
    stack: Stack, database: Database, keyring: Keyring, bank: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "ROWS_MAX", -1)
    kept = await kept_report(database, keyring.root, bank.tenant_id)
    async with bank.api(stack.servers.api_url) as api:
        reader = await api.staff("auditor")
        answer = await api.http.get(f"{KEPT}/{kept}", headers=reader)
        assert (answer.status_code, answer.json()["code"]) == (422, "report_too_long")
        assert [each["problem"] for each in await listed(api)] == ["report_too_long"]
        assert len(await events(api, "report.failed", kept)) == 1
