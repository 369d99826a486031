"""Tickets with a history, and the mark that their clock runs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016_ticket_clocks"
down_revision = "0015_privacy"

MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("tickets", sa.Column("clock_started_at", moment, nullable=True))
    unstarted = sa.text("clock_started_at IS NULL")
    op.create_index("ix_tickets_unstarted", "tickets", ["tenant_id", "id"], postgresql_where=unstarted)
    op.create_table(
        "ticket_events",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("clock", sa.String(), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("reason_ct", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "ticket_id"], ["tickets.tenant_id", "tickets.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_ticket_events_ticket", "ticket_events", ["tenant_id", "ticket_id", "created_at", "id"])
    op.execute("ALTER TABLE ticket_events ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE ticket_events FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_the_tenant ON ticket_events USING ({MINE}) WITH CHECK ({MINE})")
    op.execute("GRANT SELECT, INSERT, DELETE ON ticket_events TO helios_app")


def downgrade() -> None:
    op.drop_table("ticket_events")
    op.drop_index("ix_tickets_unstarted", "tickets")
    op.drop_column("tickets", "clock_started_at")
