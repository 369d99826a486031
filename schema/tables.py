"""The nouns as tables. Every table of a tenant has the key `(tenant_id, …)`: no foreign key can cross tenants.

Columns that end in `_ct` are ciphertext (`helios.crypto`): text of customers and agents is readable nowhere in the
database. Facts, turns and audit events hold ids, enums and scores only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import Vector
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Computed,
    DateTime,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field, SQLModel

EMBEDDING_DIMENSION = 384


class Xid8(UserDefinedType[str]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


def _now() -> Any:
    return Field(sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": func.now()}, nullable=False)


def _time() -> Any:
    return Field(default=None, sa_type=DateTime(timezone=True), nullable=True)


def _sealed(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_type=LargeBinary, nullable=nullable)


def _json(default: str | None = "{}") -> Any:
    return Field(
        default=None,
        sa_type=JSONB,
        nullable=default is None,
        sa_column_kwargs={"server_default": text(f"'{default}'::jsonb")} if default is not None else {},
    )


def _counter() -> Any:
    return Field(default=0, nullable=False, sa_column_kwargs={"server_default": text("0")})


def _foreign(table: str, column: str, target: str = "id") -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", column], [f"{table}.tenant_id", f"{table}.{target}"])


class Tenant(SQLModel, table=True):
    """A business. No row-level security: sign-in must find its tenant before it knows it."""

    __tablename__ = "tenants"
    id: UUID = Field(primary_key=True)
    slug: str = Field(unique=True)
    name: str
    settings: dict[str, Any] = _json()
    created_at: datetime = _now()
    deleted_at: datetime | None = _time()


class ApiKeyIndex(SQLModel, table=True):
    """From the hash of an API key to its tenant. No row-level security, for the same reason as `tenants`."""

    __tablename__ = "api_key_index"
    key_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    api_key_id: UUID


class _OfTenant(SQLModel):
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    id: UUID = Field(primary_key=True)


class TenantKey(SQLModel, table=True):
    """A tenant's data key, wrapped by the root key. The newest version encrypts; older ones still decrypt."""

    __tablename__ = "tenant_keys"
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    version: int = Field(primary_key=True)
    wrapped_key: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = _now()


class ApiKey(_OfTenant, table=True):
    __tablename__ = "api_keys"
    name: str
    key_hash: bytes = Field(sa_type=LargeBinary)
    scopes: list[str] = Field(sa_type=ARRAY(Text))
    created_at: datetime = _now()
    expires_at: datetime | None = _time()
    deleted_at: datetime | None = _time()


class User(_OfTenant, table=True):
    """A member of the tenant's staff."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("tenant_id", "email"),)
    email: str
    display_name: str
    password_hash: str
    roles: list[str] = Field(sa_type=ARRAY(Text))
    failed_logins: int = _counter()
    locked_until: datetime | None = _time()
    created_at: datetime = _now()
    deleted_at: datetime | None = _time()


class Customer(_OfTenant, table=True):
    """Somebody whom the tenant's own backend signed in. `external_id_index` is an HMAC: the id itself is ciphertext."""

    __tablename__ = "customers"
    __table_args__ = (UniqueConstraint("tenant_id", "external_id_index"),)
    external_id_index: bytes = Field(sa_type=LargeBinary)
    profile_ct: bytes = _sealed(nullable=False)
    locale: str | None = None
    created_at: datetime = _now()
    deleted_at: datetime | None = _time()


class Session(_OfTenant, table=True):
    """A staff sign-in. The refresh token is kept as a hash; `replaced_by` tells a reuse from a first use."""

    __tablename__ = "sessions"
    __table_args__ = (_foreign("users", "user_id"), Index("ix_sessions_refresh", "tenant_id", "refresh_hash"))
    user_id: UUID
    refresh_hash: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = _now()
    last_used_at: datetime = _now()
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))
    revoked_at: datetime | None = _time()


