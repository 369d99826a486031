"""Suites of a tenant's own, and what came of running them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from schema.tables.columns import (
    OfTenant,
    counter_column,
    foreign_key,
    json_column,
    labels_column,
    now_column,
    sealed_column,
    text_column,
    time_column,
)


class EvaluationSuite(OfTenant, table=True):
    """A version of a suite. `document_ct` is the whole of it, gone once the suite was taken away.

    digest  the document's, by which the same one is known again
    guards  what may not be published unless it passed
    masked  kinds of secrets and personal data that were taken out of its messages
    """

    __tablename__ = "evaluation_suites"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name", "version"),
        Index(
            "uq_evaluation_suites_current", "tenant_id", "name", unique=True,
            postgresql_where=text("status = 'current'"),
        ),
    )  # fmt: skip
    name: str
    version: int
    status: str = text_column("current")
    """`current`, `superseded` or `removed`."""
    document_ct: bytes | None = sealed_column()
    digest: str
    cases: int
    guards: list[str] = labels_column()
    masked: list[str] = labels_column()
    created_by: UUID | None = None
    created_at: datetime = now_column()


class Evaluation(OfTenant, table=True):
    """A run of a suite. What is published and what is drafted are numbers of versions; `digest`s are of all that an
    answer hangs on, so that the same state is known again. `report` says how many passed, and which cases differ.
    """

    __tablename__ = "evaluations"
    __table_args__ = (
        foreign_key("evaluation_suites", "suite_id"),
        Index("ix_evaluations_suite", "tenant_id", "suite_id", "created_at"),
        Index("ix_evaluations_running", "tenant_id", "id", postgresql_where=text("status = 'running'")),
    )
    suite_id: UUID
    status: str = text_column("running")
    """`running`, `done`, `failed`, or `outdated`: what is in force has changed meanwhile."""
    published: dict[str, Any] = json_column()
    draft: dict[str, Any] = json_column()
    published_digest: str
    draft_digest: str
    total: int
    done: int = counter_column()
    passed: bool | None = None
    report: dict[str, Any] | None = json_column(None)
    created_by: UUID | None = None
    created_at: datetime = now_column()
    finished_at: datetime | None = time_column()


class EvaluationResult(SQLModel, table=True):
    """What came of one case, as published or as drafted. `detail_ct`: the answer, and what was expected otherwise."""

    __tablename__ = "evaluation_results"
    __table_args__ = (foreign_key("evaluations", "evaluation_id"),)
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    evaluation_id: UUID = Field(primary_key=True)
    number: int = Field(primary_key=True)
    """Of the case in its suite, from 0."""
    side: str = Field(primary_key=True)
    """`published` or `draft`."""
    passed: bool
    outcome: str
    detail_ct: bytes | None = sealed_column()
    created_at: datetime = now_column()
