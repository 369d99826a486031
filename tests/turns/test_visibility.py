"""Ops list conversations in Temporal by what they are and read each like a story, without a customer's word."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import Client, WorkflowExecution

from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from helios.settings import Settings
from helios.temporal import connect
from schema.steps import conversation_workflow_id, escalation_workflow_id
from schema.visibility import KEYS
from tests.caller import Api, Customer

CHARGE = "There is a charge of 240 dollars on my card that I did not make."


@pytest.fixture
async def temporal(stack: Stack, keyring: Keyring) -> Client:
    return await connect(Settings(temporal_address=stack.servers.temporal_address), keyring)


@pytest.fixture
async def customer(api: Api) -> Customer:
    return await (await api.customer()).open(channel="web")


async def listed(temporal: Client, workflow_id: str, query: str) -> WorkflowExecution:
    """The workflow, once the query finds it: what the server lists is a moment behind what it does."""
    async with asyncio.timeout(20):
        while True:
            found = [each async for each in temporal.list_workflows(f"WorkflowId = '{workflow_id}' AND {query}")]
            if found:
                return found[0]
            await asyncio.sleep(0.1)


async def story(temporal: Client, workflow_id: str) -> str:
    metadata: Any = await temporal.get_workflow_handle(workflow_id).query("__temporal_workflow_metadata")
    return str(metadata.current_details)


async def test_an_answered_conversation_is_found_by_all_that_it_is(
    temporal: Client, customer: Customer, tenant_id: UUID
) -> None:
    answer = await customer.say("What does it cost to send money abroad?")
    intent = answer.json()["reply"]["intent"]["name"]
    workflow_id = conversation_workflow_id(tenant_id, UUID(customer.conversation))
    found = await listed(
        temporal,
        workflow_id,
        f"HeliosTenant = '{tenant_id}' AND HeliosStatus = 'active' AND HeliosChannel = 'web' "
        f"AND HeliosIntent = '{intent}' AND HeliosEscalation IS NULL",
    )
    described = await temporal.get_workflow_handle(found.id).describe()
    assert await described.static_summary() == "A customer's conversation"
    assert f"turn 1 answered: {intent}" in await story(temporal, workflow_id)
    await customer.post("close")
    await listed(temporal, workflow_id, "HeliosStatus = 'closed' AND ExecutionStatus = 'Completed'")


async def test_an_escalation_is_found_with_its_conversation_until_it_is_closed(
    api: Api, temporal: Client, customer: Customer, tenant_id: UUID
) -> None:
    assert (await customer.say(CHARGE)).json()["outcome"] == "escalated"
    escalation = (await customer.get()).json()["escalation_id"]
    conversation = conversation_workflow_id(tenant_id, UUID(customer.conversation))
    itself = escalation_workflow_id(tenant_id, UUID(escalation))
    same = f"HeliosTenant = '{tenant_id}' AND HeliosEscalation = '{escalation}'"
    await listed(temporal, conversation, f"{same} AND HeliosStatus = 'waiting_human'")
    await listed(temporal, itself, f"{same} AND HeliosStatus = 'open' AND HeliosChannel = 'web'")
    agent = await api.staff("agent")
    await api.http.post(f"/v1/escalations/{escalation}/claim", headers=agent)
    await listed(temporal, itself, f"{same} AND HeliosStatus = 'claimed'")
    ended = await api.http.post(f"/v1/escalations/{escalation}/decision", json={"action": "resolve"}, headers=agent)
    assert ended.status_code == 200, ended.text
    await listed(temporal, itself, f"{same} AND HeliosStatus = 'closed'")
    await listed(temporal, conversation, "HeliosStatus = 'active' AND HeliosEscalation IS NULL")
    told = await story(temporal, conversation)
    assert f"a person is asked: escalation {escalation}" in told
    assert "the AI goes on" in told


async def test_free_text_of_a_client_is_not_shown(temporal: Client, api: Api, tenant_id: UUID) -> None:
    customer = await (await api.customer()).open(channel="Jane Roe's telephone")
    await customer.say("How do I block my card?")
    workflow_id = conversation_workflow_id(tenant_id, UUID(customer.conversation))
    found = await listed(temporal, workflow_id, "HeliosChannel = 'other'")
    shown = {pair.key.name for pair in found.typed_search_attributes}
    assert {name for name in shown if name.startswith("Helios")} <= {key.name for key in KEYS}
    assert "Jane" not in str(found.typed_search_attributes)
