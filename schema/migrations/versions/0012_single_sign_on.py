"""Single sign-on: secrets at providers, who a user is there, and sessions that were opened there"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012_single_sign_on"
down_revision = "0011_rule_versions"

MINE = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
GRANTED = {"sso_secrets": "SELECT, INSERT, UPDATE, DELETE", "sso_identities": "SELECT, INSERT, DELETE"}


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "sso_secrets",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("secret_ct", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.PrimaryKeyConstraint("tenant_id"),
    )
    op.create_table(
        "sso_identities",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("subject_index", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "subject_index"),
    )
    op.create_index("ix_sso_identities_user", "sso_identities", ["tenant_id", "user_id"])
    op.alter_column("users", "password_hash", existing_type=sa.String(), nullable=True)
    for column in ("by_sso", "provider_factor"):
        op.add_column("sessions", sa.Column(column, sa.Boolean(), server_default=sa.text("false"), nullable=False))
    for table, granted in GRANTED.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY of_the_tenant ON {table} USING ({MINE}) WITH CHECK ({MINE})")
        op.execute(f"GRANT {granted} ON {table} TO helios_app")


def downgrade() -> None:
    for column in ("by_sso", "provider_factor"):
        op.drop_column("sessions", column)
    # Who has no password gets one that nobody has: no hash begins like this. Forced, the walls blind the owner as well.
    op.execute("ALTER TABLE users NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE users SET password_hash = 'none' WHERE password_hash IS NULL")
    op.execute("ALTER TABLE users FORCE ROW LEVEL SECURITY")
    op.alter_column("users", "password_hash", existing_type=sa.String(), nullable=False)
    op.drop_table("sso_identities")
    op.drop_table("sso_secrets")
