"""The setting `reveal_roles` goes: nothing ever asked for it

Its versions stay as they were written.
"""

from __future__ import annotations

from alembic import op

revision = "0014_no_reveal_roles"
down_revision = "0013_outbox"


def upgrade() -> None:
    # Forced, the walls blind the owner as well.
    op.execute("ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE tenants SET settings = settings - 'reveal_roles' WHERE settings ? 'reveal_roles'")
    op.execute("ALTER TABLE tenants FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Where it is not set, its default holds."""
