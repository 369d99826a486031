"""A tenant's settings: strict, in versions, safe from lost updates, and in force in the turns that follow."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from activities.promises import due_at
from helios.tenant_settings import OfficeHours, TenantSettings
from tests.api.problems import assert_problem
from tests.tenants.conftest import Bank


async def change(bank: Bank, version: int, role: str = "admin", **body: Any) -> httpx.Response:
    headers = {"If-Match": f'"{version}"'}
    return await bank.ask("PATCH", f"/v1/tenants/{bank.id}/settings", role, json=body, headers=headers)


async def test_settings_are_read_changed_and_kept_in_versions(bank: Bank) -> None:
    path = f"/v1/tenants/{bank.id}/settings"
    first = await bank.ask("GET", path, "auditor")
    assert first.headers["etag"] == '"1"'
    assert TenantSettings.model_validate(first.json()["settings"]) == TenantSettings()
    changed = await change(bank, 1, link_domains=["bank.example"], limits={"customer": 30})
    assert changed.status_code == 200, changed.text
    assert changed.headers["etag"] == '"2"'
    assert changed.json() == (await bank.ask("GET", path)).json()
    assert changed.json()["settings"]["limits"]["customer"] == 30
    back = await change(bank, 2, link_domains=None)
    assert back.json()["settings"]["link_domains"] == []
    assert back.json()["settings"]["limits"]["customer"] == 30
    same = await change(bank, 3, link_domains=[])
    assert same.json()["version"] == 3
    versions = (await bank.ask("GET", f"{path}/versions")).json()["items"]
    assert [(each["version"], each["settings"]) for each in versions] == [
        (3, {"limits": {"customer": 30}}),
        (2, {"link_domains": ["bank.example"], "limits": {"customer": 30}}),
        (1, {}),
    ]
    assert versions[0]["changed_by"] == bank.user("admin")
    events = await bank.events("tenant.settings_changed")
    assert [each["detail"] for each in events] == [
        {"version": 3, "changed": ["link_domains"]},
        {"version": 2, "changed": ["limits", "link_domains"]},
    ]


async def test_of_two_changes_to_the_same_version_one_is_refused(bank: Bank) -> None:
    changes = [change(bank, 1, languages=[language]) for language in ("de", "es", "fr", "it")]
    answers = await asyncio.gather(*changes)
    assert sorted(each.status_code for each in answers) == [200, 412, 412, 412]
    assert_problem(await change(bank, 1, languages=["en"]), code="precondition_failed")
    path = f"/v1/tenants/{bank.id}/settings"
    assert_problem(await bank.ask("PATCH", path, json={}), code="precondition_required")
    for wrong in ('W/"2"', "2", "*", '"02"', ""):
        assert_problem(await bank.ask("PATCH", path, json={}, headers={"If-Match": wrong}), 412)
    for role in ("supervisor", "agent", "auditor"):
        assert_problem(await change(bank, 2, role, languages=["en"]), code="forbidden")


WRONG: list[tuple[str, Any]] = [
    ("languages", []),
    ("languages", ["english"]),
    ("languages", ["en", "en"]),
    ("hours", {"zone": "Mars/Olympus"}),
    ("hours", {"opens": "18:00", "closes": "08:00"}),
    ("hours", {"opens": "8:00"}),
    ("hours", {"weekdays": [7]}),
    ("hours", {"weekdays": []}),
    ("hours", {"country": "XX"}),
    ("hours", {"closed_on": ["2026-02-30"]}),
    ("hours", {"lunch": "12:00"}),
    ("disclosure", {"en": "Hello, I am Maya from the bank."}),
    ("disclosure", {"en": "An AI of {tenant}"}),
    ("disclosure", {"en": "An AI of {bank"}),
    ("disclosure", {"en": "An AI {0}"}),
    ("disclosure", {"en": "An AI\x00"}),
    ("disclosure", {"english": "An AI answers"}),
    ("semantic_cache", {"enabled": "yes"}),
    ("semantic_cache", {"nearness_least": 0.5}),
    ("semantic_cache", {"kept_days": 91}),
    ("retention", {"communications": 2}),
    ("retention", {"books": 5}),
    ("retention", {"books": 31}),
    ("link_domains", ["https://bank.example"]),
    ("link_domains", ["*"]),
    ("link_domains", ["localhost"]),
    ("link_domains", ["bank.example/x"]),
    ("allowed_origins", ["*"]),
    ("allowed_origins", ["null"]),
    ("allowed_origins", ["https://bank.example/"]),
    ("allowed_origins", ["javascript://x"]),
    ("generators", ["gpt"]),
    ("generators", ["offline", "offline"]),
    ("limits", {"tenant": 0}),
    ("limits", {"tenant": "many"}),
    ("self_registration", "yes"),
    ("mfa_required_roles", ["customer"]),
    ("demo", True),
    ("nothing", 1),
]


async def test_settings_that_are_none_are_refused(bank: Bank) -> None:
    for name, value in WRONG:
        assert_problem(await change(bank, 1, **{name: value}), code="invalid_request", why=(name, value))
    assert (await bank.ask("GET", f"/v1/tenants/{bank.id}/settings")).headers["etag"] == '"1"'


@pytest.mark.parametrize(("name", "value"), [each for each in WRONG if each[0] not in ("demo", "nothing")])
def test_the_model_itself_refuses_them(name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        TenantSettings.model_validate({name: value})


async def test_the_next_conversation_begins_with_the_tenants_own_disclosure(bank: Bank) -> None:
    own = "Guten Tag. Hier antwortet die KI der {bank}."
    assert (await change(bank, 1, languages=["de", "en"], disclosure={"de": own})).status_code == 200
    spoken = {}
    for locale in ("de-AT", "en", "fr", None):
        customer = await (await bank.api.customer()).open(**({"locale": locale} if locale else {}))
        notice = (await customer.messages())[0]
        spoken[locale] = (notice["language"], notice["content"])
    german = ("de", own.format(bank=bank.tenant.name))
    assert spoken["de-AT"] == spoken["fr"] == spoken[None] == german
    assert spoken["en"][0] == "en"
    assert "AI" in spoken["en"][1]


async def test_a_generator_that_the_tenant_does_not_name_never_sees_its_text(bank: Bank) -> None:
    """This stack has `offline` only: a tenant that wants another gets a person, not the wrong model."""
    assert (await change(bank, 1, generators=["anthropic"])).status_code == 200
    customer = await (await bank.api.customer()).open()
    answer = await customer.say("What does a replacement card cost?")
    assert answer.json()["outcome"] == "escalated", answer.text
    provenance = await bank.ask("GET", f"{customer.path}/provenance", "supervisor")
    assert provenance.json()["turns"][0]["generation"] == {}


def test_the_chain_keeps_the_tenants_order() -> None:
    assert TenantSettings().chain(("openai", "offline")) == ["openai", "offline"]
    wanted = TenantSettings(generators=("offline", "anthropic", "openai"))
    assert wanted.chain(("openai", "offline")) == ["offline", "openai"]
    assert TenantSettings(generators=("anthropic",)).chain(("openai", "offline")) == []


async def test_an_escalation_is_due_in_the_tenants_office_hours(bank: Bank) -> None:
    everyday = {"zone": "Asia/Tokyo", "opens": "00:00", "closes": "00:01", "weekdays": [0, 1, 2, 3, 4, 5, 6]}
    assert (await change(bank, 1, hours={**everyday, "country": "JP"})).status_code == 200
    customer = await (await bank.api.customer()).open()
    assert (await customer.say("I want to talk to a human being, please.")).json()["outcome"] == "escalated"
    escalation = (await bank.ask("GET", "/v1/escalations", "agent")).json()["items"][0]
    opened, due = (datetime.fromisoformat(escalation[name]) for name in ("opened_at", "due_at"))
    hours = OfficeHours.model_validate({**everyday, "country": "JP"})
    assert abs((due - due_at(escalation["priority"], opened, hours)).total_seconds()) < 1
    # A minute a day: hours of open time take months.
    assert (due - datetime.now(UTC)).days > 30
