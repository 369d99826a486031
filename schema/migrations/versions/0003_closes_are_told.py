"""A close that Temporal did not hear of is remembered until it is told"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_closes_are_told"
down_revision = "0002_invitations"

UNTOLD = sa.text("close_untold")


def upgrade() -> None:
    op.add_column("threads", sa.Column("close_untold", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.create_index("ix_threads_close_untold", "threads", ["tenant_id", "id"], postgresql_where=UNTOLD)


def downgrade() -> None:
    op.drop_index("ix_threads_close_untold", "threads")
    op.drop_column("threads", "close_untold")
