"""What a caller puts where nobody expects it is readable in no store: paths, headers, refused bodies, Temporal."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
import websockets
from temporalio.client import RPCError, WorkflowQueryFailedError, WorkflowUpdateFailedError

from helios import logs
from helios.commands.searching import places_with
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from helios.settings import Settings
from helios.temporal import connect
from schema.steps import conversation_workflow_id
from tests.api.test_passwords import Codes, code_of, letters, mailed
from tests.caller import Api, Customer
from tests.neighbour import PASSWORD

__all__ = ["letters", "mailed"]

HEADERS = ("X-Request-ID", "User-Agent", "Referer", "Origin", "Accept-Language", "traceparent", "Forwarded",
           "X-Forwarded-For", "Last-Event-ID", "Cookie", "Authorization", "X-API-Key")  # fmt: skip


class Words:
    """A word of its own for each place, so that what is found says where it came in."""

    def __init__(self) -> None:
        self.beginning = f"zaunkoenig{uuid4().hex[:8]}"
        self.made: list[str] = []

    def at(self, place: str) -> str:
        self.made.append(f"{self.beginning}{place.lower()}")
        return self.made[-1]


async def test_what_comes_in_by_the_back_door_is_readable_nowhere(
    stack: Stack, api: Api, keyring: Keyring, tenant_id: UUID
) -> None:
    words = Words()
    customer = await (await api.customer(words.at("external"), display_name=words.at("name"))).open()
    await in_paths_and_headers(api, customer, words)
    await in_bodies(api, customer, words)
    await in_a_socket(stack, api, customer, words)
    await in_temporal(stack, keyring, conversation_workflow_id(tenant_id, UUID(customer.conversation)), words)
    if await places_with(stack, words.beginning):
        assert {word: found for word in words.made if (found := await places_with(stack, word))} == {}


async def test_who_staff_are_is_readable_nowhere(stack: Stack, api: Api, mailed: Codes) -> None:
    """From the invitation on: what signs in, is listed, searched, renamed, reported and shown to a customer. Mail is
    read by whom it is for, and on this stack lies in a folder."""
    words, admin = Words(), await api.staff("admin")
    email = f"{words.at('address')}@{words.at('host')}.example"
    await api.http.post("/v1/users", json={"email": email, "roles": ["agent", "supervisor"]}, headers=admin)
    account = {"invitation": await code_of(mailed, email), "display_name": words.at("first"), "password": PASSWORD}
    registered = (await api.http.post("/v1/auth/register", json=account)).json()
    known = {"tenant": api.demo["tenant"], "email": email}
    await api.http.post("/v1/auth/login", json={**known, "password": "not the password"})
    tokens = (await api.http.post("/v1/auth/login", json={**known, "password": PASSWORD})).json()
    me = {"Authorization": f"Bearer {tokens['access_token']}"}
    name, path = words.at("renamed"), f"/v1/users/{registered['id']}"
    assert (await api.http.patch(path, json={"display_name": name}, headers=admin)).json()["display_name"] == name
    (found,) = (await api.http.get("/v1/users", params={"search": name[3:]}, headers=admin)).json()["items"]
    assert found["email"] == email
    assert (await api.http.post("/v1/auth/mfa/totp", headers=me)).status_code == 201
    assert (await api.http.post("/v1/auth/password/reset-request", json=known)).status_code == 202
    await code_of(mailed, email, 2)
    await takes_a_case(api, me, name)
    report = await api.http.get("/v1/reports/access_review", headers=await api.staff("compliance_officer"))
    assert email in report.text
    places = [place for place in await places_with(stack, words.beginning) if not place.startswith("mail/")]
    assert places == [], [word for word in words.made if await places_with(stack, word)]


async def takes_a_case(api: Api, me: dict[str, str], name: str) -> None:
    """The customer reads the name, live and from the beginning."""
    customer = await (await api.customer()).open()
    assert (await customer.say("I want to talk to a human, please.")).json()["outcome"] == "escalated"
    escalation = (await customer.get()).json()["escalation_id"]
    claimed = await api.http.post(f"/v1/escalations/{escalation}/claim", headers=me)
    assert claimed.status_code == 200, claimed.text
    async with asyncio.timeout(30):
        async for event in customer.events():
            if event.type == "escalation.claimed":
                assert event.data["agent_display_name"] == name
                assert "agent_id" not in event.data
                break


async def in_paths_and_headers(api: Api, customer: Customer, words: Words) -> None:
    at, get = words.at, api.http.get
    for path in (
        f"/v1/conversations/{at('path')}",
        f"/v1/{at('route')}",
        f"/v1/conversations?cursor={at('cursor')}&{at('name')}=1",
        f"{customer.path}/events?after={at('after')}",
    ):
        assert (await get(path, headers=customer.headers)).status_code >= 400
    assert (await get(f"{customer.path}/events?ticket={at('ticket')}")).status_code == 401
    for name in HEADERS:
        await get(customer.path, headers={**customer.headers, name: at(name)})
    officer = await api.staff("compliance_officer")
    await get(f"/v1/audit/events?action={at('action')}", headers=officer)


async def in_bodies(api: Api, customer: Customer, words: Words) -> None:
    at = words.at
    login = {"tenant": api.demo["tenant"], "email": f"{at('mail')}@{at('host')}.example", "password": at("password")}
    idempotent = {**customer.headers, "Idempotency-Key": at("idempotency")}
    sent: tuple[tuple[str, dict[str, str], Any], ...] = (
        ("/v1/auth/login", {}, login),
        ("/v1/auth/password/reset-request", {}, {name: login[name] for name in ("tenant", "email")}),
        ("/v1/auth/refresh", {}, {"refresh_token": at("refresh")}),
        ("/v1/conversations", idempotent, {"metadata": {at("key"): at("value")}}),
        ("/v1/conversations", customer.headers, {at("field"): at("refused")}),
        (f"{customer.path}/messages", customer.headers, {"content": [at("list")]}),
        (
            f"{customer.path}/messages",
            customer.headers,
            {"content": f"{at('gap')} quux?", "client_message_id": at("id")},
        ),
        (f"{customer.path}/feedback", customer.headers, {"rating": 2, "comment": at("comment")}),
        ("/v1/knowledge/search", await api.staff("admin"), {"query": f"fees {at('query')}"}),
        ("/v1/redaction-rules/try", await api.staff("compliance_officer"), {"text": at("tried")}),
        ("/codec/decode", {}, {"payloads": [{"metadata": {}, "data": at("payload")}]}),
    )
    for path, headers, body in sent:
        await api.http.post(path, headers=headers, json=body)
    broken = {**customer.headers, "Content-Type": "application/json"}
    await api.http.post("/v1/conversations", headers=broken, content=f'{{"x": {at("broken")}')


async def in_a_socket(stack: Stack, api: Api, customer: Customer, words: Words) -> None:
    asked = {"conversation_id": customer.conversation}
    made = await api.http.post("/v1/auth/stream-tickets", headers=customer.headers, json=asked)
    url = stack.servers.api_url.replace("http", "ws")
    said = {
        "type": "message",
        "content": f"Which fees are there, {words.at('said')}?",
        "client_message_id": words.at("ws"),
    }
    async with websockets.connect(f"{url}{customer.path}/ws?ticket={made.json()['ticket']}") as socket:
        for frame in (words.at("frame"), json.dumps({"type": words.at("type")}), json.dumps(said)):
            await socket.send(frame)
        async with asyncio.timeout(30):
            while json.loads(await socket.recv())["type"] != "turn.completed":
                pass


async def in_temporal(stack: Stack, keyring: Keyring, workflow_id: str, words: Words) -> None:
    """By somebody with Temporal's tools and our codec, who types what no workflow knows."""
    servers = stack.servers
    config = Settings(temporal_address=servers.temporal_address, temporal_namespace=servers.temporal_namespace)
    handle = (await connect(config, keyring)).get_workflow_handle(workflow_id)
    for call in (
        handle.query("get_state", words.at("query")),
        handle.execute_update("decide", words.at("update")),
        handle.signal("post_message", words.at("signal")),
    ):
        with suppress(RPCError, WorkflowQueryFailedError, WorkflowUpdateFailedError):
            await asyncio.wait_for(call, 10)


def test_a_librarys_record_that_quotes_what_a_task_failed_of_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """As asyncio writes it when nobody looked at the task."""
    root, level = logging.getLogger(), logging.getLogger().level
    handlers = root.handlers
    try:
        logs.configure("info", "test")
        quoted = "Task exception was never retrieved\nfuture: <Task exception=ValueError('zaunkoenig')>"
        logging.getLogger("asyncio").error(quoted)
    finally:
        root.handlers = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    said = capsys.readouterr().err
    assert "Task exception was never retrieved" in said
    assert "zaunkoenig" not in said
