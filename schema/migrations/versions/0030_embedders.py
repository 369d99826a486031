"""Vectors of further embedders beside the local one's, and changes from one to another"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC

revision = "0030_embedders"
down_revision = "0029_staff_are_sealed"

VECTORS, CHANGES = "chunk_vectors", "embedder_changes"
DIMENSIONS = (256, 384, 512, 768, 1024, 1536, 2048, 3072)
MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        VECTORS,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("chunk_id", sa.Uuid(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("embedding", HALFVEC(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "chunk_id"], ["chunks.tenant_id", "chunks.id"], ondelete="CASCADE"),
        # In this order: a search asks for a tenant's vectors in one space.
        sa.PrimaryKeyConstraint("tenant_id", "space", "chunk_id"),
        sa.CheckConstraint("vector_dims(embedding) = dimension", name="ck_chunk_vectors_dimension"),
    )
    op.create_index(f"ix_{VECTORS}_chunk", VECTORS, ["tenant_id", "chunk_id"])
    for dimension in DIMENSIONS:
        op.execute(
            f"CREATE INDEX ix_{VECTORS}_{dimension} ON {VECTORS} "
            f"USING hnsw ((embedding::halfvec({dimension})) halfvec_cosine_ops) WHERE dimension = {dimension}"
        )
    op.create_table(
        CHANGES,
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", "id", "requested_by")),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("embedder", "space")),
        sa.Column("status", sa.String(), server_default="embedding", nullable=False),
        *(sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)
          for name in ("chunks_total", "chunks_done")),
        sa.Column("trouble", sa.String(), nullable=True),
        *(sa.Column(name, MOMENT, server_default=sa.text("now()"), nullable=False)
          for name in ("created_at", "updated_at")),
        *(sa.Column(name, MOMENT, nullable=True) for name in ("switched_at", "finished_at", "cleaned_at")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )  # fmt: skip
    for status in ("embedding", "in_force"):
        op.create_index(
            f"ix_{CHANGES}_{status}", CHANGES, ["tenant_id"], unique=True,
            postgresql_where=sa.text(f"status = '{status}'"),
        )  # fmt: skip
    op.create_index(
        f"ix_{CHANGES}_to_clean", CHANGES, ["tenant_id"], postgresql_where=sa.text("cleaned_at IS NULL")
    )  # fmt: skip
    for table in (VECTORS, CHANGES):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY of_the_tenant ON {table} USING ({MINE}) WITH CHECK ({MINE})")
    op.execute(f"GRANT SELECT, INSERT, DELETE ON {VECTORS} TO helios_app")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON {CHANGES} TO helios_app")


def downgrade() -> None:
    op.drop_table(CHANGES)
    op.drop_table(VECTORS)
