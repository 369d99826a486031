"""The Temporal UI reads payloads through the codec server: signed in, of one's own tenant, each look noted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from temporalio.api.common.v1 import Payload
from temporalio.converter import WorkflowSerializationContext

from helios.codec import EncryptionCodec
from helios.customer_keys import destroy
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from schema.steps import conversation_workflow_id
from tests.api.problems import assert_problem
from tests.browser import chromium
from tests.caller import Api
from tests.neighbour import Neighbour

SAID = Payload(metadata={"encoding": b"json/plain"}, data=b'{"turn":1}')
EVENTS = "SELECT * FROM audits WHERE tenant_id = $1 AND action = 'payloads.decoded' ORDER BY id DESC"


async def sealed(keyring: Keyring, workflow_id: str) -> Payload:
    context = WorkflowSerializationContext(namespace="default", workflow_id=workflow_id)
    (made,) = await EncryptionCodec(keyring).with_context(context).encode([SAID])
    return made


async def decode(
    api: Api, payloads: Sequence[Payload | dict[str, Any]], headers: dict[str, str] | None = None
) -> httpx.Response:
    body = {"payloads": [MessageToDict(each) if isinstance(each, Payload) else each for each in payloads]}
    return await api.http.post("/codec/decode?preserveStorageRefs=true", json=body, headers=headers)


async def test_the_stack_names_a_codec_server_that_its_ui_may_ask(stack: Stack, api: Api) -> None:
    description = stack.description()
    assert description["codec_url"] == f"{description['api_url']}/codec"
    async with httpx.AsyncClient() as http:
        known = (await http.get(f"{description['temporal_ui_url']}/api/v1/settings")).json()
    assert known["Codec"]["Endpoint"] == description["codec_url"]
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-namespace"}
    ui = await api.http.options("/codec/decode", headers={"Origin": description["temporal_ui_url"], **asks})
    assert ui.status_code == 204
    assert ui.headers["access-control-allow-origin"] == description["temporal_ui_url"]
    assert ui.headers["access-control-allow-credentials"] == "true"
    other = await api.http.options("/codec/decode", headers={"Origin": "https://evil.example", **asks})
    assert_problem(other, 403, code="origin_not_allowed")
    assert "access-control-allow-origin" not in other.headers


async def test_who_may_read_reads_and_is_noted(
    stack: Stack, api: Api, keyring: Keyring, admin: asyncpg.Connection, tenant_id: UUID
) -> None:
    customer = await (await api.customer()).open()
    workflow_id = conversation_workflow_id(tenant_id, UUID(customer.conversation))
    auditor = await api.staff("auditor")
    answer = await decode(api, [await sealed(keyring, workflow_id), SAID], auditor)
    assert answer.json() == {"payloads": [MessageToDict(SAID)] * 2}
    event = await admin.fetchrow(EVENTS, tenant_id)
    assert (event["subject_type"], str(event["subject_id"])) == ("conversation", customer.conversation)
    me = (await api.http.get("/v1/auth/me", headers=auditor)).json()
    assert (event["actor_type"], str(event["actor_id"])) == ("user", me["id"])
    assert json.loads(event["detail"]) == {"workflows": [workflow_id], "payloads": 1, "erased": 0}


async def test_the_cookie_is_good_from_the_ui_only(stack: Stack, api: Api, keyring: Keyring, tenant_id: UUID) -> None:
    opened = await api.http.post("/codec/session", headers=await api.staff("auditor"))
    assert opened.status_code == 204
    cookie = opened.headers["set-cookie"]
    assert {"HttpOnly", "Path=/codec", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    payload = await sealed(keyring, conversation_workflow_id(tenant_id, uuid4()))
    brought = {"Cookie": cookie.split(";")[0]}
    ui = stack.description()["temporal_ui_url"]
    seen = await decode(api, [payload], {**brought, "Origin": ui})
    assert (seen.status_code, seen.headers["access-control-allow-origin"]) == (200, ui)
    for origin in ({}, {"Origin": "https://evil.example"}, {"Origin": stack.description()["api_url"]}):
        refused = await decode(api, [payload], {**brought, **origin})
        assert_problem(refused, 401, code="unauthenticated")
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("role", ["agent", "supervisor", "analyst", "knowledge_editor"])
async def test_other_roles_read_nothing(api: Api, keyring: Keyring, tenant_id: UUID, role: str) -> None:
    payload = await sealed(keyring, conversation_workflow_id(tenant_id, uuid4()))
    assert_problem(await decode(api, [payload], await api.staff(role)), 403, code="forbidden")
    assert_problem(await api.http.post("/codec/session", headers=await api.staff(role)), 403, code="forbidden")


async def test_nobody_and_customers_read_nothing(api: Api, keyring: Keyring, tenant_id: UUID) -> None:
    payload = await sealed(keyring, conversation_workflow_id(tenant_id, uuid4()))
    assert_problem(await decode(api, [payload]), 401, code="unauthenticated")
    assert_problem(await decode(api, [payload], (await api.customer()).headers), 403, code="forbidden")


async def test_another_tenants_payload_does_not_exist(
    api: Api, keyring: Keyring, admin: asyncpg.Connection, tenant_id: UUID, neighbour: Neighbour
) -> None:
    mine = await sealed(keyring, conversation_workflow_id(tenant_id, uuid4()))
    theirs = await sealed(keyring, conversation_workflow_id(neighbour.tenant_id, uuid4()))
    before = len(await admin.fetch(EVENTS, tenant_id))
    answer = await decode(api, [mine, theirs], await api.staff("auditor"))
    assert_problem(answer, 404, code="not_found")
    renamed = Payload(metadata=dict(theirs.metadata), data=theirs.data)
    renamed.metadata["key-id"] = f"{tenant_id}:v1".encode()
    assert_problem(await decode(api, [renamed], await api.staff("auditor")), 422, code="invalid_request")
    assert len(await admin.fetch(EVENTS, tenant_id)) == before


async def test_a_payload_passed_off_as_another_workflows_is_refused(
    api: Api, keyring: Keyring, tenant_id: UUID
) -> None:
    payload = await sealed(keyring, conversation_workflow_id(tenant_id, uuid4()))
    payload.metadata["workflow-id"] = conversation_workflow_id(tenant_id, uuid4()).encode()
    assert_problem(await decode(api, [payload], await api.staff("auditor")), 422, code="invalid_request")


MALFORMED: list[Any] = [
    {"metadata": {"encoding": 7}},
    {"data": {"a": 1}},
    {"metadata": [1]},
    {"metadata": {"encoding": "YmluYXJ5L2hlbGlvcy1hZXMtZ2Nt"}, "data": "AAAA"},
    {"metadata": {"encoding": "YmluYXJ5L2hlbGlvcy1hZXMtZ2Nt", "key-id": "/w=="}, "data": "AAAA"},
]


@pytest.mark.parametrize("payload", MALFORMED)
async def test_what_is_no_payload_is_refused(api: Api, payload: dict[str, Any]) -> None:
    answer = await decode(api, [payload], await api.staff("auditor"))
    assert assert_problem(answer, 422, code="invalid_request")["errors"][0]["pointer"] == "/payloads/0"


async def test_too_much_is_refused(api: Api) -> None:
    auditor = await api.staff("auditor")
    assert_problem(await decode(api, [SAID] * 201, auditor), 422, code="invalid_request")
    large = Payload(metadata=dict(SAID.metadata), data=b"x" * 70_000)
    assert_problem(await decode(api, [large], auditor), 413, code="payload_too_large")


async def test_an_erased_customers_payload_says_so(
    api: Api, database: Database, keyring: Keyring, admin: asyncpg.Connection, tenant_id: UUID
) -> None:
    customer = await (await api.customer()).open()
    payload = await sealed(keyring, conversation_workflow_id(tenant_id, UUID(customer.conversation)))
    async with database.tenant(tenant_id) as connection:
        await destroy(connection, tenant_id, UUID(customer.id), "ops")
    # The API's process still holds the key: it has just sealed something of theirs.
    answer = await decode(api, [payload], await api.staff("auditor"))
    (shown,) = answer.json()["payloads"]
    assert shown["data"] != MessageToDict(SAID)["data"]
    assert "Erased" in ParseDict(shown, Payload()).data.decode()
    assert json.loads((await admin.fetchrow(EVENTS, tenant_id))["detail"])["erased"] == 1


async def test_the_page_tells_what_to_do_in_the_ui(stack: Stack, api: Api) -> None:
    description = stack.description()
    who = description["demo"]["users"]["auditor"]
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(description["codec_url"])
        await page.get_by_label("Tenant").fill(description["demo"]["tenant"])
        await page.get_by_label("E-mail").fill(who["email"])
        await page.get_by_label("Password").fill(who["password"])
        await page.get_by_role("button", name="Sign in").click()
        link = page.get_by_role("link", name="Temporal UI")
        await link.wait_for()
        assert (await link.get_attribute("href") or "").rstrip("/") == description["temporal_ui_url"].rstrip("/")
        assert await page.get_by_label("Paste this endpoint").input_value() == description["codec_url"]
        assert not await page.get_by_label("Password").is_visible()
        assert "Use my browser setting and ignore Cluster-level setting" in await page.inner_text("main")


async def test_what_the_ui_signals_is_left_as_it_is(api: Api) -> None:
    body = {"payloads": [MessageToDict(SAID)]}
    answer = await api.http.post("/codec/encode?preserveStorageRefs=true", json=body)
    assert (answer.status_code, answer.json()) == (200, body)
