"""Staff as the database keeps them: names and addresses sealed under the tenant's key, an address found by its HMAC.

The index hangs on the version of the key that sealed the row, and `helios.staff_sealing` writes both anew after a
rotation; until then a search asks with the index of every version. So a unique index alone does not keep an address to
one account: whoever adds one waits for whoever else does, and looks first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, LargeBinary, bindparam, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.crypto import Keys, TenantKeys
from schema.tables import User

EMAIL: Final = "users.email_ct"
NAME: Final = "users.display_name_ct"
INVITED: Final = "invitations.email_ct"

# Two admins who take each other's role in the same moment wait here, and the second is then the last one.
ONE_AT_A_TIME = text("SELECT id FROM tenants WHERE id = :tenant_id FOR NO KEY UPDATE")


def by_index(statement: str) -> Any:
    """A statement with `= ANY(:indexes)`."""
    return text(statement).bindparams(bindparam("indexes", type_=ARRAY(LargeBinary)))


BY_EMAIL = by_index("SELECT * FROM users WHERE tenant_id = :tenant_id AND email_index = ANY(:indexes)")
NAMES = text("SELECT id, display_name_ct FROM users WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))")


def normal_email(email: str) -> str:
    """As addresses are kept and compared."""
    return email.strip().lower()


def indexes(keys: TenantKeys, email: str, where: str = EMAIL) -> list[bytes]:
    """What the address may stand under: newer and older versions of the key."""
    return keys.indexes(normal_email(email), where)


def sealed_email(keys: TenantKeys, row_id: UUID, email: str, where: str = EMAIL) -> dict[str, bytes]:
    """The columns that hold an address."""
    address = normal_email(email)
    return {"email_index": keys.index(address, where), "email_ct": keys.seal_text(address, where, row_id)}


def sealed(keys: TenantKeys, user_id: UUID, email: str, display_name: str) -> dict[str, bytes]:
    """The columns that hold who somebody is."""
    return {**sealed_email(keys, user_id, email), "display_name_ct": sealed_name(keys, user_id, display_name)}


def sealed_name(keys: TenantKeys, user_id: UUID, display_name: str) -> bytes:
    return keys.seal_text(display_name, NAME, user_id)


def email_of(keys: Keys, user: Any) -> str:
    return keys.open_text(user.email_ct, EMAIL, user.id)


def name_of(keys: Keys, user: Any) -> str:
    return keys.open_text(user.display_name_ct, NAME, user.id)


async def names(connection: AsyncConnection, keys: Keys, user_ids: Sequence[str | UUID]) -> dict[str, str]:
    """The names of these people, by their ids."""
    if not user_ids:
        return {}
    found = await connection.execute(NAMES, {"tenant_id": keys.tenant_id, "ids": [str(each) for each in user_ids]})
    return {str(row.id): name_of(keys, row) for row in found}


async def find(connection: AsyncConnection, keys: TenantKeys, email: str) -> Any | None:
    """The account with this address, whatever its state."""
    where = {"tenant_id": keys.tenant_id, "indexes": indexes(keys, email)}
    return (await connection.execute(BY_EMAIL, where)).one_or_none()


async def add(
    connection: AsyncConnection,
    keys: TenantKeys,
    user_id: UUID,
    *,
    email: str,
    display_name: str,
    roles: Sequence[str],
    password_hash: str | None = None,
) -> bool:
    """Opens an account; False where the address has one. Others who open one wait for this transaction."""
    await connection.execute(ONE_AT_A_TIME, {"tenant_id": keys.tenant_id})
    if await find(connection, keys, email) is not None:
        return False
    made = insert(User).values(
        tenant_id=keys.tenant_id,
        id=user_id,
        **sealed(keys, user_id, email, display_name),
        roles=list(roles),
        password_hash=password_hash,
    )
    await connection.execute(made)
    return True
