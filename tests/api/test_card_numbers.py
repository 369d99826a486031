"""A card number that was typed anywhere is nowhere: not in a table (also decrypted), not in Valkey, not in a log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from helios.crypto import CryptoError, Keys
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.caller import Api, Customer

# Luhn-valid and all different, so that a hit says where it came from.
SPOKEN, SPLIT, META, KEYED, NUMBER, CHANNEL = (
    "4111111111111111",
    "5500005555555559",
    "378282246310005",
    "4012888888881881",
    "4222222222222220",
    "6011111111111117",
)
LOCALE, NAME, COMMENT, EXTERNAL, CLIENT_ID, IDEMPOTENCY, ATTRIBUTE = (
    "3530111333300000",
    "5105105105105100",
    "6011000990139424",
    "4005550000000019",
    "4917610000000000",
    "5431111111111111",
    "4462030000000000",
)
ALL = (SPOKEN, SPLIT, META, KEYED, NUMBER, CHANNEL, LOCALE, NAME, COMMENT, EXTERNAL, CLIENT_ID, IDEMPOTENCY, ATTRIBUTE)


@pytest.fixture(scope="module")
async def customer(api: Api) -> Customer:
    """Somebody who puts card numbers into everything that takes text."""
    profile = {
        "external_id": f"{EXTERNAL}-{uuid4()}",
        "display_name": f"Erika {NAME}",
        "locale": LOCALE,
        "attributes": {"card": ATTRIBUTE},
    }
    answer = await api.http.post("/v1/customer-tokens", json=profile, headers={"X-API-Key": api.demo["api_key"]})
    made = Customer(api, answer.json()["access_token"], answer.json()["customer_id"])
    metadata = {"card": META, KEYED: True, "number": int(NUMBER), "fraction": float(NUMBER)}
    await made.open(channel=f"web {CHANNEL}", locale=LOCALE, metadata=metadata)
    assert (
        await made.say(f"My card is {' '.join(SPOKEN[n : n + 4] for n in range(0, 16, 4))}, is that fine?")
    ).is_success
    assert (await made.say(f"And the other one begins with {SPLIT[:8]}")).is_success
    assert (await made.say(f"{SPLIT[8:]} is the rest of it", client_message_id=CLIENT_ID)).is_success
    rated = await made.post(
        "feedback", {"rating": 2, "comment": f"It took {COMMENT}."}, **{"Idempotency-Key": IDEMPOTENCY}
    )
    assert rated.status_code == 201
    return made


def found_in(value: str) -> set[str]:
    """Numbers of ours in a text, whatever stands between the digits."""
    digits = re.sub(r"[\s\-.]", "", value)
    return {number for number in ALL if number in digits or number in value}


async def test_the_customer_sees_them_masked(customer: Customer) -> None:
    contents = [each["content"] for each in await customer.messages()]
    assert found_in(" | ".join(contents)) == set()
    said = [each["content"] for each in await customer.messages() if each["role"] == "customer"]
    assert "1111" in said[0]
    assert "is that fine?" in said[0]
    assert SPLIT[:8] not in said[1]
    assert SPLIT[8:] not in said[2]
    shown = (await customer.get()).text
    assert found_in(shown) == set()


async def test_what_four_messages_make_is_taken_out_of_each(api: Api) -> None:
    """And a PIN that a message announces and the next one tells."""
    customer = await (await api.customer()).open()
    for part in ("my card is 5100", "2900", "2900", "2909", "and my PIN is", "8642"):
        assert (await customer.say(part, wait=0)).is_success
    said = [each["content"] for each in await customer.messages() if each["role"] == "customer"]
    assert not re.search(r"5100|290|8642", " ".join(said)), said
    assert said[-1] == "[PIN removed]"


async def test_no_stored_value_holds_one(stack: Stack, customer: Customer, keyring: Keyring, tenant_id: UUID) -> None:
    """Every column of every table, also what is sealed, opened with the keys of the tenant and of the customer."""
    keys = (await keyring.tenant(tenant_id), await keyring.customer(tenant_id, UUID(customer.id)))
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    opened = 0
    try:
        for table, column in await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND table_name NOT IN ('chunks', 'knowledge_versions', 'alembic_version')"
        ):
            for row in await connection.fetch(f'SELECT "{column}" AS value, to_jsonb(t) AS row FROM "{table}" t'):
                value = row["value"]
                assert found_in(str(value)) == set(), (table, column)
                if isinstance(value, bytes):
                    assert found_in(value.decode("latin-1")) == set(), (table, column)
                    texts = list(_open(keys, value, table, column, row["row"]))
                    opened += len(texts)
                    assert found_in(" ".join(texts)) == set(), (table, column)
    finally:
        await connection.close()
    assert opened > 10


def _open(keys: Iterable[Keys], value: bytes, table: str, column: str, row: str) -> Iterator[str]:
    import json

    known = json.loads(row)
    places = [
        known.get("id"),
        (UUID(known["actor_id"]), known.get("key")) if "actor_id" in known and "key" in known else None,
    ]
    for own, place in product(keys, places):
        try:
            yield own.open(value, f"{table}.{column}", place).decode()
        except CryptoError:
            continue


async def test_valkey_holds_none(stack: Stack, customer: Customer, keyring: Keyring, tenant_id: UUID) -> None:
    async with Redis.from_url(stack.servers.redis_url) as valkey:
        names = [name async for name in valkey.scan_iter("*")]
        assert names
        for name in names:
            dumped = await valkey.dump(name)
            assert found_in((dumped or b"").decode("latin-1")) == set()
            assert found_in(name.decode()) == set()


async def test_no_log_holds_one(stack: Stack, customer: Customer) -> None:
    logs = list(Path(stack.servers.home.logs).glob("*.log"))
    assert len(logs) >= 5
    for log in logs:
        assert found_in(log.read_text(errors="replace")) == set(), log.name
