"""Whether a database holds what this code would put into it, so that a start need not migrate and seed it again.

`admin` is a superuser's connection: no row-level security hides the bank from it.

After a fill its fingerprint is kept in HELIOS_HOME. It covers the code and articles that go in, and, read from the live
tables, what came of them: so it no longer fits when either was changed, restored or replaced, by whomever.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import asyncpg

from helios.demo_bank.people import TENANT, load_secrets, secrets_file
from helios.embedded.home import Home
from helios.sources import sources_hash

SOURCES = ("schema", "helios")
"""All of it: a list of what migrations and the seed use would be forgotten one day."""
STATE = """
    SELECT json_build_array(
        (SELECT json_agg(version_num ORDER BY version_num) FROM alembic_version),
        (SELECT json_agg(json_build_array(id, password_hash) ORDER BY id)
           FROM users WHERE tenant_id = tenants.id),
        EXISTS (SELECT FROM api_key_index WHERE tenant_id = tenants.id AND key_hash = sha256(convert_to($2, 'UTF8'))),
        (SELECT json_agg(json_build_array(source.slug, source.language, version.content_sha256)
                         ORDER BY source.slug, source.language)
           FROM knowledge_sources AS source LEFT JOIN knowledge_versions AS version
             ON version.tenant_id = source.tenant_id AND version.source_id = source.id
            AND version.version = source.published_version
          WHERE source.tenant_id = tenants.id)
    )::text
    FROM tenants WHERE slug = $1
"""


async def is_in_place(home: Home, admin: asyncpg.Connection) -> bool:
    """Whether the database is as the last fill left it, and that fill was by this code."""
    kept = _file(home)
    return kept.exists() and kept.read_text() == await _fingerprint(home, admin)


async def keep(home: Home, admin: asyncpg.Connection) -> None:
    """Remember the database as it is: it has just been filled."""
    found = await _fingerprint(home, admin)
    if found is not None:
        _file(home).write_text(found)


def _file(home: Home) -> Path:
    return home.root / "filled"


async def _fingerprint(home: Home, admin: asyncpg.Connection) -> str | None:
    """None where the demo bank, its tables or its keys are missing."""
    people = load_secrets(secrets_file(home.root))
    if people is None:
        return None
    try:
        state = await admin.fetchval(STATE, TENANT, people.api_key)
    except asyncpg.UndefinedTableError:
        return None
    return hashlib.sha256(f"{sources_hash(*SOURCES)}{state}".encode()).hexdigest() if state else None
