"""The same turn as a LangGraph with a PostgreSQL checkpointer: the product's own functions, as nodes of a graph.

Acceptance, models, retrieval, generation over HTTP, the gate that every window passes, the frames, and delivery in one
transaction are the very functions that the Temporal activities call. What differs is who remembers how far a turn is:
LangGraph writes a checkpoint after each node, Temporal an event history. The graph is given the best of it: its state
is small, compliance and redaction (which work window by window while the answer is written, in both systems) cost their
nodes nothing again, and there is no heartbeat.

`eight` has one node for each of the eight steps; `three` joins them as the product's workflow does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import UUID

import numpy as np
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from temporalio.testing import ActivityEnvironment

from activities import delivery, generation, understanding
from activities.resources import Resources
from activities.screening import screen
from activities.understanding import Begun, Classified
from helios import frames
from helios.models.intent import Intent
from helios.settings import Settings
from schema.steps import Deliver, Generate, ScoredPassage, TurnRef, Understanding
from worker import open_resources

if TYPE_CHECKING:
    from benchmarks.driver import Acceptance
    from benchmarks.load import Talk

Node = Callable[["TurnState"], Any]


class TurnState(TypedDict, total=False):
    """What one node hands to the next. Ids are strings, as JSON has them."""

    tenant_id: str
    conversation_id: str
    turn: int
    question: str
    history: list[tuple[str, str]]
    language: str
    situations: list[int]
    verdict: str
    situation: int | None
    reason: str
    queries: list[str]
    vectors: bytes
    intent: str
    intent_confidence: float
    passages: list[tuple[str, float]]
    status: str
    supported: bool
    outcome: str
    needs_person: bool


def _ref(state: TurnState) -> TurnRef:
    return TurnRef(UUID(state["tenant_id"]), UUID(state["conversation_id"]), state["turn"])


def _understanding(state: TurnState) -> Understanding:
    return Understanding(
        turn=state["turn"],
        state="begun",
        language=state["language"],
        intent=state["intent"],
        intent_confidence=state["intent_confidence"],
        situations=state["situations"],
        passages=[ScoredPassage(UUID(chunk), score) for chunk, score in state["passages"]],
        generators=["openai"],
    )


class Steps:
    """The nodes. Each calls what the product's own step calls."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        # generate() asks Temporal which attempt it is; a local one sends no heartbeats.
        self._info = replace(ActivityEnvironment.default_info(), is_local=True)

    async def intent(self, state: TurnState) -> TurnState:
        resources, ref = self._resources, _ref(state)
        keys = await resources.keyring.conversation(ref.tenant_id, ref.conversation_id)
        async with resources.database.tenant(ref.tenant_id) as connection:
            begun = await understanding.begin_turn(resources, connection, keys, ref)
        assert isinstance(begun, Begun)
        await resources.frames.announce(ref.tenant_id, ref.conversation_id, begun.thread.last_seq + 1)
        question, masked, history = understanding.words_of(begun)
        found = await understanding.classify(resources, question, history, begun.language)
        screened = screen(question, masked, found.question_vector, begun.policy)
        return {
            "turn": begun.ref.turn,
            "language": begun.language,
            "situations": list(screened.situations),
            "verdict": screened.verdict,
            "situation": screened.situation,
            "reason": screened.reason,
            "queries": list(found.queries),
            "vectors": found.vectors.astype(np.float32).tobytes(),
            "intent": found.intent.name,
            "intent_confidence": found.intent.confidence,
        }

    async def retrieval(self, state: TurnState) -> TurnState:
        intent = Intent(state["intent"], state["intent_confidence"])
        queries = tuple(state["queries"])
        vectors = np.frombuffer(state["vectors"], np.float32).reshape(len(queries), -1)
        found = Classified(intent, queries, vectors, vectors[0])  # retrieval looks at the queries' alone
        passages = await understanding.retrieve(self._resources, _ref(state), found, state["language"])
        return {"passages": [(str(each.chunk_id), each.score) for each in passages]}

    async def generation(self, state: TurnState) -> TurnState:
        environment = ActivityEnvironment()
        environment.info = self._info
        work = Generate(_ref(state), "openai", _understanding(state))
        generated = await environment.run(generation.generate, self._resources, work)
        return {"status": generated.status, "supported": generated.supported}

    async def compliance(self, state: TurnState) -> TurnState:
        return {"outcome": "answered" if state["status"] == "complete" else state["status"]}

    async def redaction(self, state: TurnState) -> TurnState:
        return {"outcome": state["outcome"]}

    async def delivery(self, state: TurnState) -> TurnState:
        work = Deliver(_ref(state), "answered", _understanding(state), supported=state["supported"])
        assert state["outcome"] == "answered"
        delivered = await delivery.deliver(self._resources, work)
        return {"outcome": delivered.outcome, "needs_person": delivered.escalation_id is not None}

    async def escalation_check(self, state: TurnState) -> TurnState:
        return {"needs_person": state["needs_person"]}

    async def audit(self, state: TurnState) -> TurnState:
        return {"outcome": state["outcome"]}  # its event was written in the delivery's transaction, as in the product

    async def understand(self, state: TurnState) -> TurnState:
        found = await understanding.understand(self._resources, _ref(state))
        return {
            "turn": found.turn,
            "language": found.language,
            "situations": found.situations,
            "intent": found.intent,
            "intent_confidence": found.intent_confidence,
            "passages": [(str(each.chunk_id), each.score) for each in found.passages],
        }

    async def deliver(self, state: TurnState) -> TurnState:
        return await self.delivery({**state, "outcome": "answered"})

    def nodes(self, shape: str) -> list[tuple[str, Node]]:
        if shape == "three":
            return [("understand", self.understand), ("generate", self.generation), ("deliver", self.deliver)]
        return [
            ("intent", self.intent),
            ("retrieval", self.retrieval),
            ("generation", self.generation),
            ("compliance", self.compliance),
            ("redaction", self.redaction),
            ("delivery", self.delivery),
            ("escalation_check", self.escalation_check),
            ("audit", self.audit),
        ]


