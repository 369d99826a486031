"""A key of the audit log is put in by the one before it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026_audit_key_notes"
down_revision = "0025_root_key_rotation"

FUNCTION = "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audits()"


def upgrade() -> None:
    op.add_column("audit_keys", sa.Column("note", sa.String(), nullable=True))
    _refuse("tenant_id, version, note, created_at")


def downgrade() -> None:
    _refuse("tenant_id, version, created_at")
    op.drop_column("audit_keys", "note")


def _refuse(columns: str) -> None:
    op.execute("DROP TRIGGER append_only_rows ON audit_keys")
    op.execute(f"CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE OF {columns} ON audit_keys {FUNCTION}")
    op.execute("ALTER TABLE audit_keys ENABLE ALWAYS TRIGGER append_only_rows")
