"""Reports that a schedule makes, kept as they were made"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021_scheduled_reports"
down_revision = "0020_rows_of_tenants"

TABLE = "scheduled_reports"
MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        TABLE,
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", "id")),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("name", "period")),
        *(sa.Column(name, MOMENT, nullable=False) for name in ("since", "until", "as_of")),
        sa.Column("rows", sa.Integer(), nullable=True),
        *(sa.Column(name, sa.String(), nullable=True) for name in ("sha256", "problem")),
        sa.Column("content_ct", sa.LargeBinary(), nullable=True),
        sa.Column("record_class", sa.String(), nullable=False),
        sa.Column("retain_until", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("destroyed_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "name", "period"),
    )
    op.create_index(f"ix_{TABLE}_time", TABLE, ["tenant_id", "created_at", "id"])
    op.create_index(
        f"ix_{TABLE}_due", TABLE, ["tenant_id", "retain_until"], postgresql_where=sa.text("destroyed_at IS NULL")
    )
    op.execute(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {TABLE} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_the_tenant ON {TABLE} USING ({MINE}) WITH CHECK ({MINE})")
    op.execute(f"REVOKE ALL ON {TABLE} FROM helios_app")
    op.execute(f"GRANT SELECT, INSERT, UPDATE (content_ct, destroyed_at) ON {TABLE} TO helios_app")


def downgrade() -> None:
    op.drop_table(TABLE)
