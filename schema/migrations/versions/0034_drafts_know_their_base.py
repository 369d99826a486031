"""A draft of rules remembers which version it was based on"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034_drafts_know_their_base"
down_revision = "0033_audit_anchored"

TABLES = ("policies", "redaction_rules", "intent_sets")


def upgrade() -> None:
    # Null for what was drafted before: which version was in force then is not known.
    for table in TABLES:
        op.add_column(table, sa.Column("based_on", sa.Integer(), nullable=True))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "based_on")
