"""Knowledge gaps, and the questions that they are made of"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023_knowledge_gaps"
down_revision = "0022_intents"

GAPS, QUESTIONS = "knowledge_gaps", "gap_questions"
MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        GAPS,
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", "id")),
        sa.Column("status", sa.String(), server_default="open", nullable=False),
        sa.Column("nearest", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        *(sa.Column(name, MOMENT, server_default=sa.text("now()"), nullable=False)
          for name in ("created_at", "updated_at")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(
            ["tenant_id", "source_id", "version"],
            ["knowledge_versions.tenant_id", "knowledge_versions.source_id", "knowledge_versions.version"],
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )  # fmt: skip
    op.create_table(
        QUESTIONS,
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", "conversation_id")),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("gap_id", sa.Uuid(), nullable=True),
        sa.Column("place", sa.Integer(), server_default=sa.text("0"), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("cause", "language", "embedder")),
        *(sa.Column(name, sa.String(), nullable=True) for name in ("channel", "intent")),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in ("question_ct", "vector_ct")),
        sa.Column("answer_ct", sa.LargeBinary(), nullable=True),
        sa.Column("asked_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "conversation_id"], ["threads.tenant_id", "threads.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "gap_id"], [f"{GAPS}.tenant_id", f"{GAPS}.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id", "turn"),
    )
    op.create_index(f"ix_{QUESTIONS}_gap", QUESTIONS, ["tenant_id", "gap_id", "asked_at"])
    for table in (GAPS, QUESTIONS):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY of_the_tenant ON {table} USING ({MINE}) WITH CHECK ({MINE})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO helios_app")


def downgrade() -> None:
    op.drop_table(QUESTIONS)
    op.drop_table(GAPS)
