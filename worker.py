"""The worker: opens its resources, runs workflows and steps, and drains when asked to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
import uvloop
from redis.asyncio import Redis
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.resources import Resources
from activities.steps import (
    Clocks,
    Corrections,
    EmbedderChanges,
    Escalations,
    Evaluations,
    FollowUps,
    Gaps,
    Intents,
    Knowledge,
    PolicyReplays,
    Privacy,
    Reports,
    Turns,
)
from activities.warming import warm_up
from helios import frames, logs
from helios.audit_log.anchors import anchor_of
from helios.audit_log.sealer import EVERY_S as SEAL_S
from helios.audit_log.sealer import seal_all
from helios.clock_starting import start_clocks
from helios.database import Database
from helios.embedders.registry import build_embedders
from helios.embedders.starting import start_changes
from helios.evaluations.runs import start_evaluations
from helios.heartbeat import beat
from helios.intents.starting import start_trainings
from helios.keyring import Keyring
from helios.kms import root_of
from helios.knowledge.follow_ups import start_follow_ups
from helios.knowledge.starting import start_what_waits
from helios.llm.chain import build_chain
from helios.mail import open_mailer
from helios.models.embedder import Embedder
from helios.models.intent import IntentClassifier
from helios.models.language import LanguageIdentifier
from helios.models.tagger import Tagger, tag
from helios.outbox import Post
from helios.privacy.starting import start_what_waits as start_privacy_requests
from helios.rounds import SHARE, URGENT, repeat_for_ever
from helios.rules.replaying import start_replays
from helios.schedules import Schedules
from helios.settings import Settings, settings
from helios.sources import build_id
from helios.sweeper import EVERY_S as SWEEP_S
from helios.sweeper import sweep
from helios.temporal import Conversations, connect
from schema.intents import training_queue
from workflows.access import AccessWorkflow
from workflows.clock import ClockWorkflow
from workflows.conversation import ConversationWorkflow
from workflows.embedder_change import EmbedderChangeWorkflow
from workflows.erasure import ErasureWorkflow
from workflows.escalation import EscalationWorkflow
from workflows.evaluation import EvaluationWorkflow
from workflows.follow_up import FollowUpWorkflow
from workflows.ingestion import IngestionWorkflow, PublicationWorkflow
from workflows.intent_training import IntentTrainingWorkflow
from workflows.knowledge_gaps import KnowledgeGapsWorkflow
from workflows.policy_replay import PolicyReplayWorkflow
from workflows.reports import ReportsWorkflow
from workflows.retention import RetentionWorkflow
from workflows.syncing import SyncWorkflow

log = structlog.get_logger()

WORKFLOWS: Sequence[type] = (ConversationWorkflow, EscalationWorkflow, ClockWorkflow)
BATCH_WORKFLOWS: Sequence[type] = (
    AccessWorkflow,
    EmbedderChangeWorkflow,
    ErasureWorkflow,
    EvaluationWorkflow,
    FollowUpWorkflow,
    IngestionWorkflow,
    IntentTrainingWorkflow,
    KnowledgeGapsWorkflow,
    PublicationWorkflow,
    PolicyReplayWorkflow,
    ReportsWorkflow,
    RetentionWorkflow,
    SyncWorkflow,
)
BATCH_STEPS = (
    Knowledge, EmbedderChanges, FollowUps, Intents, Gaps, Privacy, PolicyReplays, Evaluations, Reports,
)  # fmt: skip
DRAIN = timedelta(seconds=20)
MAIL_S = 5.0
"""How often mail is looked for that the API could not send: it sends at once what it can."""
CLOCKS_S = 2.0
"""How often tickets are looked for whose clock has yet to start."""
LOOK_EVERY_S = 10.0
"""How often lost starts of workflows of knowledge and privacy are looked for."""


async def open_resources(config: Settings, database: Database, keyring: Keyring, valkey: Redis) -> Resources:
    """Models are loaded before the first task is taken: a worker that polls is a worker that answers."""
    encoder = await asyncio.to_thread(Embedder.load, config)
    intents = await asyncio.to_thread(IntentClassifier.load, config, encoder)
    languages = LanguageIdentifier.load()
    find_names = partial(tag, encoder, await asyncio.to_thread(Tagger.load))
    await asyncio.to_thread(warm_up)
    generators = {generator.name: generator for generator in build_chain(config, encoder, intents)}
    embedders = await asyncio.to_thread(build_embedders, config, lambda: encoder)
    stream = frames.Frames(valkey)
    return Resources(config, database, keyring, stream, encoder, intents, languages, find_names, generators, embedders)


def workflow_runner(config: Settings) -> WorkflowRunner:
    """Production leaves the sandbox out: it costs a third of a worker's CPU. Tests and CI prove determinism in it."""
    return sandboxed_runner() if config.workflow_sandbox else UnsandboxedWorkflowRunner()


def sandboxed_runner() -> WorkflowRunner:
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules("uuid_utils", "structlog")
    )


def steps_of(*groups: object) -> list[Callable[..., Any]]:
    """All that their signatures name: a step that no worker knows would be waited for without end."""
    return [getattr(group, name) for group in groups for name in sorted(_signed(type(group)))]


