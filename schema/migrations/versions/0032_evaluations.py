"""Suites of a tenant's own, their runs over what is published and what is drafted, and the results"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032_evaluations"
down_revision = "0031_cached_answers"

SUITES, RUNS, RESULTS = "evaluation_suites", "evaluations", "evaluation_results"
MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
MOMENT = sa.DateTime(timezone=True)
GRANTED = {SUITES: "SELECT, INSERT, UPDATE", RUNS: "SELECT, INSERT, UPDATE", RESULTS: "SELECT, INSERT, UPDATE"}


def upgrade() -> None:
    nothing, object_ = sa.text("'{}'"), sa.text("'{}'::jsonb")
    op.create_table(
        SUITES,
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", "id")),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), server_default="current", nullable=False),
        sa.Column("document_ct", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        *(sa.Column(name, postgresql.ARRAY(sa.Text()), server_default=nothing, nullable=False)
          for name in ("guards", "masked")),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "name", "version"),
    )  # fmt: skip
    op.create_index(
        f"uq_{SUITES}_current", SUITES, ["tenant_id", "name"], unique=True,
        postgresql_where=sa.text("status = 'current'"),
    )  # fmt: skip
    op.create_table(
        RUNS,
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", "id", "suite_id")),
        sa.Column("status", sa.String(), server_default="running", nullable=False),
        *(sa.Column(name, postgresql.JSONB(), server_default=object_, nullable=False)
          for name in ("published", "draft")),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("published_digest", "draft_digest")),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("report", postgresql.JSONB(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "suite_id"], [f"{SUITES}.tenant_id", f"{SUITES}.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )  # fmt: skip
    op.create_index(f"ix_{RUNS}_suite", RUNS, ["tenant_id", "suite_id", "created_at"])
    running = sa.text("status = 'running'")
    op.create_index(f"ix_{RUNS}_running", RUNS, ["tenant_id", "id"], postgresql_where=running)
    op.create_table(
        RESULTS,
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", "evaluation_id")),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("detail_ct", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "evaluation_id"], [f"{RUNS}.tenant_id", f"{RUNS}.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "evaluation_id", "number", "side"),
    )
    for table, granted in GRANTED.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY of_the_tenant ON {table} USING ({MINE}) WITH CHECK ({MINE})")
        op.execute(f"GRANT {granted} ON {table} TO helios_app")


def downgrade() -> None:
    for table in (RESULTS, RUNS, SUITES):
        op.drop_table(table)
