"""The owner may wrap the keys of the audit log anew"""

from __future__ import annotations

from alembic import op

revision = "0025_root_key_rotation"
down_revision = "0024_ended_tokens"

FUNCTION = "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audits()"


def upgrade() -> None:
    _refuse("DELETE OR UPDATE OF tenant_id, version, created_at")


def downgrade() -> None:
    _refuse("DELETE OR UPDATE")


def _refuse(events: str) -> None:
    op.execute("DROP TRIGGER append_only_rows ON audit_keys")
    op.execute(f"CREATE TRIGGER append_only_rows BEFORE {events} ON audit_keys {FUNCTION}")
    op.execute("ALTER TABLE audit_keys ENABLE ALWAYS TRIGGER append_only_rows")
