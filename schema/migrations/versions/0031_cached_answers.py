"""The semantic cache"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031_cached_answers"
down_revision = "0030_embedders"

TABLE = "cached_answers"
MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        TABLE,
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", "conversation_id")),
        sa.Column("turn", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in ("key", "question_ct", "vector_ct")),
        sa.Column("kept_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id", "turn"], ["turns.tenant_id", "turns.conversation_id", "turns.number"]
        ),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id", "turn"),
    )
    op.create_index(f"ix_{TABLE}_key", TABLE, ["tenant_id", "key", "kept_at"])
    op.execute(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {TABLE} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_the_tenant ON {TABLE} USING ({MINE}) WITH CHECK ({MINE})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLE} TO helios_app")


def downgrade() -> None:
    op.drop_table(TABLE)
