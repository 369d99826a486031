"""A bank changes its embedder, on the real stack: nothing is lost, nothing is mixed, nobody notices."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import asyncpg
import numpy as np
import pytest
from sqlalchemy import text

from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.embedders.base import SpaceVector
from helios.embedders.spaces import store, written
from helios.knowledge.retrieval import search
from helios.models.embedder import Embedder
from helios.settings import settings
from tests.caller import Api, Customer
from tests.embedders.conftest import CHANGES, ask_for, change_to, state, until
from tests.embedders.embedding_server import Answering, EmbeddingServer, failing, well
from tests.knowledge_editing import ingested, publish, submit
from tests.knowledge_editing import search as search_api
from tests.neighbour import Neighbour

CARD = "A replacement card costs 10 dollars. It arrives within five days."
ABROAD = "Sending money abroad costs 5 dollars. A transfer takes two days."


@pytest.fixture(scope="module", autouse=True)
async def articles(own: Api) -> None:
    await publish(own, CARD, title="Replacement cards")
    await publish(own, ABROAD, title="Money abroad")


async def retrieval_of(own: Api, customer: Customer) -> dict[str, Any]:
    """What the provenance of the last turn says of its search."""
    answer = await own.http.get(f"{customer.path}/provenance", headers=await own.staff("admin"))
    found: dict[str, Any] = answer.json()["turns"][-1]["retrieval"]
    return found


async def ask(own: Api, question: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the reply, what provenance says of the search)"""
    customer = await (await own.customer()).open()
    answer = await customer.say(question)
    assert answer.status_code == 200, answer.text
    return answer.json(), await retrieval_of(own, customer)


async def vectors_by_space(admin: asyncpg.Connection, bank: Neighbour) -> dict[str, int]:
    rows = await admin.fetch(
        "SELECT space, count(*) FROM chunk_vectors WHERE tenant_id = $1 GROUP BY space", bank.tenant_id
    )
    return {row["space"].split(":")[0]: row["count"] for row in rows}


async def gone(admin: asyncpg.Connection, bank: Neighbour, embedder: str) -> None:
    """Until an embedder's old vectors have been removed: a change to it has something to do."""
    async with asyncio.timeout(60):
        while embedder in await vectors_by_space(admin, bank):
            await asyncio.sleep(0.2)


async def test_a_new_tenant_searches_with_the_local_embedder(own: Api, lab: EmbeddingServer) -> None:
    shown = await state(own)
    assert (shown["embedder"], shown["space"], shown["missing"], shown["change"]) == ("local", "local", 0, None)
    assert [each["name"] for each in shown["available"]] == ["local", "lab", "lab-two", "folder"]
    reply, searched = await ask(own, "What does a replacement card cost?")
    assert "10 dollars" in reply["reply"]["content"]
    assert searched == {"embedder": "local", "failure": None}
    assert lab.texts == []


async def test_after_the_change_questions_are_searched_in_the_new_space(
    own: Api, lab: EmbeddingServer, bank: Neighbour, admin: asyncpg.Connection
) -> None:
    change = await change_to(own, "lab")
    assert change["chunks_done"] == change["chunks_total"] == 2
    assert (await state(own))["embedder"] == "lab"
    assert await vectors_by_space(admin, bank) == {"lab": 2}
    lab.behave()
    reply, searched = await ask(own, "What does a replacement card cost?")
    assert "10 dollars" in reply["reply"]["content"]
    assert searched == {"embedder": "lab", "failure": None}
    assert lab.texts == ["What does a replacement card cost?"]


async def test_a_question_in_another_language_finds_what_says_it(own: Api, bank: Neighbour) -> None:
    """There is knowledge in German, too, so that nobody looks for a German question in English without such a space."""
    await publish(own, "Der Leuchtturm ist rund. Er steht am Meer.", title="Türme", language="de")
    headers, filters = await own.staff("agent"), {"language": "de"}
    found = await search_api(own, "Was kostet eine Ersatzkarte?", headers=headers, filters=filters)
    assert CARD in found[0]["text"]
    await change_to(own, "local")
    found = await search_api(own, "Was kostet eine Ersatzkarte?", headers=headers, filters=filters)
    assert not [each for each in found if CARD in each["text"]]
    await change_to(own, "lab")


async def test_what_is_published_meanwhile_is_in_both_spaces(
    own: Api, bank: Neighbour, lab: EmbeddingServer, admin: asyncpg.Connection
) -> None:
    await change_to(own, "lab")
    await gone(admin, bank, "lab-two")
    lab.behave(delay_s=0.5)
    change = await ask_for(own, "lab-two")
    version = await publish(own, "A lighthouse tour costs 3 dollars.", title="Lighthouse")
    await until(own, change, lambda found: found["status"] == "in_force")
    lab.behave()
    found = await search_api(own, "lighthouse", headers=await own.staff("agent"))
    assert found[0]["source_id"] == version["source_id"]
    assert (await state(own))["missing"] == 0


