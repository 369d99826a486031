"""Which checkpoints were anchored"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033_audit_anchored"
down_revision = "0032_evaluations"

TABLE = "audit_anchored"
MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
REFUSE = "EXECUTE FUNCTION refuse_change_of_audits()"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("anchored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "size"),
    )
    op.execute(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {TABLE} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_the_tenant ON {TABLE} USING ({MINE}) WITH CHECK ({MINE})")
    op.execute(f"GRANT SELECT, INSERT ON {TABLE} TO helios_app")
    op.execute(f"CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON {TABLE} FOR EACH ROW {REFUSE}")
    op.execute(f"CREATE TRIGGER append_only_table BEFORE TRUNCATE ON {TABLE} FOR EACH STATEMENT {REFUSE}")
    op.execute(f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER append_only_rows")
    op.execute(f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER append_only_table")


def downgrade() -> None:
    op.drop_table(TABLE)