class Thread(_OfTenant, table=True):
    """A conversation. Its row is also the lock that orders the conversation's facts and turns.

    open_turn       the newest turn that has a message
    sealed_turn     the newest turn that has begun: it takes no more messages
    completed_turn  the newest turn that ended
    last_seq        the newest fact
    epoch           counts generation attempts: the high digits of a delta frame's number
    """

    __tablename__ = "threads"
    __table_args__ = (
        _foreign("customers", "customer_id"),
        Index("ix_threads_customer", "tenant_id", "customer_id", "id"),
        Index("ix_threads_unfinished", "tenant_id", "updated_at", postgresql_where=text("open_turn > completed_turn")),
    )
    customer_id: UUID
    status: str = "active"
    channel: str | None = None
    locale: str | None = None
    language: str | None = None
    metadata_ct: bytes | None = _sealed()
    open_turn: int = _counter()
    sealed_turn: int = _counter()
    completed_turn: int = _counter()
    last_seq: int = Field(default=0, sa_type=BigInteger, nullable=False, sa_column_kwargs={"server_default": text("0")})
    epoch: int = _counter()
    unhelpful_turns: int = _counter()
    escalation_id: UUID | None = None
    rating: int | None = None
    created_at: datetime = _now()
    updated_at: datetime = _now()
    closed_at: datetime | None = _time()


class Turn(SQLModel, table=True):
    """One round: the customer's messages and the one reply. `record` is the provenance: versions, verdicts, scores."""

    __tablename__ = "turns"
    __table_args__ = (_foreign("threads", "conversation_id"),)
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    conversation_id: UUID = Field(primary_key=True)
    number: int = Field(primary_key=True)
    reply_id: UUID
    """The id of the turn's one AI message, chosen before the first attempt, so that every attempt streams under it."""
    attempt: int = _counter()
    outcome: str | None = None
    draft_ct: bytes | None = _sealed()
    draft: dict[str, Any] | None = _json(None)
    """How the draft came about: generator, model, prompt hash, tokens, cost, citations, verdicts, last frame."""
    record: dict[str, Any] = _json()
    received_at: datetime = _now()
    sealed_at: datetime | None = _time()
    completed_at: datetime | None = _time()


class Message(_OfTenant, table=True):
    """`origin` makes delivery happen once: `client:<id>`, `ai:<turn>`, `notice:<turn>:<what>` or `decision:<id>`."""

    __tablename__ = "messages"
    __table_args__ = (
        _foreign("threads", "conversation_id"),
        UniqueConstraint("tenant_id", "conversation_id", "origin"),
        Index("ix_messages_turn", "tenant_id", "conversation_id", "turn", "id"),
    )
    conversation_id: UUID
    turn: int
    role: str
    origin: str
    author_id: UUID | None = None
    content_ct: bytes = _sealed(nullable=False)
    language: str | None = None
    citations: list[dict[str, Any]] = _json("[]")
    intent: dict[str, Any] | None = _json(None)
    confidence: float | None = None
    outcome: str | None = None
    masked: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), server_default=text("'{}'")))
    attempt: int = Field(default=1, nullable=False, sa_column_kwargs={"server_default": text("1")})
    last_frame: int = Field(
        default=0, sa_type=BigInteger, nullable=False, sa_column_kwargs={"server_default": text("0")}
    )
    created_at: datetime = _now()


class ConversationEvent(SQLModel, table=True):
    """A fact: the truth of a conversation's stream. Written in the transaction of what it tells.

    `frame` is the highest delta frame that comes before it; `dedupe_key` makes a retried step's fact the same fact.
    """

    __tablename__ = "conversation_events"
    __table_args__ = (
        _foreign("threads", "conversation_id"),
        UniqueConstraint("tenant_id", "conversation_id", "dedupe_key"),
    )
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    conversation_id: UUID = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    type: str
    dedupe_key: str
    payload: dict[str, Any] = _json()
    message_id: UUID | None = None
    frame: int | None = Field(default=None, sa_type=BigInteger)
    created_at: datetime = _now()