async def test_personal_data_never_leaves_for_an_embedder(own: Api, lab: EmbeddingServer) -> None:
    await change_to(own, "lab")
    lab.behave()
    secrets = ("Wilhelmina Abernathy", "wilhelmina@abernathy.example", "4111 1111 1111 1111", "+1 212 555 0172")
    parts = ("Wilhelmina", "Abernathy", "4111", "1111 1111", "0172")
    said = f"I am {secrets[0]}, {secrets[1]}, phone {secrets[3]}, card {secrets[2]}. What does a replacement card cost?"
    await ask(own, said)
    await search_api(own, said, headers=await own.staff("agent"))
    seen = "\n".join(lab.texts)
    assert "replacement card cost" in seen
    assert not [each for each in (*secrets, *parts) if each in seen], seen


BROKEN: dict[str, tuple[Answering, float, set[str]]] = {
    "down": (failing(503), 0.0, {"unavailable"}),
    "slow": (well, 3.0, {"timeout", "unavailable"}),
    "garbage": (lambda asked: (200, {}, b"<html>"), 0.0, {"invalid_response", "unavailable"}),
}
"""What it does, with what delay, and how that is told: one that failed repeatedly is not asked any more."""


@pytest.mark.parametrize("how", BROKEN)
async def test_without_the_embedder_a_turn_is_answered_with_the_local_one(
    own: Api, lab: EmbeddingServer, how: str
) -> None:
    await change_to(own, "lab")
    behaviour, delay_s, told = BROKEN[how]
    lab.behave(behaviour, delay_s)
    reply, searched = await ask(own, "What does a replacement card cost?")
    assert "10 dollars" in reply["reply"]["content"]
    assert searched["embedder"] == "local"
    assert searched["failure"] in told


async def test_a_change_can_be_called_off_and_nothing_has_changed(
    own: Api, lab: EmbeddingServer, bank: Neighbour, admin: asyncpg.Connection
) -> None:
    await change_to(own, "lab")
    await gone(admin, bank, "lab-two")
    lab.behave(failing(429, Retry_After="600"))
    change = await ask_for(own, "lab-two")
    waiting = await until(own, change, lambda found: found["trouble"] == "rate_limited")
    assert waiting["status"] == "embedding"
    refused = await own.http.post(CHANGES, json={"embedder": "folder"}, headers=await own.staff("admin"))
    assert (refused.status_code, refused.json()["code"]) == (409, "embedder_conflict")
    cancelled = await own.http.post(f"{CHANGES}/{change['id']}/cancel", headers=await own.staff("admin"))
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert (await state(own))["embedder"] == "lab"
    again = await own.http.post(f"{CHANGES}/{change['id']}/cancel", headers=await own.staff("admin"))
    assert again.status_code == 200
    lab.behave()
    _, searched = await ask(own, "What does a replacement card cost?")
    assert searched["embedder"] == "lab"


async def test_going_back_embeds_nothing_again_while_the_vectors_are_kept(own: Api, lab: EmbeddingServer) -> None:
    await change_to(own, "lab")
    await change_to(own, "lab-two")
    lab.behave()
    await change_to(own, "lab")
    assert lab.texts == []
    done = await own.http.get(CHANGES, headers=await own.staff("admin"))
    assert [each["status"] for each in done.json()["items"][:2]] == ["in_force", "replaced"]


async def test_vectors_that_nobody_searches_go(own: Api, bank: Neighbour, admin: asyncpg.Connection) -> None:
    await change_to(own, "lab")
    await change_to(own, "folder")
    await gone(admin, bank, "lab")
    assert set(await vectors_by_space(admin, bank)) == {"folder"}
    _, searched = await ask(own, "What does a replacement card cost?")
    assert searched == {"embedder": "folder", "failure": None}


async def test_a_vector_is_compared_with_its_own_space_alone(bank: Neighbour, database: Database) -> None:
    """Two spaces of one dimension, in which the same vectors stand for the articles the other way round."""
    ours, other = "ours:000000000001", "other:000000000002"
    local = Embedder.load(settings()).embed(["zzz"])[0]
    chunks = text("SELECT id FROM chunks WHERE tenant_id = :tenant_id AND language = 'en' ORDER BY id LIMIT 2")
    async with database.tenant(bank.tenant_id) as connection, connection.begin_nested() as undone:
        first, second = await connection.scalars(chunks, {"tenant_id": bank.tenant_id})
        marks = np.eye(256, dtype=np.float32)
        for space, order in ((ours, (first, second)), (other, (second, first))):
            made = {id: written(mark) for id, mark in zip(order, marks[1:3], strict=True)}
            await store(connection, bank.tenant_id, space, 256, made)
        for space, expected in ((ours, first), (other, second)):
            asked = SpaceVector(space, marks[1], multilingual=False)
            found = await search(connection, bank.tenant_id, "zzz", local, "en", (), asked)
            assert found[0].chunk_id == expected, space
        nobodys = SpaceVector("nobodys:000000000003", marks[1], multilingual=False)
        assert await search(connection, bank.tenant_id, "zzz", local, "en", (), nobodys) == []
        await undone.rollback()


