"""Knowledge for some customers only: audiences of sources and of customers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019_audiences"
down_revision = "0018_knowledge_pages"

TABLES = ("knowledge_sources", "knowledge_versions", "customers")


def upgrade() -> None:
    for table in TABLES:
        labels = postgresql.ARRAY(sa.Text())
        op.add_column(table, sa.Column("audiences", labels, server_default=sa.text("'{}'"), nullable=False))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "audiences")
