"""A tenant trains intents of its own: examples, a workflow, a second person, and the turns from then on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import numpy as np
from sqlalchemy import text

from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.ids import new_id
from helios.intents.drafting import TRAININGS_MOST, draft_intents
from helios.intents.examples import CHUNK, Example
from helios.intents.starting import start_training
from helios.keyring import Keyring
from helios.rules.versions import DraftRef
from helios.settings import Settings
from helios.temporal import connect
from schema.intents import IntentsRef
from tests.api.problems import assert_problem
from tests.rules.conftest import Bank

KIND = "intents"
FEES = ["Can I pay the school fees here?", "How do I pay my daughter's tuition?", "pay school fees for my son",
        "The school wants its fees, can you send them?", "tuition fees are due, how do I pay?",
        "standing order for the kindergarten fees"]  # fmt: skip
TREES = ["Do you plant a tree for my savings?", "How many trees were planted for me?", "I want to plant a tree",
         "where is the tree that you planted", "plant trees with my bonus", "stop planting trees for me"]  # fmt: skip
OWN = [{"name": "school_fees", "examples": FEES}, {"name": "tree_planting", "examples": TREES}]
ASKED = "How can I pay the school fees of my children?"


async def draft(bank: Bank, by: str = "admin", **body: Any) -> int:
    answer = await bank.draft(by, kind=KIND, **{"base": "none", "intents": OWN, **body})
    assert answer.status_code == 202, answer.text
    return int(answer.json()["version"])


async def trained(bank: Bank, version: int) -> Any:
    async with asyncio.timeout(120):
        while (found := await bank.get(f"/v1/intents/{version}"))["status"] == "draft":
            await asyncio.sleep(0.1)
    return found


async def publish(bank: Bank, version: int, by: str = "compliance_officer", **body: Any) -> httpx.Response:
    headers = await bank.api.staff(by)
    return await bank.api.http.post(f"/v1/intents/{version}/publish", json=body, headers=headers)


async def turn(bank: Bank, words: str = ASKED) -> tuple[str, int]:
    """What a customer's message was taken for, and by which version."""
    customer = await (await bank.api.customer()).open()
    await customer.say(words)
    told = (await bank.get(f"/v1/conversations/{customer.conversation}/provenance"))["turns"][0]
    return told["intent"]["name"], told["intents_version"]


async def test_a_tenants_own_intents_are_trained_published_and_in_its_turns_only(bank: Bank) -> None:
    assert (await bank.get("/v1/intents/1"))["status"] == "published"
    version = await draft(bank)
    found = await trained(bank, version)
    assert (found["status"], found["failure"]) == ("trained", None)
    assert found["progress"] == {"examples_total": 12, "examples_done": 12}
    assert found["report"]["accuracy"] >= 0.5
    picture = await bank.api.http.get(f"/v1/intents/{version}/confusion.svg", headers=await bank.api.staff("admin"))
    assert (picture.headers["content-type"], "school_fees" in picture.text) == ("image/svg+xml", True)
    assert (await turn(bank))[1] == 1
    assert_problem(await publish(bank, version, by="admin"), code="forbidden")
    assert (await publish(bank, version)).json()["status"] == "published"
    assert await turn(bank) == ("school_fees", version)
    assert (await bank.decide(1, "rollback", kind=KIND)).status_code == 200
    assert (await turn(bank))[1] == 1


async def test_four_eyes_and_the_gate_hold(bank: Bank, database: Database) -> None:
    """Examples that all say the same but for a digit leave nothing to learn from: somebody has to answer for it."""
    nothing = [
        {"name": name, "examples": [f"number {n}" for n in range(first, first + 5)]}
        for name, first in (("left", 0), ("right", 5))
    ]
    own = await draft(bank, "compliance_officer", intents=nothing)
    worse = await draft(bank, intents=nothing)
    assert (await trained(bank, worse))["report"]["accuracy"] == 0
    assert_problem(await publish(bank, own), code="four_eyes")
    assert "accuracy" in assert_problem(await publish(bank, worse), code="gate_not_passed")["detail"]
    assert_problem(await publish(bank, worse, force=True), code="gate_not_passed")
    assert (await publish(bank, worse, force=True, note="For a day.")).json()["review_note"] == "For a day."
    events = (await bank.get("/v1/audit/events?action=intents.published"))["items"]
    assert [each["detail"].get("forced") for each in events] == [True]
    assert (await bank.decide(own, "reject", kind=KIND)).json()["status"] == "rejected"
    async with database.tenant(bank.tenant_id) as connection:
        kept = await connection.scalars(text("SELECT DISTINCT version FROM intent_chunks"))
        assert list(kept) == [worse]


