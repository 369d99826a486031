"""A customer at a terminal: what `up`, `demo` and `chat` share. Speaks the public API only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Self
from uuid import uuid4

import httpx
from rich.console import Console
from rich.markup import escape

from helios.embedded.errors import StackError

RECONNECT_S = 0.3
KEY_REFUSED = (
    "The demo bank's API key is not accepted: it was revoked, or has ended. For new keys and passwords remove "
    "keys/demo.json from HELIOS_HOME and start again."
)
console = Console(highlight=False, soft_wrap=True)


class Customer:
    """Signed in by the tenant's API key; one conversation."""

    def __init__(self, api_url: str, api_key: str, external_id: str) -> None:
        self._client = httpx.AsyncClient(base_url=api_url, timeout=httpx.Timeout(10, read=30))
        self._api_key = api_key
        self._external_id = external_id
        self.conversation_id = ""
        self.last_event_id: str | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._begin()
        except BaseException:
            await self._client.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def _begin(self) -> None:
        signed = await self._client.post(
            "/v1/customer-tokens", json={"external_id": self._external_id}, headers={"X-API-Key": self._api_key}
        )
        if signed.status_code == 401:
            raise StackError(KEY_REFUSED)
        signed.raise_for_status()
        self._client.headers["Authorization"] = f"Bearer {signed.json()['access_token']}"
        made = await self._client.post("/v1/conversations", json={"channel": "terminal"})
        made.raise_for_status()
        self.conversation_id = made.json()["id"]

    async def say(self, content: str) -> int:
        """Sends a message until it is accepted: the same id, so that it is accepted once. Returns its turn."""
        body = {"content": content, "client_message_id": str(uuid4())}
        while True:
            try:
                answer = await self._client.post(f"/v1/conversations/{self.conversation_id}/messages", json=body)
                if answer.status_code == 202:
                    return int(answer.json()["turn"])
                if answer.status_code != 503:
                    answer.raise_for_status()
            except httpx.TransportError:
                pass
            await asyncio.sleep(RECONNECT_S)

    async def post(self, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        return await self._client.post(f"/v1/conversations/{self.conversation_id}/{path}", json=body or {})

    async def messages(self) -> list[dict[str, Any]]:
        answer = await self._client.get(f"/v1/conversations/{self.conversation_id}/messages", params={"limit": 200})
        answer.raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def events(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """The conversation's events from where we left off; a broken connection is taken up again."""
        while True:
            headers = {"Accept": "text/event-stream"}
            if self.last_event_id:
                headers["Last-Event-ID"] = self.last_event_id
            try:
                url = f"/v1/conversations/{self.conversation_id}/events"
                async with self._client.stream("GET", url, headers=headers) as answer:
                    if answer.status_code == 200:
                        async for event in self._parse(answer):
                            yield event
            except httpx.TransportError:
                pass
            await asyncio.sleep(RECONNECT_S)

    async def _parse(self, answer: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "event" in fields:
                self.last_event_id = fields.get("id", self.last_event_id)
                yield fields["event"], json.loads(fields["data"])
                fields = {}
            else:
                fields = {}


class Transcript:
    """What the customer has on screen: the deltas of each message's last attempt."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.attempts: dict[str, int] = {}

    def hear(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "message.reset" or (
            kind == "message.delta" and data["attempt"] > self.attempts.get(data["message_id"], data["attempt"])
        ):
            self.texts[data["message_id"]] = ""
        if kind in ("message.reset", "message.delta"):
            self.attempts[data["message_id"]] = data["attempt"]
        if kind == "message.delta":
            self.texts[data["message_id"]] = self.texts.get(data["message_id"], "") + data["text"]


async def play(customer: Customer, question: str) -> tuple[dict[str, Any] | None, str]:
    """Asks, shows the answer as it streams, and returns the assistant's message with the turn's outcome."""
    console.print(f"\n[bold cyan]you[/bold cyan]        {escape(question)}")
    turn = await customer.say(question)
    return await show_turn(customer, turn)


async def show_turn(customer: Customer, turn: int) -> tuple[dict[str, Any] | None, str]:
    """Shows the events of a turn until it has ended."""
    reply: dict[str, Any] | None = None
    speaking = ""
    async for kind, data in customer.events():
        if kind == "message.delta" and data["turn"] in (0, turn):
            if speaking != data["message_id"]:
                console.print("\n[bold magenta]bank[/bold magenta]       ", end="")
                speaking = data["message_id"]
            console.print(data["text"], end="", markup=False)
        elif kind == "message.reset" and speaking == data["message_id"]:
            console.print("\n[dim](the answer starts again)[/dim]")
            speaking = ""
        elif kind == "message.completed" and data["turn"] == turn and data["role"] == "assistant":
            reply = data
        elif kind == "turn.completed" and data["turn"] == turn:
            console.print()
            _show_citations(reply)
            return reply, data["outcome"]
    raise AssertionError("a stream has no end of its own")


def _show_citations(reply: dict[str, Any] | None) -> None:
    for citation in (reply or {}).get("citations", ()):
        console.print(
            f"           [dim]\\[{citation['marker']}] {citation['title']}, version {citation['version']}[/dim]"
        )
    console.print()