class Ticket(_OfTenant, table=True):
    """A case with its regulated due dates. Clocks start when the message was received, not when the ticket was made."""

    __tablename__ = "tickets"
    __table_args__ = (
        _foreign("threads", "conversation_id"),
        UniqueConstraint("tenant_id", "conversation_id", "turn", "kind"),
    )
    conversation_id: UUID
    turn: int
    kind: str
    status: str = "open"
    priority: str
    situation: int
    clocks: list[dict[str, Any]] = _json("[]")
    received_at: datetime = Field(sa_type=DateTime(timezone=True))
    created_at: datetime = _now()
    closed_at: datetime | None = _time()


class Escalation(_OfTenant, table=True):
    __tablename__ = "escalations"
    __table_args__ = (
        _foreign("threads", "conversation_id"),
        UniqueConstraint("tenant_id", "conversation_id", "cause"),
        Index("ix_escalations_status", "tenant_id", "status", "id"),
    )
    conversation_id: UUID
    turn: int
    cause: str
    """`turn:<n>` or `request:<id>`: the same cause opens one escalation."""
    status: str = "open"
    priority: str
    queue: str
    reason: str
    situation: int | None = None
    language: str = "en"
    requested_by: UUID | None = None
    summary_ct: bytes | None = _sealed()
    draft_ct: bytes | None = _sealed()
    draft_citations: list[dict[str, Any]] = _json("[]")
    opened_at: datetime = _now()
    due_at: datetime = Field(sa_type=DateTime(timezone=True))
    breached_at: datetime | None = _time()
    claimed_by: UUID | None = None
    claimed_at: datetime | None = _time()
    decision_id: UUID | None = None
    decided_at: datetime | None = _time()
    closed_at: datetime | None = _time()


class Decision(_OfTenant, table=True):
    """What a person decided. The text is stored first; the workflow only ever sees its id."""

    __tablename__ = "decisions"
    __table_args__ = (
        _foreign("escalations", "escalation_id"),
        Index(
            "uq_decisions_draft",
            "tenant_id",
            "escalation_id",
            unique=True,
            postgresql_where=text("status = 'applied' AND action IN ('approve', 'edit', 'reject')"),
        ),
    )
    escalation_id: UUID
    action: str
    actor_id: UUID | None = None
    """Empty for ops, who decide by a signal from the Temporal UI."""
    content_ct: bytes | None = _sealed()
    note_ct: bytes | None = _sealed()
    status: str = "pending"
    refusal: str | None = None
    message_id: UUID | None = None
    created_at: datetime = _now()
    applied_at: datetime | None = _time()


class Feedback(_OfTenant, table=True):
    __tablename__ = "feedback"
    __table_args__ = (_foreign("threads", "conversation_id"),)
    conversation_id: UUID
    message_id: UUID | None = None
    rating: int
    helpful: bool | None = None
    comment_ct: bytes | None = _sealed()
    created_at: datetime = _now()


class KnowledgeSource(_OfTenant, table=True):
    __tablename__ = "knowledge_sources"
    __table_args__ = (UniqueConstraint("tenant_id", "slug", "language"),)
    slug: str
    language: str
    title: str
    visibility: str
    category: str | None = None
    tags: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), server_default=text("'{}'")))
    url: str | None = None
    published_version: int | None = None
    created_at: datetime = _now()
    deleted_at: datetime | None = _time()


class KnowledgeVersion(SQLModel, table=True):
    __tablename__ = "knowledge_versions"
    __table_args__ = (_foreign("knowledge_sources", "source_id"),)
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    source_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    status: str
    title: str
    content: str
    content_sha256: str
    submitted_by: UUID | None = None
    approved_by: UUID | None = None
    effective_at: datetime | None = _time()
    created_at: datetime = _now()


