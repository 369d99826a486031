"""Room for staff's names and addresses as ciphertext

Between this one and the next `helios migrate` seals what is there: see `helios.staff_sealing`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028_staff_may_be_sealed"
down_revision = "0027_follow_ups"

CLEAR = {"users": ("email", "display_name"), "invitations": ("email",)}
SEALED = {"users": ("email_index", "email_ct", "display_name_ct"), "invitations": ("email_index", "email_ct")}


def upgrade() -> None:
    for table, columns in SEALED.items():
        for name in columns:
            op.add_column(table, sa.Column(name, sa.LargeBinary(), nullable=True))
        for name in CLEAR[table]:
            op.alter_column(table, name, nullable=True)
    op.create_unique_constraint("users_tenant_id_email_index_key", "users", ["tenant_id", "email_index"])
    op.create_index("ix_invitations_email_index", "invitations", ["tenant_id", "email_index"])


def downgrade() -> None:
    """Fails where somebody is sealed: what would stand in the clear columns is not known here."""
    for table, columns in SEALED.items():
        for name in CLEAR[table]:
            op.alter_column(table, name, nullable=False)
        for name in columns:
            op.drop_column(table, name)
