"""A customer's tokens can be ended"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024_ended_tokens"
down_revision = "0023_knowledge_gaps"

TABLES = {"customers": "tokens_ended_at", "api_keys": "deleted_at"}


def upgrade() -> None:
    op.add_column("customers", sa.Column("tokens_ended_at", sa.DateTime(timezone=True), nullable=True))
    for table, ended_at in TABLES.items():
        op.create_index(
            f"ix_{table}_ended", table, ["tenant_id", ended_at], postgresql_where=sa.text(f"{ended_at} IS NOT NULL")
        )


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"ix_{table}_ended", table)
    op.drop_column("customers", "tokens_ended_at")
