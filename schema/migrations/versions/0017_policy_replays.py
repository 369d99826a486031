"""Replays of policies over past turns, and what would have been decided otherwise"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017_policy_replays"
down_revision = "0016_ticket_clocks"

MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    verdict = postgresql.JSONB(astext_type=sa.Text())
    op.create_table(
        "policy_replays",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("against", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_table(
        "policy_replay_changes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("replay_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("situation", sa.Integer(), nullable=True),
        sa.Column("before", verdict, server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("after", verdict, server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "replay_id"], ["policy_replays.tenant_id", "policy_replays.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "replay_id", "conversation_id", "turn"),
    )
    for table, granted in (("policy_replays", "SELECT, INSERT, UPDATE"), ("policy_replay_changes", "SELECT, INSERT")):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY of_the_tenant ON {table} USING ({MINE}) WITH CHECK ({MINE})")
        op.execute(f"GRANT {granted} ON {table} TO helios_app")


def downgrade() -> None:
    op.drop_table("policy_replay_changes")
    op.drop_table("policy_replays")
