"""Knowledge: ingestion, approval, the spans of publication, and who cites what"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009_knowledge"
down_revision = "0008_second_factors"

MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
VERSION = ["tenant_id", "source_id", "version"]


def upgrade() -> None:
    free_slugs_of_what_was_deleted()
    widen_versions()
    create_publications()
    create_citations()
    for table in ("publications", "citations"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY of_the_tenant ON {table} USING ({MINE}) WITH CHECK ({MINE})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO helios_app")
    carry_over()


def free_slugs_of_what_was_deleted() -> None:
    op.drop_constraint("knowledge_sources_tenant_id_slug_language_key", "knowledge_sources")
    op.create_index(
        "uq_knowledge_sources_slug",
        "knowledge_sources",
        ["tenant_id", "slug", "language"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def widen_versions() -> None:
    zero = sa.text("0")
    for column in (
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("publish_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("visibility", sa.String(), server_default="public", nullable=False),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("media_type", sa.String(), server_default="text/markdown", nullable=False),
        sa.Column("original_ct", sa.LargeBinary(), nullable=True),
        sa.Column("step", sa.String(), server_default="done", nullable=False),
        sa.Column("chunks_total", sa.Integer(), server_default=zero, nullable=False),
        sa.Column("chunks_done", sa.Integer(), server_default=zero, nullable=False),
        sa.Column("chunks_reused", sa.Integer(), server_default=zero, nullable=False),
        sa.Column("failure", sa.String(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    ):
        op.add_column("knowledge_versions", column)
    op.create_index("ix_knowledge_versions_content", "knowledge_versions", ["tenant_id", "content_sha256"])
    op.create_index(
        "ix_knowledge_versions_waiting",
        "knowledge_versions",
        ["tenant_id", "updated_at"],
        postgresql_where=sa.text("status IN ('ingesting', 'pending_review')"),
    )


def create_publications() -> None:
    op.create_table(
        "publications",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("published_by", sa.Uuid(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(VERSION, [f"knowledge_versions.{column}" for column in VERSION]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_publications_time", "publications", ["tenant_id", "source_id", "published_at"])
    op.create_index(
        "uq_publications_open",
        "publications",
        ["tenant_id", "source_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def create_citations() -> None:
    op.create_table(
        "citations",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "message_id"], ["messages.tenant_id", "messages.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "source_id", "version", "message_id"),
    )


def carry_over() -> None:
    """What was published before there were approvals. The tables' owner is bound by the walls: tenant by tenant."""
    for (tenant_id,) in op.get_bind().execute(sa.text("SELECT id FROM tenants")).all():
        op.execute(f"SELECT set_config('app.tenant_id', '{tenant_id}', true)")
        op.execute(
            "UPDATE knowledge_versions AS version SET visibility = source.visibility, category = source.category, "
            "tags = source.tags, url = source.url, status = CASE WHEN source.published_version = version.version "
            "THEN 'published' ELSE 'superseded' END FROM knowledge_sources AS source "
            "WHERE source.tenant_id = version.tenant_id AND source.id = version.source_id"
        )
        op.execute(
            "INSERT INTO publications (tenant_id, id, source_id, version, published_at, ended_at) "
            "SELECT tenant_id, gen_random_uuid(), source_id, version, created_at, lead(created_at) OVER "
            "(PARTITION BY source_id ORDER BY version) FROM knowledge_versions"
        )
        op.execute(
            "INSERT INTO citations (tenant_id, source_id, version, message_id) "
            "SELECT DISTINCT messages.tenant_id, (each ->> 'source_id')::uuid, (each ->> 'version')::int, messages.id "
            "FROM messages, jsonb_array_elements(messages.citations) AS each"
        )
    op.execute("SELECT set_config('app.tenant_id', '', true)")


def downgrade() -> None:
    op.drop_index("uq_knowledge_sources_slug", "knowledge_sources")
    op.create_unique_constraint(
        "knowledge_sources_tenant_id_slug_language_key", "knowledge_sources", ["tenant_id", "slug", "language"]
    )
    op.drop_table("citations")
    op.drop_table("publications")
    op.drop_index("ix_knowledge_versions_content", "knowledge_versions")
    op.drop_index("ix_knowledge_versions_waiting", "knowledge_versions")
    for column in ("expires_at", "publish_at", "reviewed_at", "decision", "note", "visibility", "category", "tags",
                   "url", "media_type", "original_ct", "step", "chunks_total", "chunks_done", "chunks_reused",
                   "failure", "updated_at"):  # fmt: skip
        op.drop_column("knowledge_versions", column)