async def test_no_turn_fails_while_the_embedder_changes_under_load(own: Api, lab: EmbeddingServer) -> None:
    await change_to(own, "local")
    over = asyncio.Event()
    asked: list[tuple[dict[str, Any], dict[str, Any]]] = []

    async def talk() -> None:
        while not over.is_set():
            asked.append(await ask(own, "What does a replacement card cost?"))

    talkers = [asyncio.create_task(talk()) for _ in range(3)]
    for embedder in ("lab", "lab-two", "local"):
        await change_to(own, embedder)
        before = len(asked)
        async with asyncio.timeout(60):
            while len(asked) < before + 6:
                await asyncio.sleep(0.05)
    over.set()
    await asyncio.gather(*talkers)
    assert {reply["outcome"] for reply, _ in asked} == {"answered"}
    assert all("10 dollars" in reply["reply"]["content"] for reply, _ in asked)
    assert {searched["embedder"] for _, searched in asked} == {"local", "lab", "lab-two"}
    assert {searched["failure"] for _, searched in asked} == {None}


async def test_a_change_goes_on_after_every_worker_was_killed_in_the_middle_of_it(
    own: Api, bank: Neighbour, lab: EmbeddingServer, admin: asyncpg.Connection, stack: Stack
) -> None:
    await change_to(own, "local")
    await gone(admin, bank, "lab")
    lab.behave(delay_s=30.0)
    change = await ask_for(own, "lab")
    async with asyncio.timeout(60):
        while not lab.requests:
            await asyncio.sleep(0.1)
    workers = {name: pid for name, pid in stack.servers.pids.items() if name.startswith("worker")}
    for pid in workers.values():
        os.kill(pid, signal.SIGKILL)
    lab.behave()
    for name, pid in workers.items():
        await stack.servers.keeper.wait_ready(name, other_than=pid, timeout_s=60)
    await until(own, change, lambda found: found["status"] == "in_force")
    assert (await state(own))["missing"] == 0
    _, searched = await ask(own, "What does a replacement card cost?")
    assert searched == {"embedder": "lab", "failure": None}


async def test_a_tenant_that_keeps_its_text_in_house_sends_none(
    own: Api, bank: Neighbour, lab: EmbeddingServer
) -> None:
    await change_to(own, "lab")
    await keep_in_house(own, bank, True)
    try:
        refused = await own.http.post(CHANGES, json={"embedder": "lab-two"}, headers=await own.staff("admin"))
        assert (refused.status_code, refused.json()["code"]) == (409, "embedder_conflict")
        lab.behave()
        _, searched = await ask(own, "What does a replacement card cost?")
        assert searched == {"embedder": "local", "failure": "in_house"}
        await publish(own, "A zebra crossing costs 9 dollars.", title="Zebra")
        await search_api(own, "zebra", headers=await own.staff("agent"))
        assert lab.texts == []
        assert (await state(own))["missing"] == 1
    finally:
        await keep_in_house(own, bank, False)
    await change_to(own, "lab")  # makes up for what is missing
    assert (await state(own))["missing"] == 0


async def keep_in_house(own: Api, bank: Neighbour, whether: bool) -> None:
    path, headers = f"/v1/tenants/{bank.tenant_id}/settings", await own.staff("admin")
    etag = (await own.http.get(path, headers=headers)).headers["etag"]
    wanted = {"generators": ["offline"] if whether else None}
    answer = await own.http.patch(path, json=wanted, headers={**headers, "If-Match": etag})
    assert answer.status_code == 200, answer.text


async def test_ingestion_waits_for_the_embedder_in_force(own: Api, lab: EmbeddingServer) -> None:
    await change_to(own, "lab")
    lab.behave(failing(503))
    version = await submit(own, "A giraffe ride costs 7 dollars.", title="Giraffe")
    async with asyncio.timeout(30):
        while not lab.requests:
            await asyncio.sleep(0.1)
    lab.behave()
    assert (await ingested(own, version))["status"] == "pending_review"
    assert (await state(own))["missing"] == 0


async def test_only_admins_change_it_and_only_to_what_there_is(own: Api) -> None:
    for role in ("agent", "knowledge_editor"):
        refused = await own.http.post(CHANGES, json={"embedder": "lab"}, headers=await own.staff(role))
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    unknown = await own.http.post(CHANGES, json={"embedder": "nobody"}, headers=await own.staff("admin"))
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_embedder")
    over = (await change_to(own, "local"))["id"]
    refused = await own.http.post(f"{CHANGES}/{over}/cancel", headers=await own.staff("admin"))
    assert (refused.status_code, refused.json()["code"]) == (409, "embedder_conflict")


async def test_each_step_is_in_the_audit_log(own: Api) -> None:
    change = await change_to(own, "folder")
    answer = await own.http.get("/v1/audit/events", params={"limit": 200}, headers=await own.staff("auditor"))
    actions = [each["action"] for each in answer.json()["items"] if change["id"] in str(each)]
    assert {"embedder.change_asked", "embedder.switched"} <= set(actions)
