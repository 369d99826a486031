"""A load-making process of its own: `python -m benchmarks.driver SYSTEM`, spoken to by JSON lines.

SYSTEM is `workflow` (acceptance transaction + signal, until the turn's last fact), `http` (the public API, `?wait=`) or
`langgraph` (acceptance transaction + the graph, in this process). A line on stdin asks for a load:
{"talks": […], "warm_up_s", "seconds", "variant"}; answered by {"event": "begin"}, {"event": "end"} and at last
{"event": "measured", "latencies_ms", "turns", "sent"}.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

import httpx
import uvloop
from sqlalchemy import text
from temporalio.service import RPCError, RPCStatusCode

from api.acceptance import Accepted, accept
from api.hub import Hub, Subscription
from benchmarks.load import System, Talk, closed_loop
from helios import frames, logs
from helios.database import Database
from helios.keyring import Keyring
from helios.kms import root_of
from helios.settings import Settings, settings
from helios.temporal import Conversations, connect
from helios.tokens import Identity
from schema.steps import PostMessage

ENDED = text(
    "SELECT threads.last_seq FROM threads WHERE tenant_id = :tenant_id AND id = :id AND completed_turn >= :turn"
)

LOOK_EVERY_S = 1.0
OVERLOADED = frozenset({RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.UNAVAILABLE,
                        RPCStatusCode.RESOURCE_EXHAUSTED})  # fmt: skip


class Acceptance:
    """Takes messages as the API does: the same function, the same transaction."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self.database, self.keyring = database, keyring

    async def take(self, talk: Talk, content: str) -> Accepted:
        tenant_id = UUID(talk.tenant_id)
        customer_id = UUID(talk.customer_id)
        keys = await self.keyring.customer(tenant_id, customer_id)
        customer = Identity(tenant_id, customer_id, "customer", frozenset({"customer"}), customer_id)
        async with self.database.tenant(tenant_id) as connection:
            return await accept(connection, keys, customer, UUID(talk.conversation_id), content, str(uuid4()))


class Workflow:
    """The durable conversation without HTTP. A turn has ended when its last fact is announced.

    How many facts an answered turn has is learnt from the first one; that all were answered is checked afterwards.
    """

    def __init__(self, acceptance: Acceptance, hub: Hub, conversations: Conversations) -> None:
        self._acceptance, self._hub, self._conversations = acceptance, hub, conversations
        self._facts: int | None = None

    async def turn(self, talk: Talk, content: str) -> None:
        tenant_id, conversation_id = UUID(talk.tenant_id), UUID(talk.conversation_id)
        async with self._hub.subscribe(tenant_id, conversation_id) as heard:
            accepted = await self._acceptance.take(talk, content)
            message = PostMessage(accepted.message_id, accepted.turn)
            await self._post(tenant_id, conversation_id, message)
            await self._until_ended(heard, tenant_id, conversation_id, accepted)

    async def _post(self, tenant_id: UUID, conversation_id: UUID, message: PostMessage) -> None:
        """What an overloaded Temporal did not take is told again, as the product's sweeper does; it costs the turn."""
        while True:
            try:
                return await self._conversations.post_message(tenant_id, conversation_id, message)
            except RPCError as error:
                if error.status not in OVERLOADED:
                    raise
            await asyncio.sleep(0.1)

    async def _until_ended(
        self, heard: Subscription, tenant_id: UUID, conversation_id: UUID, accepted: Accepted
    ) -> None:
        async with asyncio.timeout(90):
            while True:
                look = self._facts is None
                try:
                    item = await asyncio.wait_for(heard.queue.get(), LOOK_EVERY_S)
                except TimeoutError:
                    item = None
                if item is not None and item.startswith(b"f") and self._facts is not None:
                    if int(item[1:]) >= accepted.seq + self._facts:
                        return
                # An announcement may get lost (Valkey promises nothing): then the table knows.
                elif (look or item is None) and await self._ended(tenant_id, conversation_id, accepted):
                    return

    async def _ended(self, tenant_id: UUID, conversation_id: UUID, accepted: Accepted) -> bool:
        where = {"tenant_id": tenant_id, "id": conversation_id, "turn": accepted.turn}
        async with self._acceptance.database.tenant(tenant_id) as connection:
            last = (await connection.execute(ENDED, where)).scalar_one_or_none()
        if last is not None:
            self._facts = int(last) - accepted.seq
        return last is not None


class Http:
    """The public API, as a tenant's own backend would use it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def turn(self, talk: Talk, content: str) -> None:
        url = f"/v1/conversations/{talk.conversation_id}/messages?wait=60"
        body = {"content": content, "client_message_id": uuid4().hex}
        headers = {"Authorization": f"Bearer {talk.token}"}
        # An overloaded API says so; the same message again is what the contract asks for, and costs the turn its time.
        while (answer := await self._client.post(url, json=body, headers=headers)).status_code in (202, 503):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert answer.status_code == 200, answer.text
        assert answer.json()["outcome"] == "answered", answer.text


@asynccontextmanager
async def workflow(config: Settings, acceptance: Acceptance) -> AsyncIterator[System]:
    valkey = frames.connect(config.redis_url.get_secret_value())
    hub = Hub(valkey)
    await hub.start()
    while not hub.connected:  # noqa: ASYNC110 - the hub has no event for it
        await asyncio.sleep(0.01)
    client = await connect(config, acceptance.keyring)
    try:
        yield Workflow(acceptance, hub, Conversations(client, config))
    finally:
        await hub.stop()
        await valkey.aclose()


@asynccontextmanager
async def http(config: Settings, _acceptance: Acceptance) -> AsyncIterator[System]:
    url = f"http://{config.api_host}:{config.api_port}"
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=75, limits=limits) as client:
        yield Http(client)


def _open(system: str, config: Settings, acceptance: Acceptance) -> AbstractAsyncContextManager[System]:
    if system == "langgraph":
        from benchmarks.langgraph_app import langgraph

        return langgraph(config, acceptance)
    return {"workflow": workflow, "http": http}[system](config, acceptance)


def _say(event: str, **data: Any) -> None:
    print(json.dumps({"event": event, **data}), flush=True)


async def _main(name: str) -> None:
    config = settings()
    database = Database(config.postgres_dsn.get_secret_value(), pool_size=config.postgres_pool_size)
    acceptance = Acceptance(database, Keyring(root_of(config), database))
    async with _open(name, config, acceptance) as system:
        _say("ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            if "variant" in asked:
                system.variant = asked["variant"]  # type: ignore[attr-defined]
            talks = [Talk(**each) for each in asked["talks"]]
            measured = await closed_loop(system, talks, asked["warm_up_s"], asked["seconds"], _say)
            _say("measured", **asdict(measured))
    await database.close()


if __name__ == "__main__":
    logs.configure("warning", "bench")
    uvloop.run(_main(sys.argv[1]))
