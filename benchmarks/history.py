"""A conversation of 100 turns: how large its history is, that no text is in it, and how long its replay takes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from benchmarks.environment import Stack, child, load
from benchmarks.questions import QUESTIONS
from helios.codec import EncryptionCodec, data_converter
from helios.database import Database
from helios.keyring import Keyring
from helios.kms import root_of
from helios.settings import Settings
from helios.temporal import connect
from schema.steps import conversation_workflow_id
from workflows.conversation import ConversationWorkflow
from workflows.escalation import EscalationWorkflow

WORDS_MIN = 12
"""Phrases of fewer characters may occur in an id or an enum by chance."""


@dataclass(frozen=True, slots=True)
class Replay:
    events: int
    fetch_ms: float
    """Reading the history from the server, as a worker must that has lost its cache."""
    replay_ms: float
    """Decoding it and running the workflow code through it, without sandbox, as production workers do."""


@dataclass(frozen=True, slots=True)
class History:
    turns: int
    runs: int
    events: int
    bytes: int
    texts: int
    """How many different texts of customers and answers were looked for."""
    found_sealed: int
    """How many of them occur in the bytes as the server holds them. Must be 0."""
    found_opened: int
    """How many occur in the payloads after they were decrypted. Must be 0: history holds no text at all."""
    replays: list[Replay]


async def measure_history(stack: Stack, turns: int) -> History:
    config = Settings(
        postgres_dsn=stack.env["HELIOS_POSTGRES_DSN"],
        root_key=stack.env["HELIOS_ROOT_KEY"],
        temporal_address=stack.env["HELIOS_TEMPORAL_ADDRESS"],
    )
    database = Database(config.postgres_dsn.get_secret_value(), pool_size=2)
    keyring = Keyring(root_of(config), database)
    talks = await stack.talks(3)
    lengths = (1, max(turns // 10, 2), turns)
    async with child("benchmarks.driver", "workflow", env=stack.env) as driver:
        await driver.hear("ready")
        for talk, length in zip(talks, lengths, strict=True):
            for _ in range(length):
                await load([driver], [talk], 0.0, 0.001, {}, None)
    client = await connect(config, keyring)
    fetched: list[tuple[list[WorkflowHistory], float]] = []
    for talk in talks:
        fetched.append(await histories_of(client, talk.tenant_id, talk.conversation_id))
    replays = [await _replay(histories[0], took, keyring) for histories, took in fetched]
    whole = fetched[-1][0]
    texts = await _texts(stack, keyring, UUID(talks[-1].tenant_id), UUID(talks[-1].conversation_id))
    sealed = b"".join(event.SerializeToString() for history in whole for event in history.events)
    opened = b"".join([payload.data for payload in await EncryptionCodec(keyring).decode(payloads_of(whole))])
    await database.close()
    return History(
        turns=turns,
        runs=len(whole),
        events=sum(len(history.events) for history in whole),
        bytes=len(sealed),
        texts=len(texts),
        found_sealed=sum(text.encode() in sealed for text in texts),
        found_opened=sum(text.encode() in opened for text in texts),
        replays=replays,
    )


async def histories_of(client: Client, tenant_id: str, conversation_id: str) -> tuple[list[WorkflowHistory], float]:
    """The histories of all runs, the longest first, and how long reading that one took in ms."""
    workflow_id = conversation_workflow_id(UUID(tenant_id), UUID(conversation_id))
    run_id: str | None = (await client.get_workflow_handle(workflow_id).describe()).run_id
    found = []
    while run_id:
        started = time.perf_counter()
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        found.append((history, 1000 * (time.perf_counter() - started)))
        run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    found.sort(key=lambda each: -len(each[0].events))
    return [history for history, _ in found], found[0][1]


async def _replay(history: WorkflowHistory, fetch_ms: float, keyring: Keyring) -> Replay:
    replayer = Replayer(
        workflows=[ConversationWorkflow, EscalationWorkflow],
        data_converter=data_converter(keyring),
        workflow_runner=UnsandboxedWorkflowRunner(),
        build_id="bench",
    )
    times = []
    for _ in range(3):
        started = time.perf_counter()
        await replayer.replay_workflow(history)
        times.append(1000 * (time.perf_counter() - started))
    return Replay(len(history.events), fetch_ms, min(times))


async def _texts(stack: Stack, keyring: Keyring, tenant_id: UUID, conversation_id: UUID) -> set[str]:
    """Every text of the conversation, and pieces of it: a history must not hold a part either."""
    keys = await keyring.conversation(tenant_id, conversation_id)
    rows = await stack.query("SELECT id, content_ct FROM messages WHERE conversation_id = $1", conversation_id)
    whole = {keys.open_text(row["content_ct"], "messages.content_ct", row["id"]) for row in rows} | set(QUESTIONS)
    return {piece for text in whole for piece in _pieces(text)}


def _pieces(text: str) -> Iterable[str]:
    words = text.split()
    yield text
    for n in range(len(words) - 2):
        phrase = " ".join(words[n : n + 3])
        if len(phrase) >= WORDS_MIN:
            yield phrase


def payloads_of(histories: list[WorkflowHistory]) -> list[Payload]:
    """Every payload of every event, as the server holds it."""
    found: list[Payload] = []
    for history in histories:
        for event in history.events:
            _collect(event, found)
    return found


def _collect(message: object, found: list[Payload]) -> None:
    """Walks a protobuf message; payloads sit in many of its fields."""
    if isinstance(message, Payload):
        found.append(message)
        return
    if not isinstance(message, Message):
        return
    for descriptor, value in message.ListFields():
        if descriptor.type != descriptor.TYPE_MESSAGE:
            continue
        if descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry:
            for each in value.values():
                _collect(each, found)
        elif isinstance(value, Message):
            _collect(value, found)
        else:
            for each in value:
                _collect(each, found)
