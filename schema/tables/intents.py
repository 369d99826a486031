"""A tenant's own intents: versions, the examples that they are trained on, and what training leaves."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel

from schema.tables.columns import counter_column, foreign_key, json_column, now_column, sealed_column
from schema.tables.records import Ruleset, one_published


class IntentSet(Ruleset, table=True):
    """A version: draft while it is trained, then trained or failed, and on as rules are. `definition` counts its
    examples, `report` says how well it does on examples that were held out. Version 1 is the shipped model.
    """

    __tablename__ = "intent_sets"
    __table_args__ = one_published("intent_sets")
    examples_total: int = counter_column()
    examples_done: int = counter_column()
    failure: str | None = None
    report: dict[str, Any] | None = json_column(None)
    updated_at: datetime = now_column()


class IntentChunk(SQLModel, table=True):
    """Some of a version's examples, sealed, and their vectors: (n, dimension) float16, once they are encoded."""

    __tablename__ = "intent_chunks"
    __table_args__ = (foreign_key("intent_sets", "version", "version"),)
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    version: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    examples_ct: bytes = sealed_column(nullable=False)
    vectors: bytes | None = Field(default=None, sa_type=LargeBinary)


class IntentModel(SQLModel, table=True):
    """A version's trained weights, for the vectors of one embedder."""

    __tablename__ = "intent_models"
    __table_args__ = (foreign_key("intent_sets", "version", "version"),)
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    version: int = Field(primary_key=True)
    embedder: str
    weights: bytes = Field(sa_type=LargeBinary)
