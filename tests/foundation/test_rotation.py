"""Keys are rotated while customers talk: no turn fails, and what was sealed before still opens."""

from __future__ import annotations

import asyncio

import asyncpg

from benchmarks.load import Talk
from benchmarks.rotation import Rotated, Turn, lost_replies, one_turn
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.caller import Api, Customer
from tests.neighbour import make_neighbour

TALKS, ROTATIONS = 2, 3
AGED = "UPDATE tenant_keys SET created_at = created_at - interval '2 minutes' WHERE tenant_id = $1"
VERSIONS = "SELECT DISTINCT tenant_key_version FROM customer_keys WHERE tenant_id = $1"


async def test_keys_rotated_while_customers_talk_fail_no_turn(
    stack: Stack, database: Database, keyring: Keyring
) -> None:
    """Harsher than the command, which waits a minute until every process knows a version: here none knows it."""
    bank = await make_neighbour(database, keyring.root, ("admin",))
    before = Keyring(keyring.root, database)
    await before.tenant(bank.tenant_id)
    owner = await asyncpg.connect(stack.servers.admin_dsn)
    turns: list[Turn] = []
    rotated = Rotated()

    async def say(customer: Customer) -> None:
        talk = Talk(customer.conversation, customer.id, str(bank.tenant_id), customer.token)
        turns.append(await one_turn(customer.api.http, talk, "What does a replacement card cost?"))

    async def rotate() -> None:
        for _ in range(ROTATIONS):
            enough = len(turns) + TALKS
            while len(turns) < enough:
                await asyncio.sleep(0.02)
            await rotated.once(database, keyring.root, bank.tenant_id)
            await owner.execute(AGED, bank.tenant_id)
        await rotated.once(database, keyring.root, bank.tenant_id)

    async def talk_until(rotating: asyncio.Task[None], customer: Customer) -> None:
        while not rotating.done():
            await say(customer)
        await say(customer)

    async with bank.api(stack.servers.api_url) as api:
        customers, silent = await several(api), await several(api)
        rotating = asyncio.create_task(rotate())
        await asyncio.gather(rotating, *(talk_until(rotating, each) for each in customers))
        await asyncio.gather(*(say(each) for each in silent))
        assert [turn.problem for turn in turns if turn.problem] == []
        # By the tokens, and from the frames, of before the first rotation.
        for each in (*customers, *silent):
            count = sum(turn.talk.conversation_id == each.conversation for turn in turns)
            heard = await each.hear(lambda heard, count=count: len(heard.turns) == count)  # type: ignore[misc]
            assert heard.differences() == []
    assert [row[0] for row in await owner.fetch(VERSIONS, bank.tenant_id)] == [ROTATIONS + 1]
    assert await lost_replies(database, before, turns) == 0
    await owner.close()


async def several(api: Api) -> list[Customer]:
    return [await (await api.customer()).open() for _ in range(TALKS)]
