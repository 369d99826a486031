"""The API process: opens its services, wires its routes, closes again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any

from fastapi import FastAPI

from api import (
    api_keys,
    audit_events,
    audit_proofs,
    auth,
    codec,
    conversations,
    customer_tokens,
    demo,
    documents,
    embedders,
    errors,
    escalations,
    evaluation_suites,
    evaluations,
    examinations,
    factor_resets,
    gap_drafts,
    help_pages,
    intents,
    knowledge,
    knowledge_follow_ups,
    knowledge_gaps,
    knowledge_search,
    knowledge_sitemaps,
    knowledge_versions,
    legal_holds,
    messages,
    openapi,
    operations,
    pages,
    policies,
    policy_replays,
    privacy_requests,
    redaction_rules,
    regulated_tickets,
    reports,
    retention,
    scheduled_reports,
    sse,
    statutory_records,
    tenant_settings,
    tenant_sso,
    tenants,
    users,
    websocket,
    well_known,
)
from api.access_log import AccessLog
from api.at_work import AtWork
from api.bodies import Bodies
from api.codec_origin import CodecOrigin
from api.compression import Compression
from api.counting import Counting
from api.hub import Hub
from api.limiter import Limiter
from api.middleware import Edge
from api.open_streams import OpenStreams
from api.origins import Origins
from api.routes import remember_templates
from api.state import Services
from api.tenant_walls import TenantWalls
from helios import frames
from helios.database import Database
from helios.embedders.registry import build_embedders
from helios.ended_tokens import EndedTokens
from helios.identity.breached import Breached
from helios.identity.lockout import Lockout
from helios.identity.providers import open_providers
from helios.keyring import Keyring
from helios.kms import root_of
from helios.mail import open_mailer
from helios.models.embedder import Embedder
from helios.outbox import Post
from helios.settings import Settings, settings
from helios.temporal import Conversations, connect
from helios.tenants import Tenants
from helios.token_keys import TokenKeys
from helios.tokens import Tokens

# The promise is a 503 within 3 s: the rest is for what a busy machine does in between.
STATEMENT_TIMEOUT_S = 1.8


def create_app(config: Settings | None = None) -> FastAPI:
    config = config or settings()
    app = FastAPI(
        title="HeliosCS",
        version="1",
        summary="AI customer service for regulated businesses",
        docs_url=None,
        redoc_url=None,
        # A redirect would take its address from the caller's Host header, and lose a POST's body on the way.
        redirect_slashes=False,
        lifespan=_lifespan(config),
    )
    conversing = (conversations, messages, sse, websocket, examinations)
    managing = (tenants, tenant_settings, tenant_sso, users, factor_resets, api_keys)
    telling = (audit_events, audit_proofs, reports)
    versions = (knowledge_versions, knowledge_follow_ups)
    knowing = (embedders, knowledge, *versions, knowledge_sitemaps, knowledge_search, knowledge_gaps, gap_drafts)
    ruling = (policies, policy_replays, redaction_rules, intents, regulated_tickets)
    asked = (privacy_requests, legal_holds, statutory_records, retention, scheduled_reports)
    evaluating = (evaluation_suites, evaluations)
    around = (operations, codec, demo, help_pages, well_known)
    known = (*conversing, escalations, *knowing, *ruling, *evaluating, *managing, *telling, *asked, *around)
    for part in (auth, customer_tokens, *known):
        app.include_router(part.router)
    app.include_router(users.invitations_router)
    app.include_router(redaction_rules.trial_router)
    app.include_router(intents.drafts_router)
    app.include_router(evaluation_suites.upload_router)
    app.include_router(documents.router(app))
    app.include_router(pages.router())
    remember_templates(app)
    errors.install(app)
    # The last one is the outermost.
    app.add_middleware(Bodies)
    app.add_middleware(Compression)
    app.add_middleware(Counting)
    app.add_middleware(Origins)
    app.add_middleware(CodecOrigin, config=config)
    app.add_middleware(Edge, config=config)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    return app


def _lifespan(config: Settings) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database(
            config.postgres_dsn.get_secret_value(),
            pool_size=config.postgres_pool_size,
            pooled=config.postgres_pooled,
            statement_timeout_s=STATEMENT_TIMEOUT_S,
            begin_within_s=STATEMENT_TIMEOUT_S,
        )
        keyring = Keyring(root_of(config), database)
        valkey = frames.connect(config.redis_url.get_secret_value())
        hub = Hub(valkey)
        walls = TenantWalls(database)
        tokens = Tokens(config.token_key.get_secret_value(), config.token_issuer)
        token_keys = TokenKeys(tokens, database, keyring.root)
        app.state.services = Services(
            settings=config,
            database=database,
            keyring=keyring,
            valkey=valkey,
            frames=frames.Frames(valkey),
            hub=hub,
            conversations=Conversations(await connect(config, keyring, lazy=True), config),
            tokens=tokens,
            limiter=Limiter(valkey),
            at_work=AtWork(config.tenant_requests),
            open_streams=OpenStreams(config.tenant_streams),
            walls=walls,
            lockout=Lockout(valkey),
            breached=(breached := Breached(config.breached_passwords_url)),
            providers=open_providers(config),
            post=Post(database, keyring, open_mailer(config)),
            tenants=Tenants(database),
            ended_tokens=EndedTokens(database),
            access=(access := AccessLog(database, config.access_log_window_s)),
            encoder=(encoder := cache(partial(Embedder.load, config))),
            embedders=(known := await asyncio.to_thread(build_embedders, config, encoder)),
        )
        await hub.start()
        await token_keys.start()
        access.start()
        try:
            yield
        finally:
            await walls.close()
            await hub.stop()
            await token_keys.stop()
            await breached.close()
            await access.stop()
            await known.close()
            await valkey.aclose()
            await database.close()

    return lifespan
