"""A caller of the public API, as tests need one: real HTTP, streams that resume."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

import httpx

TOKEN_KEPT_S = 300
"""Half of an access token's life: a run of all tests takes longer than that."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One server-sent event."""

    id: str
    type: str
    data: dict[str, Any]


@dataclass(slots=True)
class Transcript:
    """What a customer's screen shows: per message the deltas of its last attempt, as the contract defines it."""

    texts: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    completed: dict[str, dict[str, Any]] = field(default_factory=dict)
    turns: list[dict[str, Any]] = field(default_factory=list)
    last_id: str | None = None

    def hear(self, event: Heard) -> None:
        self.last_id = event.id
        data = event.data
        if event.type == "message.reset":
            self.texts[data["message_id"]] = ""
            self.attempts[data["message_id"]] = data["attempt"]
        elif event.type == "message.delta":
            message = data["message_id"]
            if data["attempt"] != self.attempts.get(message, data["attempt"]):
                self.texts[message] = ""
            self.attempts[message] = data["attempt"]
            self.texts[message] = self.texts.get(message, "") + data["text"]
        elif event.type == "message.completed":
            self.completed[data["id"]] = data
        elif event.type == "turn.completed":
            self.turns.append(data)

    def differences(self) -> list[str]:
        """Messages whose deltas are not exactly their content."""
        return [each for each, message in self.completed.items() if self.texts.get(each, "") != message["content"]]


class Api:
    def __init__(self, url: str, demo: dict[str, Any]) -> None:
        self.url = url
        self.demo = demo
        self.http = httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(10, read=75))
        self._staff: dict[str, tuple[str, float]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def staff(self, role: str) -> dict[str, str]:
        """Headers of a signed-in member of staff."""
        token, made = self._staff.get(role, ("", 0.0))
        if not token or time.monotonic() - made > TOKEN_KEPT_S:
            user = self.demo["users"][role]
            answer = await self.http.post("/v1/auth/login", json={"tenant": self.demo["tenant"], **user})
            assert answer.status_code == 200, answer.text
            token = answer.json()["access_token"]
            self._staff[role] = (token, time.monotonic())
        return {"Authorization": f"Bearer {token}"}

    async def customer(self, external_id: str | None = None, **about: Any) -> Customer:
        """A customer, signed in by the bank's backend."""
        answer = await self.http.post(
            "/v1/customer-tokens",
            json={"external_id": external_id or f"test-{uuid4()}", **about},
            headers={"X-API-Key": self.demo["api_key"]},
        )
        assert answer.status_code == 200, answer.text
        return Customer(self, answer.json()["access_token"], answer.json()["customer_id"])


class Customer:
    def __init__(self, api: Api, token: str, customer_id: str) -> None:
        self.api = api
        self.id = customer_id
        self.token = token
        self.headers = {"Authorization": f"Bearer {token}"}
        self.conversation = ""

    async def open(self, **body: Any) -> Self:
        answer = await self.api.http.post("/v1/conversations", json=body, headers=self.headers)
        assert answer.status_code == 201, answer.text
        self.conversation = answer.json()["id"]
        return self

    @property
    def path(self) -> str:
        return f"/v1/conversations/{self.conversation}"

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.api.http.post(f"{self.path}/{path}", json=body or {}, headers={**self.headers, **headers})

    async def get(self, path: str = "") -> httpx.Response:
        return await self.api.http.get(self.path + (f"/{path}" if path else ""), headers=self.headers)

    async def say(self, content: str, *, wait: float = 60, client_message_id: str | None = None) -> httpx.Response:
        body = {"content": content, "client_message_id": client_message_id or str(uuid4())}
        params = {"wait": wait} if wait else {}
        return await self.api.http.post(f"{self.path}/messages", params=params, json=body, headers=self.headers)

    async def messages(self) -> list[dict[str, Any]]:
        answer = await self.api.http.get(f"{self.path}/messages", params={"limit": 200}, headers=self.headers)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def events(
        self, after: str | None = None, headers: dict[str, str] | None = None
    ) -> AsyncGenerator[Heard, None]:
        """One connection's events. Ends when the connection does."""
        asked = {**(headers or self.headers), "Accept": "text/event-stream"}
        if after:
            asked["Last-Event-ID"] = after
        async with self.api.http.stream("GET", f"{self.path}/events", headers=asked) as answer:
            assert answer.status_code == 200, await answer.aread()
            async for event in parse_events(answer):
                yield event

    async def hear(
        self, until: Callable[[Transcript], bool], *, transcript: Transcript | None = None, within_s: float = 60
    ) -> Transcript:
        """Listens until the condition holds; a broken connection is taken up where it ended."""
        heard = transcript or Transcript()
        async with asyncio.timeout(within_s):
            while not until(heard):
                try:
                    async with aclosing(self.events(heard.last_id)) as events:
                        async for event in events:
                            heard.hear(event)
                            if until(heard):
                                break
                except (httpx.TransportError, AssertionError):
                    await asyncio.sleep(0.1)
        return heard


async def parse_events(answer: httpx.Response) -> AsyncGenerator[Heard, None]:
    fields: dict[str, str] = {}
    last_id = ""
    async for line in answer.aiter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            last_id = fields.get("id", last_id)
            yield Heard(last_id, fields["event"], json.loads(fields["data"]))
            fields = {}
