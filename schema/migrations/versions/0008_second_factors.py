"""Second factors, and which passwords are too short to stand alone"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_second_factors"
down_revision = "0007_token_keys"

MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "second_factors",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("secret_ct", sa.LargeBinary(), nullable=False),
        sa.Column("recovery_hashes", sa.ARRAY(sa.LargeBinary()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("last_step", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("confirmed_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "user_id"),
    )
    op.add_column(
        "users", sa.Column("password_needs_factor", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.execute("ALTER TABLE second_factors ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE second_factors FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_the_tenant ON second_factors USING ({MINE}) WITH CHECK ({MINE})")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON second_factors TO helios_app")


def downgrade() -> None:
    op.drop_column("users", "password_needs_factor")
    op.drop_table("second_factors")
