"""One question to many tenants in one round trip: each sees its own rows only, as ever"""

from __future__ import annotations

from alembic import op

revision = "0020_rows_of_tenants"
down_revision = "0019_audiences"


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION rows_of_tenants(question text, parameters jsonb, tenants uuid[])
        RETURNS TABLE (tenant_id uuid, answer jsonb) LANGUAGE plpgsql AS $$
        DECLARE
            before text := coalesce(current_setting('app.tenant_id', true), '');
        BEGIN
            FOREACH tenant_id IN ARRAY tenants LOOP
                PERFORM set_config('app.tenant_id', tenant_id::text, true);
                FOR answer IN EXECUTE 'SELECT to_jsonb(asked) FROM (' || question || ') AS asked'
                              USING tenant_id, parameters LOOP
                    RETURN NEXT;
                END LOOP;
            END LOOP;
            PERFORM set_config('app.tenant_id', before, true);
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION rows_of_tenants(text, jsonb, uuid[]) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION rows_of_tenants(text, jsonb, uuid[]) TO helios_app")


def downgrade() -> None:
    op.execute("DROP FUNCTION rows_of_tenants(text, jsonb, uuid[])")
