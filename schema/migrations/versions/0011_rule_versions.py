"""Policies and redaction rules with notes and reviews, one published version of each; shipped rules are no overrides"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011_rule_versions"
down_revision = "0010_tenants"

TABLES = ("policies", "redaction_rules")
NEW = ("note", "review_note", "rejected_by", "rejected_at")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("note", sa.String(), nullable=True))
        op.add_column(table, sa.Column("review_note", sa.String(), nullable=True))
        op.add_column(table, sa.Column("rejected_by", sa.Uuid(), nullable=True))
        op.add_column(table, sa.Column("rejected_at", sa.DateTime(timezone=True), nullable=True))
        op.create_index(
            f"uq_{table}_published", table, ["tenant_id"], unique=True, postgresql_where=sa.text("status = 'published'")
        )
        # A definition holds what a tenant has changed; until now nobody could change anything.
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(sa.table(table, sa.column("definition")).update().values(definition=sa.text("'{}'::jsonb")))
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"REVOKE DELETE ON {table} FROM helios_app")


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"GRANT DELETE ON {table} TO helios_app")
        op.drop_index(f"uq_{table}_published", table)
        for column in NEW:
            op.drop_column(table, column)
