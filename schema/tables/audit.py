"""The audit log: its events, and the Merkle tree over them. The application's role may only insert."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from schema.tables.columns import OfTenant, Xid8, json_column, now_column


class Audit(OfTenant, table=True):
    """An audit event, inserted in the transaction of the change."""

    __tablename__ = "audits"
    __table_args__ = (
        Index("ix_audits_subject", "tenant_id", "subject_type", "subject_id"),
        Index("ix_audits_time", "tenant_id", "occurred_at", "id"),
        Index("ix_audits_unsealed", "tenant_id", "xid"),
    )
    action: str
    actor_type: str
    actor_id: UUID | None = None
    subject_type: str
    subject_id: UUID | None = None
    detail: dict[str, Any] = json_column()
    occurred_at: datetime = now_column()
    xid: Any = Field(default=None, sa_column=Column(Xid8, server_default=text("pg_current_xact_id()"), nullable=False))
    """The sealer takes only rows below the oldest running transaction: a plain max(id) would skip late commits."""


class AuditKey(SQLModel, table=True):
    """The Ed25519 seed that signs checkpoints, wrapped by the root key, which is in no database."""

    __tablename__ = "audit_keys"
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    version: int = Field(primary_key=True)
    wrapped_key: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = now_column()
    note: str | None = None
    """By which the key before put it in (`helios.audit_log.key_chain`); the first has none."""


class AuditLeaf(SQLModel, table=True):
    """An event's place in the tree, from 0, and its leaf's hash (RFC 6962), 32 bytes."""

    __tablename__ = "audit_leaves"
    __table_args__ = (UniqueConstraint("tenant_id", "event_id"),)
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    position: int = Field(primary_key=True, sa_type=BigInteger)
    event_id: UUID
    hash: bytes = Field(sa_type=LargeBinary)


class AuditBlock(SQLModel, table=True):
    """The root over 256 leaves in a row: what lets a proof be made without reading all of them."""

    __tablename__ = "audit_blocks"
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    number: int = Field(primary_key=True, sa_type=BigInteger)
    root: bytes = Field(sa_type=LargeBinary)


class AuditCheckpoint(SQLModel, table=True):
    """A signed size and root.

    frontier      roots of the perfect subtrees, 32 bytes each: all that the next batch needs
    sealed_below  every event of a smaller transaction id is in the tree
    """

    __tablename__ = "audit_checkpoints"
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    size: int = Field(primary_key=True, sa_type=BigInteger)
    root: bytes = Field(sa_type=LargeBinary)
    note: str
    frontier: bytes = Field(sa_type=LargeBinary)
    sealed_below: int = Field(sa_type=BigInteger)
    created_at: datetime = now_column()


class AuditAnchored(SQLModel, table=True):
    """A checkpoint that an anchor has taken: one that is not in it any more was lost there."""

    __tablename__ = "audit_anchored"
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    size: int = Field(primary_key=True, sa_type=BigInteger)
    anchored_at: datetime = now_column()
