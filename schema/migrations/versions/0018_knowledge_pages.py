"""Pages and sitemaps that knowledge is taken from, looked at again by a schedule"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018_knowledge_pages"
down_revision = "0017_policy_replays"

MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "knowledge_pages",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("sitemap_id", sa.Uuid(), nullable=True),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("visibility", sa.String(), server_default="public", nullable=False),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=True),
        sa.Column("etag", sa.String(), nullable=True),
        sa.Column("last_modified", sa.String(), nullable=True),
        sa.Column("content_sha256", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("registered_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("checked_at", MOMENT, nullable=True),
        sa.Column("next_check_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "source_id"], ["knowledge_sources.tenant_id", "knowledge_sources.id"]),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sitemap_id"], ["knowledge_pages.tenant_id", "knowledge_pages.id"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "kind", "url"),
    )
    op.create_index("ix_knowledge_pages_due", "knowledge_pages", ["tenant_id", "next_check_at"])
    op.execute("ALTER TABLE knowledge_pages ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE knowledge_pages FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_the_tenant ON knowledge_pages USING ({MINE}) WITH CHECK ({MINE})")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge_pages TO helios_app")


def downgrade() -> None:
    op.drop_table("knowledge_pages")