class Chunk(_OfTenant, table=True):
    """A passage of a published version. `sentence_vectors` is float16, one row of 384 a sentence."""

    __tablename__ = "chunks"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "source_id", "version"],
            ["knowledge_versions.tenant_id", "knowledge_versions.source_id", "knowledge_versions.version"],
        ),
        UniqueConstraint("tenant_id", "source_id", "version", "position"),
        Index(
            "ix_chunks_embedding",
            "embedding",
            postgresql_using="hnsw",
            postgresql_ops={"embedding": "vector_cosine_ops"},
        ),
        Index("ix_chunks_words", "words", postgresql_using="gin"),
    )
    source_id: UUID
    version: int
    position: int
    language: str
    visibility: str
    heading: str | None = None
    text: str
    sentences: list[str] = Field(sa_type=ARRAY(Text))
    sentence_vectors: bytes = Field(sa_type=LargeBinary)
    embedding: Any = Field(sa_type=Vector(EMBEDDING_DIMENSION))
    embedder: str
    words: Any = Field(
        default=None,
        sa_column=Column(
            TSVECTOR,
            Computed("to_tsvector('simple'::regconfig, coalesce(heading, '') || ' ' || text)", persisted=True),
        ),
    )


class Policy(_OfTenant, table=True):
    """The situations and what each demands. A conversation's turn keeps the version that it began with."""

    __tablename__ = "policies"
    __table_args__ = (UniqueConstraint("tenant_id", "version"),)
    version: int
    status: str
    definition: dict[str, Any] = _json()
    created_by: UUID | None = None
    published_by: UUID | None = None
    created_at: datetime = _now()
    published_at: datetime | None = _time()


class RedactionRule(_OfTenant, table=True):
    __tablename__ = "redaction_rules"
    __table_args__ = (UniqueConstraint("tenant_id", "version"),)
    version: int
    status: str
    definition: dict[str, Any] = _json()
    created_by: UUID | None = None
    published_by: UUID | None = None
    created_at: datetime = _now()
    published_at: datetime | None = _time()


class Audit(_OfTenant, table=True):
    """An audit event, inserted in the transaction of the change. The role of the application may only insert."""

    __tablename__ = "audits"
    __table_args__ = (Index("ix_audits_subject", "tenant_id", "subject_type", "subject_id"),)
    action: str
    actor_type: str
    actor_id: UUID | None = None
    subject_type: str
    subject_id: UUID | None = None
    detail: dict[str, Any] = _json()
    occurred_at: datetime = _now()
    xid: Any = Field(default=None, sa_column=Column(Xid8, server_default=text("pg_current_xact_id()"), nullable=False))
    """The sealer takes only rows below the oldest running transaction: a plain max(id) would skip late commits."""


class Analytics(SQLModel, table=True):
    """One row a turn, with no person in it: totals stay when a customer is erased."""

    __tablename__ = "analytics"
    __table_args__ = (Index("ix_analytics_time", "tenant_id", "occurred_at"),)
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    turn_id: UUID = Field(primary_key=True)
    occurred_at: datetime = _now()
    channel: str | None = None
    language: str | None = None
    intent: str | None = None
    outcome: str
    situation: int | None = None
    generator: str | None = None
    model: str | None = None
    latency_ms: int
    input_tokens: int = _counter()
    output_tokens: int = _counter()
    cost_micro_usd: int | None = Field(default=None, sa_type=BigInteger)


class IdempotencyKey(SQLModel, table=True):
    """`resource_id` is minted with the reservation: a request that died half-way creates the same thing again."""

    __tablename__ = "idempotency_keys"
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    actor_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request_hash: bytes = Field(sa_type=LargeBinary)
    resource_id: UUID
    status: int | None = None
    response_ct: bytes | None = _sealed()
    created_at: datetime = _now()


WITHOUT_ROW_LEVEL_SECURITY = frozenset({"tenants", "api_key_index"})
APPEND_ONLY = frozenset({"audits"})