async def test_a_file_is_read_like_a_body_and_each_place_that_is_wrong_is_named(bank: Bank) -> None:
    headers = await bank.api.staff("admin")

    async def send(name: str, content: str) -> httpx.Response:
        form: Any = {"files": {"file": (name, content)}, "data": {"base": "none"}}
        return await bank.api.http.post("/v1/intents", headers=headers, **form)

    lines = [f'{each["name"]},"{said}"' for each in OWN for said in each["examples"]]
    sound = await send("examples.csv", "\n".join(["intent,text", *lines]))
    assert sound.status_code == 202, sound.text
    assert sound.json()["definition"]["intents"]["school_fees"]["examples"] == 6
    same = await send("examples.json", json.dumps({"intents": OWN}))
    assert same.json()["definition"] == sound.json()["definition"]
    twice = assert_problem(await send("e.csv", "\n".join(["intent,text", *lines, f'trees,"{FEES[0]}"'])), 422)
    said = "line 14: the same text is an example of school_fees and of trees"
    assert {"pointer": "/file/content", "detail": said} in twice["errors"]
    assert_problem(await send("e.json", json.dumps({"base": "none", "intents": OWN})), code="invalid_request")
    assert_problem(await send("examples.pdf", "x"), code="unsupported_media_type")
    assert_problem(await send("examples.json", "[]"), code="invalid_request")
    picture = await bank.api.http.get("/v1/intents/1/confusion.svg", headers=headers)
    assert_problem(picture, code="version_conflict")


async def test_a_training_goes_on_where_a_dead_worker_left_it(
    bank: Bank, database: Database, keyring: Keyring, stack: Stack
) -> None:
    """As after a kill between two chunks: the first has its vectors, here ones that no encoder would give it."""
    examples = [Example(f"{word} {n}", (word,)) for word in ("fees", "trees") for n in range(CHUNK // 2 + 5)]
    ref = DraftRef(bank.tenant_id, new_id(), new_id())
    vectors = np.random.default_rng(1).normal(0, 0.05, (CHUNK, 384)).astype(np.float16).tobytes()
    async with database.tenant(bank.tenant_id) as connection:
        keys = await keyring.tenant(bank.tenant_id)
        version = await draft_intents(connection, keys, ref, examples, [], None)
        await connection.execute(text("UPDATE intent_chunks SET vectors = :v WHERE number = 0"), {"v": vectors})
        await connection.execute(text(f"UPDATE intent_sets SET examples_done = {CHUNK} WHERE status = 'draft'"))
    config = Settings(temporal_address=stack.servers.temporal_address)
    await start_training(await connect(config, keyring), config, IntentsRef(bank.tenant_id, version))
    found = await trained(bank, version)
    assert (found["status"], found["progress"]["examples_done"]) == ("trained", CHUNK + 10)
    async with database.tenant(bank.tenant_id) as connection:
        kept = list(await connection.scalars(text("SELECT vectors FROM intent_chunks ORDER BY number")))
    assert (len(kept), kept[0] == vectors, len(kept[1])) == (2, True, len(vectors) // 20)


async def test_a_tenant_cannot_pile_up_trainings(bank: Bank, database: Database, keyring: Keyring) -> None:
    """The same request again is no further one, and a version that is rejected makes room."""
    keys = await keyring.tenant(bank.tenant_id)
    refs = [DraftRef(bank.tenant_id, new_id(), new_id()) for _ in range(TRAININGS_MOST)]
    said = [Example(f"{word} {n}", (word,)) for word in ("fees", "trees") for n in range(5)]
    async with database.tenant(bank.tenant_id) as connection:
        made = [await draft_intents(connection, keys, ref, said, [], None) for ref in (*refs, refs[0])]
    assert made[0] == made[-1]
    body = {"base": "none", "intents": OWN}
    assert_problem(await bank.draft("admin", kind=KIND, **body), code="training_busy")
    for version in made[:-1]:
        assert (await bank.decide(version, "reject", kind=KIND)).json()["status"] == "rejected"
    version = await draft(bank)
    assert (await bank.decide(version, "reject", kind=KIND)).json()["status"] == "rejected"
