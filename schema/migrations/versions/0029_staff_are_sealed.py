"""Staff's names and addresses as ciphertext only

Fails where one is not sealed yet: `helios migrate` has the keys for it, alembic alone has not.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029_staff_are_sealed"
down_revision = "0028_staff_may_be_sealed"

CLEAR = {"users": ("email", "display_name"), "invitations": ("email",)}
SEALED = {"users": ("email_index", "email_ct", "display_name_ct"), "invitations": ("email_index", "email_ct")}


def upgrade() -> None:
    for table, columns in SEALED.items():
        for name in columns:
            # No query would see a row here: row-level security binds the owner, too. This looks at all of them.
            op.alter_column(table, name, nullable=False)
        for name in CLEAR[table]:
            op.drop_column(table, name)


def downgrade() -> None:
    for table, columns in SEALED.items():
        for name in CLEAR[table]:
            op.add_column(table, sa.Column(name, sa.String(), nullable=True))
        for name in columns:
            op.alter_column(table, name, nullable=True)
    op.create_unique_constraint("users_tenant_id_email_key", "users", ["tenant_id", "email"])
    op.create_index("ix_invitations_email", "invitations", ["tenant_id", "email"])