def build(steps: Steps, saver: AsyncPostgresSaver, shape: str) -> Any:
    graph = StateGraph(TurnState)
    before = START
    for name, node in steps.nodes(shape):
        graph.add_node(name, node)
        graph.add_edge(before, name)
        before = name
    graph.add_edge(before, END)
    return graph.compile(checkpointer=saver)


class LangGraph:
    """`variant` is `SHAPE DURABILITY`, e.g. `eight sync`. Conversations are spread over the savers."""

    def __init__(self, acceptance: Acceptance, steps: Steps, savers: list[AsyncPostgresSaver]) -> None:
        self.variant = "eight sync"
        self._acceptance = acceptance
        self._graphs = {shape: [build(steps, saver, shape) for saver in savers] for shape in ("eight", "three")}

    async def turn(self, talk: Talk, content: str) -> None:
        shape, durability = self.variant.split()
        accepted = await self._acceptance.take(talk, content)
        graphs = self._graphs[shape]
        state = {"tenant_id": talk.tenant_id, "conversation_id": talk.conversation_id, "turn": accepted.turn}
        thread = {"configurable": {"thread_id": f"{shape}:{talk.conversation_id}"}}
        await graphs[hash(talk.conversation_id) % len(graphs)].ainvoke(state, thread, durability=durability)


@asynccontextmanager
async def langgraph(config: Settings, acceptance: Acceptance) -> AsyncIterator[LangGraph]:
    """Its tables are in a database of their own on the same server. HELIOS_POSTGRES_OWNER_DSN is that database here."""
    dsn = config.postgres_owner_dsn.get_secret_value()
    valkey = frames.connect(config.redis_url.get_secret_value())
    resources = await open_resources(config, acceptance.database, acceptance.keyring, valkey)
    async with AsyncExitStack() as stack:
        opened = (stack.enter_async_context(AsyncPostgresSaver.from_conn_string(dsn)) for _ in range(config.workers))
        savers = list(await asyncio.gather(*opened))
        yield LangGraph(acceptance, Steps(resources), savers)
    await valkey.aclose()
