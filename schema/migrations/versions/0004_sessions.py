"""Sessions know the generation of their refresh token, and their client; failures are counted in Valkey"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_sessions"
down_revision = "0003_closes_are_told"


def upgrade() -> None:
    op.drop_index("ix_sessions_refresh", "sessions")
    op.create_index("ix_sessions_user", "sessions", ["tenant_id", "user_id"])
    op.add_column("sessions", sa.Column("generation", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("sessions", sa.Column("client_ct", sa.LargeBinary(), nullable=True))
    op.drop_column("users", "failed_logins")
    op.drop_column("users", "locked_until")


def downgrade() -> None:
    op.add_column("users", sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("failed_logins", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.drop_column("sessions", "client_ct")
    op.drop_column("sessions", "generation")
    op.drop_index("ix_sessions_user", "sessions")
    op.create_index("ix_sessions_refresh", "sessions", ["tenant_id", "refresh_hash"])
