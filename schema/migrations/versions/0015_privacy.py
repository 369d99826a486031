"""Customers' own keys, requests for access and erasure, statutory copies, legal holds

What was sealed under the tenant's key stays so and readable; customers get their keys when something of theirs is next
sealed or read.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

revision = "0015_privacy"
down_revision = "0014_no_reveal_roles"

MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
MOMENT = sa.DateTime(timezone=True)
GRANTED = {
    "customer_keys": "SELECT, INSERT, UPDATE (wrapped_key, tenant_key_version, destroyed_at)",
    "privacy_requests": "SELECT, INSERT, UPDATE",
    "statutory_records": "SELECT, INSERT, UPDATE (content_ct, destroyed_at)",
    "legal_holds": "SELECT, INSERT, UPDATE",
}


def upgrade() -> None:
    op.add_column("customers", sa.Column("frozen_at", MOMENT, nullable=True))
    op.add_column("customers", sa.Column("erased_at", MOMENT, nullable=True))
    op.add_column("threads", sa.Column("erased_at", MOMENT, nullable=True))
    for table, columns in tables().items():
        op.create_table(
            table,
            sa.Column("tenant_id", sa.Uuid(), nullable=False),
            sa.Column("id", sa.Uuid(), nullable=False),
            sa.Column("customer_id", sa.Uuid(), nullable=False),
            *columns,
            sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
            sa.ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
            sa.PrimaryKeyConstraint("tenant_id", "id"),
        )
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY of_the_tenant ON {table} USING ({MINE}) WITH CHECK ({MINE})")
        op.execute(f"REVOKE ALL ON {table} FROM helios_app")
        op.execute(f"GRANT {GRANTED[table]} ON {table} TO helios_app")
    for table in ("privacy_requests", "legal_holds"):
        op.create_index(f"ix_{table}_time", table, ["tenant_id", "created_at", "id"])
    op.create_index("ix_legal_holds_customer", "legal_holds", ["tenant_id", "customer_id"])
    op.create_index(
        "uq_privacy_requests_open",
        "privacy_requests",
        ["tenant_id", "customer_id", "kind"],
        unique=True,
        postgresql_where=sa.text("completed_at IS NULL"),
    )
    op.create_index(
        "ix_statutory_records_due",
        "statutory_records",
        ["tenant_id", "retain_until"],
        postgresql_where=sa.text("destroyed_at IS NULL"),
    )


def tables() -> dict[str, tuple[SchemaItem, ...]]:
    return {
        "customer_keys": (
            sa.Column("kind", sa.String(), nullable=False),
            sa.Column("tenant_key_version", sa.Integer(), nullable=False),
            sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
            _now("created_at"),
            _time("destroyed_at"),
            sa.UniqueConstraint("tenant_id", "customer_id", "kind"),
        ),
        "privacy_requests": (
            *(sa.Column(name, sa.String(), nullable=False) for name in ("kind", "status")),
            sa.Column("requested_by", sa.Uuid(), nullable=True),
            sa.Column("verified_by", sa.Uuid(), nullable=True),
            sa.Column("verified_how", sa.String(), nullable=True),
            _time("verified_at"),
            sa.Column("approved_by", sa.Uuid(), nullable=True),
            _time("approved_at"),
            sa.Column("refusal", sa.String(), nullable=True),
            sa.Column("received_at", MOMENT, nullable=False),
            sa.Column("due_at", MOMENT, nullable=False),
            sa.Column("result", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
            sa.Column("export_ct", sa.LargeBinary(), nullable=True),
            _time("export_until"),
            _time("exported_at"),
            _now("created_at"),
            _now("updated_at"),
            _time("completed_at"),
        ),
        "statutory_records": (
            sa.Column("conversation_id", sa.Uuid(), nullable=False),
            sa.Column("record_class", sa.String(), nullable=False),
            sa.Column("content_ct", sa.LargeBinary(), nullable=True),
            sa.Column("retain_until", MOMENT, nullable=False),
            _now("created_at"),
            _time("destroyed_at"),
            sa.ForeignKeyConstraint(["tenant_id", "conversation_id"], ["threads.tenant_id", "threads.id"]),
            sa.UniqueConstraint("tenant_id", "conversation_id"),
        ),
        "legal_holds": (
            sa.Column("status", sa.String(), nullable=False),
            sa.Column("matter_ct", sa.LargeBinary(), nullable=False),
            *(sa.Column(name, sa.Uuid(), nullable=True)
              for name in ("placed_by", "confirmed_by", "release_by", "released_by")),
            _now("created_at"),
            _time("placed_at"),
            _time("released_at"),
        ),
    }  # fmt: skip


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, MOMENT, server_default=sa.text("now()"), nullable=False)


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, MOMENT, nullable=True)


def downgrade() -> None:
    for table in ("legal_holds", "statutory_records", "privacy_requests", "customer_keys"):
        op.drop_table(table)
    op.drop_column("threads", "erased_at")
    op.drop_column("customers", "erased_at")
    op.drop_column("customers", "frozen_at")
