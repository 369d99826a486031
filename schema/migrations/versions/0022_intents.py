"""Intents that a tenant trains: versions, examples, models; the shipped model is version 1"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022_intents"
down_revision = "0021_scheduled_reports"

MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
MOMENT = sa.DateTime(timezone=True)
GRANTED = {
    "intent_sets": "SELECT, INSERT, UPDATE",
    "intent_chunks": "SELECT, INSERT, UPDATE, DELETE",
    "intent_models": "SELECT, INSERT",
}
SHIPPED = """
    INSERT INTO intent_sets (tenant_id, id, version, status, note, published_at)
    SELECT id, uuidv7(), 1, 'published', 'As the product ships it', now() FROM tenants
"""


def upgrade() -> None:
    _sets()
    _parts("intent_chunks", sa.Column("number", sa.Integer(), nullable=False),
           sa.Column("examples_ct", sa.LargeBinary(), nullable=False),
           sa.Column("vectors", sa.LargeBinary(), nullable=True), key=("number",))  # fmt: skip
    _parts("intent_models", sa.Column("embedder", sa.String(), nullable=False),
           sa.Column("weights", sa.LargeBinary(), nullable=False))  # fmt: skip
    # Before the walls stand: behind them the owner, too, writes for one tenant only.
    op.execute(SHIPPED)
    for table, granted in GRANTED.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY of_the_tenant ON {table} USING ({MINE}) WITH CHECK ({MINE})")
        op.execute(f"REVOKE ALL ON {table} FROM helios_app")
        op.execute(f"GRANT {granted} ON {table} TO helios_app")


def _sets() -> None:
    counted = [
        sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)
        for name in ("examples_total", "examples_done")
    ]
    op.create_table(
        "intent_sets",
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", "id")),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("definition", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        *(sa.Column(name, sa.String(), nullable=True) for name in ("note", "review_note", "failure")),
        *(sa.Column(name, sa.Uuid(), nullable=True) for name in ("created_by", "published_by", "rejected_by")),
        *(sa.Column(name, MOMENT, server_default=sa.text("now()"), nullable=False)
          for name in ("created_at", "updated_at")),
        *(sa.Column(name, MOMENT, nullable=True) for name in ("published_at", "rejected_at")),
        *counted,
        sa.Column("report", postgresql.JSONB(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "version"),
    )  # fmt: skip
    published = sa.text("status = 'published'")
    op.create_index("uq_intent_sets_published", "intent_sets", ["tenant_id"], unique=True, postgresql_where=published)


def _parts(table: str, *columns: sa.Column[object], key: tuple[str, ...] = ()) -> None:
    op.create_table(
        table,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "version"], ["intent_sets.tenant_id", "intent_sets.version"]),
        sa.PrimaryKeyConstraint("tenant_id", "version", *key),
    )


def downgrade() -> None:
    for table in reversed(GRANTED):
        op.drop_table(table)
