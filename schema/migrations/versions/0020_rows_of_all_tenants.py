"""One question to all tenants in one round trip: each sees its own rows only, as ever"""

from __future__ import annotations

from alembic import op

revision = "0020_rows_of_all_tenants"
down_revision = "0019_audiences"


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION rows_of_all_tenants(question text, parameters jsonb, of_deleted boolean)
        RETURNS TABLE (tenant_id uuid, answer jsonb) LANGUAGE plpgsql AS $$
        DECLARE
            before text := current_setting('app.tenant_id', true);
        BEGIN
            FOR tenant_id IN SELECT id FROM tenants WHERE of_deleted OR deleted_at IS NULL LOOP
                PERFORM set_config('app.tenant_id', tenant_id::text, true);
                FOR answer IN EXECUTE 'SELECT to_jsonb(asked) FROM (' || question || ') AS asked'
                             USING tenant_id, parameters LOOP
                    RETURN NEXT;
                END LOOP;
            END LOOP;
            PERFORM set_config('app.tenant_id', coalesce(before, ''), true);
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION rows_of_all_tenants(text, jsonb, boolean) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION rows_of_all_tenants(text, jsonb, boolean) TO helios_app")


def downgrade() -> None:
    op.execute("DROP FUNCTION rows_of_all_tenants(text, jsonb, boolean)")
