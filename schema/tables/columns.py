"""Columns that several tables share, and what every table of a tenant has."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    DateTime,
    ForeignKeyConstraint,
    LargeBinary,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field, SQLModel


class Xid8(UserDefinedType[str]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


def now_column() -> Any:
    return Field(sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": func.now()}, nullable=False)


def time_column() -> Any:
    return Field(default=None, sa_type=DateTime(timezone=True), nullable=True)


def sealed_column(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_type=LargeBinary, nullable=nullable)


def json_column(default: str | None = "{}") -> Any:
    return Field(
        default=None,
        sa_type=JSONB,
        nullable=default is None,
        sa_column_kwargs={"server_default": text(f"'{default}'::jsonb")} if default is not None else {},
    )


def counter_column() -> Any:
    return Field(default=0, nullable=False, sa_column_kwargs={"server_default": text("0")})


def text_column(default: str) -> Any:
    return Field(default=default, nullable=False, sa_column_kwargs={"server_default": default})


def labels_column() -> Any:
    return Field(
        default_factory=list, sa_column=Column(ARRAY(Text), server_default=text("'{}'"), nullable=False)
    )  # fmt: skip


def foreign_key(table: str, column: str, target: str = "id") -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", column], [f"{table}.tenant_id", f"{table}.{target}"])


class OfTenant(SQLModel):
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    id: UUID = Field(primary_key=True)
