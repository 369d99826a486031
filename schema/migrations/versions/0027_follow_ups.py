"""Follow-ups with customers whose answers rest on a withdrawn version"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027_follow_ups"
down_revision = "0026_audit_key_notes"

RUNS, CONVERSATIONS = "follow_ups", "follow_up_conversations"
MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        RUNS,
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", "id", "source_id", "requested_by")),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), server_default="running", nullable=False),
        sa.Column("customers", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("planned", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(
            ["tenant_id", "source_id", "version"],
            ["knowledge_versions.tenant_id", "knowledge_versions.source_id", "knowledge_versions.version"],
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(f"ix_{RUNS}_version", RUNS, ["tenant_id", "source_id", "version"])
    op.create_index(
        f"ix_{RUNS}_running", RUNS, ["tenant_id", "id"], postgresql_where=sa.text("status = 'running'")
    )  # fmt: skip
    ids = ("tenant_id", "source_id", "conversation_id", "follow_up_id")
    op.create_table(
        CONVERSATIONS,
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ids),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), server_default="pending", nullable=False),
        sa.Column("because", sa.String(), nullable=True),
        *(sa.Column(name, sa.Uuid(), nullable=True) for name in ("message_id", "escalation_id")),
        *(sa.Column(name, MOMENT, nullable=True) for name in ("signalled_at", "done_at")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "follow_up_id"], [f"{RUNS}.tenant_id", f"{RUNS}.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "conversation_id"], ["threads.tenant_id", "threads.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "source_id", "version", "conversation_id"),
    )
    op.create_index(f"ix_{CONVERSATIONS}_status", CONVERSATIONS, ["tenant_id", "follow_up_id", "status"])
    for table in (RUNS, CONVERSATIONS):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY of_the_tenant ON {table} USING ({MINE}) WITH CHECK ({MINE})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO helios_app")


def downgrade() -> None:
    op.drop_table(CONVERSATIONS)
    op.drop_table(RUNS)
