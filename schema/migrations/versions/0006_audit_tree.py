"""The Merkle tree over the audit log"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

revision = "0006_audit_tree"
down_revision = "0005_password_resets"

MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
TABLES = ("audit_keys", "audit_leaves", "audit_blocks", "audit_checkpoints")


def upgrade() -> None:
    op.create_index("ix_audits_unsealed", "audits", ["tenant_id", "xid"])
    for table in TABLES:
        op.create_table(
            table,
            sa.Column("tenant_id", sa.Uuid(), nullable=False),
            *_columns(table),
            sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        )
        _raise_walls(table)
        _make_append_only(table)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_index("ix_audits_unsealed", "audits")


def _columns(table: str) -> tuple[SchemaItem, ...]:
    created = sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    columns: dict[str, tuple[SchemaItem, ...]] = {
        "audit_keys": (
            sa.Column("version", sa.Integer(), nullable=False),
            sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
            created,
            sa.PrimaryKeyConstraint("tenant_id", "version"),
        ),
        "audit_leaves": (
            sa.Column("position", sa.BigInteger(), nullable=False),
            sa.Column("event_id", sa.Uuid(), nullable=False),
            sa.Column("hash", sa.LargeBinary(), nullable=False),
            sa.PrimaryKeyConstraint("tenant_id", "position"),
            sa.UniqueConstraint("tenant_id", "event_id"),
        ),
        "audit_blocks": (
            sa.Column("number", sa.BigInteger(), nullable=False),
            sa.Column("root", sa.LargeBinary(), nullable=False),
            sa.PrimaryKeyConstraint("tenant_id", "number"),
        ),
        "audit_checkpoints": (
            sa.Column("size", sa.BigInteger(), nullable=False),
            sa.Column("root", sa.LargeBinary(), nullable=False),
            sa.Column("note", sa.String(), nullable=False),
            sa.Column("frontier", sa.LargeBinary(), nullable=False),
            sa.Column("sealed_below", sa.BigInteger(), nullable=False),
            created,
            sa.PrimaryKeyConstraint("tenant_id", "size"),
        ),
    }
    return columns[table]


def _raise_walls(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_the_tenant ON {table} USING ({MINE}) WITH CHECK ({MINE})")
    op.execute(f"GRANT SELECT, INSERT ON {table} TO helios_app")


def _make_append_only(table: str) -> None:
    function = "EXECUTE FUNCTION refuse_change_of_audits()"
    op.execute(f"CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {function}")
    op.execute(f"CREATE TRIGGER append_only_table BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {function}")
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only_rows")
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only_table")
