"""The keys that sign access tokens, wrapped by the root key"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_token_keys"
down_revision = "0006_audit_tree"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "token_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("active_at", moment, nullable=False),
        sa.Column("older_until", moment, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("GRANT SELECT, INSERT ON token_keys TO helios_app")


def downgrade() -> None:
    op.drop_table("token_keys")