def _signed(kind: type) -> set[str]:
    return {name for base in kind.__mro__ for name in getattr(base, "__abstractmethods__", ())}


def make_worker(config: Settings, client: Client, resources: Resources) -> Worker:
    return Worker(
        client,
        task_queue=config.temporal_task_queue,
        workflows=WORKFLOWS,
        activities=steps_of(*(each(resources) for each in (Turns, Escalations, Corrections, Clocks))),
        workflow_runner=workflow_runner(config),
        # Left to itself the SDK hashes every module that is loaded, for .4 s.
        # Not as a deployment: the server would write one more search attribute for each conversation.
        build_id=build_id(),
        max_cached_workflows=1000,
        # A turn holds one of each while its model writes, which is many seconds of waiting and little work.
        max_concurrent_workflow_tasks=500,
        max_concurrent_local_activities=500,
        graceful_shutdown_timeout=DRAIN,
        # A run that waits for a dead worker's cache costs the customer this long.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=3),
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
    )


def make_batch_worker(config: Settings, client: Client, resources: Resources) -> Worker:
    """Work that nobody waits for on the line: on a queue of its own, one thing at a time."""
    return Worker(
        client,
        task_queue=config.temporal_batch_queue,
        workflows=BATCH_WORKFLOWS,
        activities=steps_of(*(each(resources) for each in BATCH_STEPS)),
        workflow_runner=workflow_runner(config),
        build_id=build_id(),
        max_cached_workflows=100,
        max_concurrent_activities=1,
        graceful_shutdown_timeout=DRAIN,
    )


def make_training_worker(config: Settings, client: Client, resources: Resources) -> Worker:
    """A training takes minutes: it holds up another one, and nothing else."""
    return Worker(
        client,
        task_queue=training_queue(config.temporal_batch_queue),
        activities=[Intents(resources).train_intents],
        build_id=build_id(),
        max_concurrent_activities=1,
        graceful_shutdown_timeout=DRAIN,
    )


Round = tuple[str, Callable[[], Awaitable[int | None]], float, float]


def rounds(config: Settings, database: Database, keyring: Keyring, client: Client) -> tuple[Round, ...]:
    """What goes round over all tenants: its name, one round of it, every how many seconds, its share of the time."""
    sweeping = partial(sweep, database, Conversations(client, config))
    sealing = partial(seal_all, database, keyring.root, anchor_of(config))
    posting = Post(database, keyring, open_mailer(config)).deliver_everywhere
    return (
        ("conversations", sweeping, SWEEP_S, URGENT),
        ("audit log", sealing, SEAL_S, SHARE),
        ("clocks", partial(start_clocks, database, client, config), CLOCKS_S, SHARE),
        ("mail", posting, MAIL_S, SHARE),
        ("knowledge", partial(start_what_waits, database, client, config), LOOK_EVERY_S, SHARE),
        ("embedders", partial(start_changes, database, client, config), LOOK_EVERY_S, SHARE),
        ("follow-ups", partial(start_follow_ups, database, client, config), LOOK_EVERY_S, SHARE),
        ("privacy", partial(start_privacy_requests, database, client, config), LOOK_EVERY_S, SHARE),
        ("intents", partial(start_trainings, database, client, config), LOOK_EVERY_S, SHARE),
        ("evaluations", partial(start_evaluations, database, client, config), LOOK_EVERY_S, SHARE),
        ("policy replays", partial(start_replays, database, client, config), LOOK_EVERY_S, SHARE),
        ("schedules", Schedules(database, client, config).ensure, LOOK_EVERY_S, SHARE),
    )


async def run(config: Settings) -> None:
    """Until SIGTERM or SIGINT; what runs then is finished first, for 20 s at most."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    dsn, pooled = config.postgres_dsn.get_secret_value(), config.postgres_pooled
    database = Database(dsn, pool_size=config.postgres_pool_size, pooled=pooled)
    keyring = Keyring(root_of(config), database)
    valkey = frames.connect(config.redis_url.get_secret_value())
    resources = await open_resources(config, database, keyring, valkey)
    client = await connect(config, keyring)
    beside = [
        asyncio.create_task(beat(valkey)),
        *(asyncio.create_task(repeat_for_ever(valkey, *each)) for each in rounds(config, database, keyring, client)),
    ]
    workers = [make(config, client, resources) for make in (make_worker, make_batch_worker, make_training_worker)]
    async with AsyncExitStack() as running:
        for each in workers:
            await running.enter_async_context(each)
        log.info("worker ready", generators=list(resources.generators))
        await stop.wait()
        log.info("worker drains")
    for task in beside:
        task.cancel()
    for generator in resources.generators.values():
        await generator.close()
    await resources.embedders.close()
    await valkey.aclose()
    await database.close()


def main() -> None:
    config = settings()
    logs.configure(config.log_level, "worker")
    uvloop.run(run(config))
    sys.stdout.flush()
    sys.stderr.flush()
    # The SDK's threads may abort the interpreter's exit on Python 3.11 (PyGILState_Release): all is flushed, so leave.
    os._exit(0)


if __name__ == "__main__":
    main()
