"""Rules in force, figures, and reservations of idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Index,
    LargeBinary,
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


class Ruleset(OfTenant):
    """A version of a tenant's rules: draft, published (one of them), superseded or rejected.

    `definition` holds what differs from the shipped rules, and never changes. `based_on`: the version that was in force
    when it was drafted.
    """

    version: int
    status: str
    definition: dict[str, Any] = json_column()
    based_on: int | None = None
    note: str | None = None
    created_by: UUID | None = None
    published_by: UUID | None = None
    rejected_by: UUID | None = None
    review_note: str | None = None
    created_at: datetime = now_column()
    published_at: datetime | None = time_column()
    rejected_at: datetime | None = time_column()


def one_published(table: str) -> tuple[Any, ...]:
    published = text("status = 'published'")
    only = Index(f"uq_{table}_published", "tenant_id", unique=True, postgresql_where=published)
    return (UniqueConstraint("tenant_id", "version"), only)


class Policy(Ruleset, table=True):
    """The situations and what each demands. A conversation's turn keeps the version that it began with."""

    __tablename__ = "policies"
    __table_args__ = one_published("policies")


class RedactionRule(Ruleset, table=True):
    """What is taken out of texts, and how."""

    __tablename__ = "redaction_rules"
    __table_args__ = one_published("redaction_rules")


class PolicyReplay(OfTenant, table=True):
    """A draft against past turns: `version` beside `against`, the version that was in force."""

    __tablename__ = "policy_replays"
    version: int
    against: int
    status: str = "running"
    total: int
    done: int = counter_column()
    created_by: UUID | None = None
    created_at: datetime = now_column()
    finished_at: datetime | None = time_column()


class PolicyReplayChange(SQLModel, table=True):
    """A turn that would have been decided otherwise: numbers and names, no word of anybody."""

    __tablename__ = "policy_replay_changes"
    __table_args__ = (foreign_key("policy_replays", "replay_id"),)
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    replay_id: UUID = Field(primary_key=True)
    conversation_id: UUID = Field(primary_key=True)
    turn: int = Field(primary_key=True)
    situation: int | None = None
    before: dict[str, Any] = json_column()
    after: dict[str, Any] = json_column()
    reason: str


class Analytics(SQLModel, table=True):
    """One row a turn, with no person in it: totals stay when a customer is erased."""

    __tablename__ = "analytics"
    __table_args__ = (Index("ix_analytics_time", "tenant_id", "occurred_at"),)
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    turn_id: UUID = Field(primary_key=True)
    occurred_at: datetime = now_column()
    channel: str | None = None
    language: str | None = None
    intent: str | None = None
    outcome: str
    situation: int | None = None
    generator: str | None = None
    model: str | None = None
    latency_ms: int
    input_tokens: int = counter_column()
    output_tokens: int = counter_column()
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
    response_ct: bytes | None = sealed_column()
    created_at: datetime = now_column()
