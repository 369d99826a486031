"""A second tenant: whoever tests isolation needs somebody to be isolated from."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from sqlalchemy import insert

from helios import staff, tenants
from helios.crypto import RootKey, token_hash
from helios.database import Database
from helios.ids import new_id
from helios.passwords import hash_password
from helios.tenant_keys import read_keys
from helios.tenant_settings import TenantSettings
from schema.tables import ApiKey, ApiKeyIndex
from tests.caller import Api

LETTERS = str.maketrans("0123456789", "ghijklmnop")
PASSWORD = "nine green bottles hanging"  # of a tenant that lives as long as one test run


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another bank on the same stack, with no knowledge of its own."""

    tenant_id: UUID
    slug: str
    name: str
    users: dict[str, UUID] = field(default_factory=dict)
    demo: dict[str, object] = field(default_factory=dict)
    """As in stack.json: enough to make an `Api`."""

    def api(self, url: str) -> Api:
        return Api(url, self.demo)


async def make_neighbour(database: Database, root: RootKey, roles: tuple[str, ...] = ("admin", "agent")) -> Neighbour:
    """As an operator would: tenant, key, staff and API key, in one transaction of that tenant."""
    tenant_id, slug = new_id(), f"neighbour-{uuid4().hex[:12]}"
    api_key, key_id = f"hk_test_{uuid4().hex}{uuid4().hex}", new_id()
    # Without digits: an answer that names the bank must not hold a figure that no source says.
    name = f"Neighbour Savings {slug[-6:].translate(LETTERS)}"
    password_hash = await hash_password(PASSWORD)
    users = {role: new_id() for role in roles}
    signs_in = {role: {"email": f"{role}@{slug}.example", "password": PASSWORD} for role in roles}
    async with database.tenant(tenant_id) as connection:
        await tenants.create(
            connection,
            root,
            tenant_id=tenant_id,
            slug=slug,
            name=name,
            settings=TenantSettings(),
            actor=("system", None),
        )
        keys = await read_keys(connection, root, tenant_id)
        for role, user_id in users.items():
            assert await staff.add(
                connection, keys, user_id, email=signs_in[role]["email"], display_name=f"Nora {role}", roles=[role],
                password_hash=password_hash,
            )  # fmt: skip
        hashed = token_hash(api_key)
        await connection.execute(
            insert(ApiKey).values(
                tenant_id=tenant_id, id=key_id, name="test", key_hash=hashed, scopes=["customer_tokens"]
            )
        )
        await connection.execute(insert(ApiKeyIndex).values(key_hash=hashed, tenant_id=tenant_id, api_key_id=key_id))
    return Neighbour(tenant_id, slug, name, users, {"tenant": slug, "api_key": api_key, "users": signs_in})
