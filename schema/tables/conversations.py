"""Conversations: threads, turns, messages, the facts that streams tell, and what customers said of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from schema.tables.columns import (
    OfTenant,
    counter_column,
    foreign_key,
    json_column,
    now_column,
    sealed_column,
    time_column,
)


class Thread(OfTenant, table=True):
    """A conversation. Its row is also the lock that orders the conversation's facts and turns.

    open_turn       the newest turn that has a message
    sealed_turn     the newest turn that has begun: it takes no more messages
    completed_turn  the newest turn that ended
    last_seq        the newest fact
    epoch           counts generation attempts: the high digits of a delta frame's number
    """

    __tablename__ = "threads"
    __table_args__ = (
        foreign_key("customers", "customer_id"),
        Index("ix_threads_customer", "tenant_id", "customer_id", "id"),
        Index("ix_threads_unfinished", "tenant_id", "updated_at", postgresql_where=text("open_turn > completed_turn")),
        Index("ix_threads_close_untold", "tenant_id", "id", postgresql_where=text("close_untold")),
    )
    customer_id: UUID
    status: str = "active"
    channel: str | None = None
    locale: str | None = None
    language: str | None = None
    metadata_ct: bytes | None = sealed_column()
    open_turn: int = counter_column()
    sealed_turn: int = counter_column()
    completed_turn: int = counter_column()
    last_seq: int = Field(default=0, sa_type=BigInteger, nullable=False, sa_column_kwargs={"server_default": text("0")})
    epoch: int = counter_column()
    unhelpful_turns: int = counter_column()
    escalation_id: UUID | None = None
    rating: int | None = None
    created_at: datetime = now_column()
    updated_at: datetime = now_column()
    closed_at: datetime | None = time_column()
    close_untold: bool = Field(default=False, nullable=False, sa_column_kwargs={"server_default": text("false")})
    """Temporal was away when the conversation was closed: its workflow has yet to be told."""
    erased_at: datetime | None = time_column()
    """Its text is gone; the row and its numbers stay."""


class Turn(SQLModel, table=True):
    """One round: the customer's messages and the one reply. `record` is the provenance: versions, verdicts, scores."""

    __tablename__ = "turns"
    __table_args__ = (foreign_key("threads", "conversation_id"),)
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    conversation_id: UUID = Field(primary_key=True)
    number: int = Field(primary_key=True)
    reply_id: UUID
    """The id of the turn's one AI message, chosen before the first attempt, so that every attempt streams under it."""
    attempt: int = counter_column()
    outcome: str | None = None
    draft_ct: bytes | None = sealed_column()
    draft: dict[str, Any] | None = json_column(None)
    """How the draft came about: generator, model, prompt hash, tokens, cost, citations, verdicts, last frame."""
    record: dict[str, Any] = json_column()
    received_at: datetime = now_column()
    sealed_at: datetime | None = time_column()
    completed_at: datetime | None = time_column()


class Message(OfTenant, table=True):
    """`origin` makes delivery happen once: `client:<id>`, `ai:<turn>`, `notice:<turn>:<what>` or `decision:<id>`."""

    __tablename__ = "messages"
    __table_args__ = (
        foreign_key("threads", "conversation_id"),
        UniqueConstraint("tenant_id", "conversation_id", "origin"),
        Index("ix_messages_turn", "tenant_id", "conversation_id", "turn", "id"),
    )
    conversation_id: UUID
    turn: int
    role: str
    origin: str
    author_id: UUID | None = None
    content_ct: bytes = sealed_column(nullable=False)
    language: str | None = None
    citations: list[dict[str, Any]] = json_column("[]")
    intent: dict[str, Any] | None = json_column(None)
    confidence: float | None = None
    outcome: str | None = None
    masked: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), server_default=text("'{}'")))
    attempt: int = Field(default=1, nullable=False, sa_column_kwargs={"server_default": text("1")})
    last_frame: int = Field(
        default=0, sa_type=BigInteger, nullable=False, sa_column_kwargs={"server_default": text("0")}
    )
    created_at: datetime = now_column()


class ConversationEvent(SQLModel, table=True):
    """A fact: the truth of a conversation's stream. Written in the transaction of what it tells.

    `frame` is the highest delta frame that comes before it; `dedupe_key` makes a retried step's fact the same fact.
    """

    __tablename__ = "conversation_events"
    __table_args__ = (
        foreign_key("threads", "conversation_id"),
        UniqueConstraint("tenant_id", "conversation_id", "dedupe_key"),
    )
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    conversation_id: UUID = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    type: str
    dedupe_key: str
    payload: dict[str, Any] = json_column()
    message_id: UUID | None = None
    frame: int | None = Field(default=None, sa_type=BigInteger)
    created_at: datetime = now_column()


class Feedback(OfTenant, table=True):
    __tablename__ = "feedback"
    __table_args__ = (foreign_key("threads", "conversation_id"),)
    conversation_id: UUID
    message_id: UUID | None = None
    rating: int
    helpful: bool | None = None
    comment_ct: bytes | None = sealed_column()
    created_at: datetime = now_column()
