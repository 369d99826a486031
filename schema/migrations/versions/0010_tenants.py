"""Tenants' settings in versions, states of people and keys, and what the application may do with them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010_tenants"
down_revision = "0009_knowledge"

TENANT = "nullif(current_setting('app.tenant_id', true), '')::uuid"
MINE = f"tenant_id = {TENANT}"
# Sign-in looks for its tenant in a transaction that has none yet. Inside a tenant's transaction there is only that one.
LOOKED_UP = (("tenants", "id"), ("api_key_index", "tenant_id"))
CHANGEABLE = "name, settings, settings_version, updated_at, suspended_at, deleted_at"
GRANTED = {
    "tenants": f"SELECT, INSERT, UPDATE ({CHANGEABLE})",
    "tenant_keys": "SELECT, INSERT",
    "users": "SELECT, INSERT, UPDATE",
    "api_keys": "SELECT, INSERT, UPDATE",
}
GRANTED_BEFORE = {
    "tenants": "SELECT, INSERT, UPDATE",
    "tenant_keys": "SELECT, INSERT, UPDATE, DELETE",
    "users": "SELECT, INSERT, UPDATE, DELETE",
    "api_keys": "SELECT, INSERT, UPDATE, DELETE",
}


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("tenants", sa.Column("settings_version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("tenants", sa.Column("updated_at", moment, server_default=sa.text("now()"), nullable=False))
    op.add_column("tenants", sa.Column("suspended_at", moment, nullable=True))
    op.add_column("users", sa.Column("deactivated_at", moment, nullable=True))
    op.add_column("users", sa.Column("updated_at", moment, server_default=sa.text("now()"), nullable=False))
    op.add_column("api_keys", sa.Column("prefix", sa.String(), server_default=sa.text("''"), nullable=False))
    op.add_column("api_keys", sa.Column("created_by", sa.Uuid(), nullable=True))
    op.add_column("api_keys", sa.Column("last_used_at", moment, nullable=True))
    op.create_index("ix_audits_time", "audits", ["tenant_id", "occurred_at", "id"])
    op.create_table(
        "tenant_settings",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "settings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "version"),
    )
    op.execute(
        "INSERT INTO tenant_settings (tenant_id, id, version, settings) "
        "SELECT id, gen_random_uuid(), 1, settings FROM tenants"
    )
    op.execute("ALTER TABLE tenant_settings ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE tenant_settings FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_the_tenant ON tenant_settings USING ({MINE}) WITH CHECK ({MINE})")
    op.execute("GRANT SELECT, INSERT ON tenant_settings TO helios_app")
    for table, key in LOOKED_UP:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY to_look_up ON {table} FOR SELECT USING ({TENANT} IS NULL OR {key} = {TENANT})")
        op.execute(f"CREATE POLICY to_change ON {table} USING ({key} = {TENANT}) WITH CHECK ({key} = {TENANT})")
    grant(GRANTED)


def grant(privileges: dict[str, str]) -> None:
    for table, granted in privileges.items():
        op.execute(f"REVOKE ALL ON {table} FROM helios_app")
        op.execute(f"GRANT {granted} ON {table} TO helios_app")


def downgrade() -> None:
    grant(GRANTED_BEFORE)
    for table, _ in LOOKED_UP:
        op.execute(f"DROP POLICY to_look_up ON {table}")
        op.execute(f"DROP POLICY to_change ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.drop_table("tenant_settings")
    op.drop_index("ix_audits_time", "audits")
    for column in ("last_used_at", "created_by", "prefix"):
        op.drop_column("api_keys", column)
    op.drop_column("users", "updated_at")
    op.drop_column("users", "deactivated_at")
    for column in ("suspended_at", "updated_at", "settings_version"):
        op.drop_column("tenants", column)
