"""`helios replay`: what happened agrees; what was changed afterwards, in the record or in the code, shows."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from temporalio import workflow
from temporalio.client import Client

from helios.crypto import RootKey
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.examiner.replay import examine
from helios.keyring import Keyring
from helios.temporal import connect
from schema.steps import CONVERSATION_WORKFLOW, ConversationState
from tests.caller import Api, Customer
from tests.commanding import running_helios
from workflows.conversation import ConversationWorkflow
from workflows.escalation import EscalationWorkflow

WORKFLOWS = (ConversationWorkflow, EscalationWorkflow)


@workflow.defn(name=CONVERSATION_WORKFLOW)
class HastyConversation(ConversationWorkflow):
    """Decides otherwise: it asks nobody before it goes."""

    @workflow.init
    def __init__(self, state: ConversationState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: ConversationState) -> None:
        await workflow.sleep(1)


@pytest.fixture(scope="module")
async def client(stack: Stack, keyring: Keyring) -> Client:
    from helios.settings import Settings

    servers = stack.servers
    config = Settings(temporal_address=servers.temporal_address, temporal_namespace=servers.temporal_namespace)
    return await connect(config, keyring)


@pytest.fixture(scope="module")
async def customer(api: Api) -> Customer:
    """Who asked something, and then reported a charge, which an agent answered."""
    made = await (await api.customer()).open()
    assert (await made.say("What does a replacement card cost?")).json()["outcome"] == "answered"
    assert (await made.say("There is a charge of 80 dollars that I did not make")).json()["outcome"] == "escalated"
    agent = await api.staff("agent")
    escalation = (await made.get()).json()["escalation_id"]
    for path, body in (("claim", {}), ("decision", {"action": "respond", "content": "We look into it."})):
        answer = await api.http.post(f"/v1/escalations/{escalation}/{path}", json=body, headers=agent)
        assert answer.status_code == 200, answer.text
    return made


async def test_what_happened_agrees_and_names_what_it_rested_on(
    client: Client, database: Database, keyring: Keyring, tenant_id: Any, customer: Customer
) -> None:
    found = await examine(client, database, keyring, WORKFLOWS, tenant_id, UUID(customer.conversation))
    assert found.agrees, found
    assert [turn.history for turn in found.turns] == ["agrees", "agrees"]
    assert [run.failure for run in found.runs] == [None, None]
    assert all(run.builds for run in found.runs)
    answered, escalated = found.turns
    assert answered.record["citations"]
    assert answered.record["prompt_hash"]
    assert (escalated.record["outcome"], escalated.record["situation"]) == ("escalated", 1)
    assert [person["action"] for person in escalated.people] == ["respond"]


async def test_a_record_that_was_changed_differs(
    stack: Stack, client: Client, database: Database, keyring: Keyring, tenant_id: Any, customer: Customer
) -> None:
    admin = await asyncpg.connect(stack.servers.admin_dsn)
    change = "UPDATE turns SET record = jsonb_set(record, '{situations}', $2) WHERE conversation_id = $1 AND number = 2"
    try:
        await admin.execute(change, UUID(customer.conversation), "[]")
        found = await examine(client, database, keyring, WORKFLOWS, tenant_id, UUID(customer.conversation))
    finally:
        await admin.execute(change, UUID(customer.conversation), "[1]")
        await admin.close()
    assert not found.agrees
    assert found.turns[1].differences == ("situations: the history says [1], the record []",)


async def test_code_that_would_decide_otherwise_fails(
    client: Client, database: Database, keyring: Keyring, tenant_id: Any, customer: Customer
) -> None:
    changed = (HastyConversation, EscalationWorkflow)
    found = await examine(client, database, keyring, changed, tenant_id, UUID(customer.conversation))
    assert not found.agrees
    assert [run.failure is None for run in found.runs] == [False, True]


async def test_a_shredded_history_is_said_to_be_shredded(
    client: Client, database: Database, tenant_id: Any, customer: Customer
) -> None:
    lost = Keyring(RootKey(b"l" * 32), database)
    found = await examine(client, database, lost, WORKFLOWS, tenant_id, UUID(customer.conversation))
    assert [turn.history for turn in found.turns] == ["shredded", "shredded"]
    assert found.turns[0].record["outcome"] == "answered"


async def test_a_conversation_without_history_has_its_record_only(
    client: Client, database: Database, keyring: Keyring, tenant_id: Any, api: Api
) -> None:
    silent = await (await api.customer()).open()
    found = await examine(client, database, keyring, WORKFLOWS, tenant_id, UUID(silent.conversation))
    assert (found.runs, found.turns, found.agrees) == ((), (), True)


async def test_the_command_shows_it(stack: Stack, customer: Customer) -> None:
    code, out = await replay(stack, customer.conversation, "--json")
    assert (code, json.loads(out)["agrees"]) == (0, True)
    code, out = await replay(stack, customer.conversation)
    assert code == 0
    assert "Turn 2: escalated" in out
    for words, said in (([str(uuid4())], "There is no conversation"), (["x"], "invalid UUID value"), ([], "usage:")):
        code, out = await replay(stack, *words)
        assert (code, said in out) == (64, True), out  # 1 would be a finding


async def test_an_auditor_sees_it_over_the_api(api: Api, customer: Customer) -> None:
    path = f"{customer.path}/replay"
    found = await api.http.get(path, headers=await api.staff("auditor"))
    assert found.status_code == 200, found.text
    assert (found.json()["agrees"], [turn["turn"] for turn in found.json()["turns"]]) == (True, [1, 2])
    assert "replacement card" not in found.text
    assert (await api.http.get(path, headers=await api.staff("agent"))).status_code == 403


async def test_one_is_replayed_at_a_time(api: Api, customer: Customer) -> None:
    auditor = await api.staff("auditor")
    answers = await asyncio.gather(*(api.http.get(f"{customer.path}/replay", headers=auditor) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 503, 503]
    assert {answer.headers.get("retry-after") for answer in answers} == {None, "10"}


async def replay(stack: Stack, *arguments: str) -> tuple[int | None, str]:
    environment = {**os.environ, "HELIOS_HOME": str(stack.servers.home.root), "HELIOS_POSTGRES_DSN": ""}
    ended = await running_helios("replay", *arguments, env=environment)
    return ended.returncode, ended.stdout + ended.stderr
