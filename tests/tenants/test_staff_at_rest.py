"""Who staff are, as the database keeps it: sealed, found by its index alone, and taken over by a newer key."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from helios import invitations, staff, staff_sealing, tenant_keys
from helios.crypto import CryptoError, TenantKeys
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.ids import new_id
from helios.keyring import Keyring
from tests.api.problems import assert_problem
from tests.neighbour import PASSWORD
from tests.tenants.conftest import Bank

SEALED = text("SELECT id, email_ct, display_name_ct FROM users WHERE tenant_id = :tenant_id ORDER BY id")
INDEXES = text(
    "SELECT email_index FROM users WHERE tenant_id = :tenant_id "
    "UNION ALL SELECT email_index FROM invitations WHERE tenant_id = :tenant_id"
)
# As if every process had learnt of it: the command waits a minute for that.
AGED = "UPDATE tenant_keys SET created_at = created_at - interval '2 minutes' WHERE tenant_id = $1"


async def rotated(stack: Stack, database: Database, keyring: Keyring, tenant_id: UUID) -> TenantKeys:
    await tenant_keys.rotate(database, keyring.root, tenant_id)
    owner = await asyncpg.connect(stack.servers.admin_dsn)
    await owner.execute(AGED, tenant_id)
    await owner.close()
    return await keyring.reload(tenant_id)


async def signs_in(bank: Bank, role: str = "agent") -> bool:
    user = {**bank.api.demo["users"][role], "tenant": bank.tenant.slug}
    user["email"] = f" {user['email'].upper()} "
    return (await bank.api.http.post("/v1/auth/login", json=user)).status_code == 200


async def test_whoever_is_found_by_any_spelling_is_found_by_no_other_tenant(
    bank: Bank, database: Database, keyring: Keyring, tenant_id: UUID
) -> None:
    email = f"agent@{bank.tenant.slug}.example"
    keys, others = await keyring.tenant(bank.id), await keyring.tenant(tenant_id)
    async with database.tenant(bank.id) as connection:
        found = await staff.find(connection, keys, f" {email.title()}")
        assert found is not None
        assert (str(found.id), staff.email_of(keys, found)) == (bank.user("agent"), email)
        assert await staff.find(connection, keys, f"x{email}") is None
    assert not set(staff.indexes(keys, email)) & set(staff.indexes(others, email))
    assert not set(staff.indexes(keys, email)) & set(staff.indexes(keys, email, staff.INVITED))


async def test_swapped_between_people_columns_and_tenants_nothing_opens(
    bank: Bank, database: Database, keyring: Keyring, tenant_id: UUID
) -> None:
    keys, others = await keyring.tenant(bank.id), await keyring.tenant(tenant_id)
    async with database.tenant(bank.id) as connection:
        one, two = (await connection.execute(SEALED, {"tenant_id": bank.id})).all()[:2]
    for whose, sealed, where, row_id in (
        (keys, one.email_ct, staff.EMAIL, two.id),
        (keys, one.email_ct, staff.NAME, one.id),
        (keys, one.email_ct, staff.INVITED, one.id),
        (keys, one.display_name_ct, staff.EMAIL, one.id),
        (others, one.email_ct, staff.EMAIL, one.id),
    ):
        with pytest.raises(CryptoError):
            whose.open_text(sealed, where, row_id)
    assert keys.open_text(one.email_ct, staff.EMAIL, one.id)


async def test_of_many_who_open_an_account_with_one_address_one_gets_it(
    bank: Bank, database: Database, keyring: Keyring
) -> None:
    keys = await keyring.tenant(bank.id)

    async def add(email: str) -> bool:
        async with database.tenant(bank.id) as connection:
            return await staff.add(connection, keys, new_id(), email=email, display_name="Ida", roles=())

    done = await asyncio.gather(*(add(each) for each in ("ida@bank.example", "IDA@bank.example") * 3))
    assert sorted(done) == [False] * 5 + [True]


async def test_after_a_rotation_everybody_is_found_by_the_old_key_and_then_by_the_new_one(
    stack: Stack, bank: Bank, database: Database, keyring: Keyring
) -> None:
    """The API reads the keys for the first time after the rotation: else it would know the new one half a minute on."""
    before = await keyring.tenant(bank.id)
    async with database.tenant(bank.id) as connection:
        who = {"email": "noor@bank.example", "roles": ["agent"], "actor": ("system", None)}
        first = await invitations.create(connection, before, **who)  # type: ignore[arg-type]
    old = await all_indexes(database, bank.id)
    keys = await rotated(stack, database, keyring, bank.id)

    # Nothing is written anew yet: people sign in, and nobody gets an account or an invitation twice.
    assert await signs_in(bank)
    email = f"agent@{bank.tenant.slug}.example"
    known = {"email": email, "roles": ["agent"]}
    assert_problem(await bank.ask("POST", "/v1/users", json=known), code="email_taken")
    async with database.tenant(bank.id) as connection:
        assert not await staff.add(connection, keys, new_id(), email=email, display_name="Twin", roles=())
    second = (await bank.ask("POST", "/v1/users", json={**known, "email": "Noor@bank.example"})).json()
    assert [each["id"] for each in (await bank.ask("GET", "/v1/invitations")).json()["items"]] == [second["id"]]
    assert str(first.id) != second["id"]

    assert await staff_sealing.reseal(database, keyring.root, bank.id) > 0
    assert await staff_sealing.reseal(database, keyring.root, bank.id) == 0
    assert await signs_in(bank)
    listed = (await bank.ask("GET", "/v1/users", params={"search": "agent@"})).json()["items"]
    assert [each["id"] for each in listed] == [bank.user("agent")]
    # Who has the old key alone learns no address of what is there now.
    assert not await all_indexes(database, bank.id) & old
    async with database.tenant(bank.id) as connection:
        for row in await connection.execute(SEALED, {"tenant_id": bank.id}):
            with pytest.raises(CryptoError):
                staff.email_of(before, row)
            assert staff.email_of(keys, row).endswith(f"@{bank.tenant.slug}.example")
    (event,) = await bank.events("staff.resealed")
    assert event["detail"]["version"] == 2


async def all_indexes(database: Database, tenant_id: UUID) -> set[bytes]:
    async with database.tenant(tenant_id) as connection:
        return set(await connection.scalars(INDEXES, {"tenant_id": tenant_id}))


async def test_a_search_goes_on_past_many_who_do_not_match(
    bank: Bank, database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of it follow each other, and each person is on one of them."""
    keys = await keyring.tenant(bank.id)
    async with database.tenant(bank.id) as connection:
        for n in range(1_060):
            name = f"Findable {n}" if n % 300 == 0 else f"Other {n}"
            row = {"tenant_id": bank.id, "id": (user_id := new_id()), "roles": []}
            values = staff.sealed(keys, user_id, f"{n}@many.example", name)
            await connection.execute(ADD, {**row, **values})
    names, cursor = [], None
    while True:
        asked = {"search": "FINDABLE", "limit": 2, **({"cursor": cursor} if cursor else {})}
        answer = (await bank.ask("GET", "/v1/users", params=asked)).json()
        names += [each["display_name"] for each in answer["items"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert sorted(names) == ["Findable 0", "Findable 300", "Findable 600", "Findable 900"]


ADD = text(
    "INSERT INTO users (tenant_id, id, email_index, email_ct, display_name_ct, roles) "
    "VALUES (:tenant_id, :id, :email_index, :email_ct, :display_name_ct, :roles)"
)


async def test_passwords_and_second_factors_know_the_address(bank: Bank) -> None:
    """The one may not hold it, the other shows it in the app."""
    me = await bank.api.staff("agent")
    email = f"agent@{bank.tenant.slug}.example"
    weak = {"current_password": PASSWORD, "new_password": f"{email}"}
    assert_problem(await bank.api.http.post("/v1/auth/password/change", json=weak, headers=me), code="weak_password")
    begun = await bank.api.http.post("/v1/auth/mfa/totp", headers=me)
    assert email.split("@", 1)[0] in begun.json()["otpauth_uri"]
