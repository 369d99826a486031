"""No answer rests on what is not in force any more: at retrieval, when passages are loaded, and at delivery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from temporalio.exceptions import ApplicationError

from activities import delivery
from activities.deciding import deliver_decision
from activities.resources import Resources
from helios import frames
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from helios.knowledge.retrieval import load_passages
from schema.steps import Deliver, ScoredPassage, TurnRef, Understanding
from tests.caller import Api, Customer
from tests.knowledge_editing import decide, publish, search

AUDIENCE = "premium"
UNDELIVER = (
    "UPDATE threads SET completed_turn = 0, updated_at = now() WHERE tenant_id = :t AND id = :c",
    "UPDATE turns SET outcome = NULL WHERE tenant_id = :t AND conversation_id = :c",
    "DELETE FROM analytics WHERE tenant_id = :t AND turn_id IN (SELECT reply_id FROM turns WHERE conversation_id = :c)",
    "DELETE FROM conversation_events WHERE tenant_id = :t AND conversation_id = :c AND type IN ('turn.completed', "
    "'message.completed') AND seq > 3",
    "DELETE FROM messages WHERE tenant_id = :t AND conversation_id = :c AND origin = 'ai:1'",
)


@pytest.fixture
async def resources(stack: Stack, database: Database, keyring: Keyring) -> AsyncIterator[Resources]:
    """What delivery needs; nothing here encodes or generates."""
    valkey = frames.connect(stack.servers.redis_url)
    opened = SimpleNamespace(database=database, keyring=keyring, frames=frames.Frames(valkey))
    yield cast(Resources, opened)
    await valkey.aclose()


async def answered(api: Api, *audiences: str) -> tuple[Customer, dict[str, Any], dict[str, Any]]:
    """A customer of these audiences, the reply that they got, and the version that it rests on, which is for them."""
    name = f"Takahe{uuid4().hex[:8]}"
    version = await publish(api, f"The {name} card costs 13 dollars a year.", audiences=list(audiences))
    customer = await (await api.customer(version["source_id"], attributes={"audiences": ",".join(audiences)})).open()
    turn = (await customer.say(f"What does the {name} card cost a year?")).json()
    assert [each["source_id"] for each in turn["reply"]["citations"]] == [version["source_id"]]
    return customer, turn["reply"], version


async def withdraw(api: Api, version: dict[str, Any]) -> None:
    await decide(api, version, "withdraw")


async def leave_its_audience(api: Api, version: dict[str, Any]) -> None:
    await api.customer(version["source_id"], attributes={})


CHANGES = {"withdraw": withdraw, "leave its audience": leave_its_audience}


@pytest.mark.parametrize("how", ["withdraw", "expire", "make internal", "not yet in effect", "delete", "for others"])
async def test_its_passages_are_not_loaded(api: Api, database: Database, tenant_id: UUID, how: str) -> None:
    customer, reply, version = await answered(api)
    conversation_id = UUID(customer.conversation)
    scored = [ScoredPassage(UUID(reply["citations"][0]["chunk_id"]), 0.9)]
    changes = {
        "withdraw": "UPDATE knowledge_sources SET published_version = NULL WHERE tenant_id = :t AND id = :s",
        "expire": "UPDATE knowledge_versions SET expires_at = now() WHERE tenant_id = :t AND source_id = :s",
        "make internal": "UPDATE knowledge_sources SET visibility = 'internal' WHERE tenant_id = :t AND id = :s",
        "not yet in effect": "UPDATE knowledge_versions SET effective_at = now() + interval '1 day' "
        "WHERE tenant_id = :t AND source_id = :s",
        "for others": "UPDATE knowledge_versions SET audiences = '{business}' WHERE tenant_id = :t AND source_id = :s",
        "delete": "UPDATE knowledge_sources SET deleted_at = now() WHERE tenant_id = :t AND id = :s",
    }
    async with database.tenant(tenant_id) as connection:
        assert len(await load_passages(connection, tenant_id, conversation_id, scored)) == 1
        await connection.execute(text(changes[how]), {"t": tenant_id, "s": version["source_id"]})
        assert await load_passages(connection, tenant_id, conversation_id, scored) == ()
    found = await search(api, version["content"], headers=(await api.customer()).headers)
    assert version["source_id"] not in {each["source_id"] for each in found}


async def test_what_expires_is_not_found_from_that_moment_on(api: Api) -> None:
    name = f"Kakapo{uuid4().hex[:8]}"
    expires = datetime.now(UTC) + timedelta(seconds=8)
    await publish(api, f"The {name} offer ends soon.", expires_at=expires.isoformat())
    headers = (await api.customer()).headers
    assert [each for each in await search(api, name, headers=headers) if name in each["text"]]
    async with asyncio.timeout(60):
        while [each for each in await search(api, name, headers=headers) if name in each["text"]]:
            await asyncio.sleep(0.5)
    assert datetime.now(UTC) >= expires


@pytest.mark.parametrize("how", CHANGES)
async def test_an_answer_that_was_being_written_is_held_instead(
    api: Api, database: Database, tenant_id: UUID, resources: Resources, how: str
) -> None:
    customer, reply, version = await answered(api, AUDIENCE)
    await CHANGES[how](api, version)
    ref = TurnRef(tenant_id, UUID(customer.conversation), 1)
    async with database.tenant(tenant_id) as connection:
        for statement in UNDELIVER:
            await connection.execute(text(statement), {"t": tenant_id, "c": ref.conversation_id})
    delivered = await delivery.deliver(resources, Deliver(ref, "answered", Understanding(1, "begun")))
    assert delivered.outcome == "held"
    said = [each for each in await customer.messages() if each["role"] == "assistant"]
    assert [(each["outcome"], each["citations"]) for each in said] == [("held", [])]
    assert "13 dollars" not in said[0]["content"]
    escalation = await api.http.get(f"/v1/escalations/{delivered.escalation_id}", headers=await api.staff("agent"))
    assert (escalation.json()["reason"], escalation.json()["draft"]) == ("knowledge_withdrawn", reply["content"])


@pytest.mark.parametrize("how", CHANGES)
async def test_a_draft_that_rests_on_it_cannot_be_approved(
    api: Api, database: Database, tenant_id: UUID, keyring: Keyring, how: str
) -> None:
    customer, reply, version = await answered(api, AUDIENCE)
    await CHANGES[how](api, version)
    keys = await keyring.tenant(tenant_id)
    thread = SimpleNamespace(tenant_id=tenant_id, id=UUID(customer.conversation))
    escalation = SimpleNamespace(draft_citations=reply["citations"])
    async with database.tenant(tenant_id) as connection:
        with pytest.raises(ApplicationError) as refused:
            await deliver_decision(connection, keys, thread, escalation, SimpleNamespace(action="approve"))
    assert refused.value.type == "knowledge_withdrawn"
