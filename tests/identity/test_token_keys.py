"""Keys are rotated under a running API: no restart, no token refused that was good."""

from __future__ import annotations

import asyncio
import json
import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import asyncpg
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from helios.crypto import CryptoError
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.ids import new_id
from helios.keyring import root_key
from helios.migrations import migrate
from helios.token_keys import TokenKeys, rotate
from helios.tokens import Identity, TokenError, Tokens
from tests.api.signing import bearer, login
from tests.caller import Api
from tests.commanding import helios, running_helios
from tests.schema.conftest import empty_database

__all__ = ["empty_database"]
IDENTITY = Identity(new_id(), new_id(), "user", frozenset({"agent"}), new_id())


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def published(api: Api) -> list[str]:
    answer = await api.http.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    assert "d" not in answer.json()["keys"][0]
    return [key["kid"] for key in answer.json()["keys"]]


async def test_a_running_api_takes_a_new_key_without_a_restart(api: Api, stack: Stack, tenant_id: Any) -> None:
    before = (await login(api)).json()["access_token"]
    assert kid_of(before) in await published(api)
    home = {"HELIOS_HOME": str(stack.servers.home.root)}
    ran = await running_helios("keys", "rotate", "--json", env={**os.environ, **home})
    new = json.loads(ran.stdout)["kid"]
    async with asyncio.timeout(60):
        while new not in await published(api):
            await asyncio.sleep(0.2)
        while kid_of(after := (await login(api)).json()["access_token"]) != new:
            await asyncio.sleep(0.5)
    assert {kid_of(before), new} <= set(await published(api))
    for token in (before, after):
        assert (await api.http.get("/v1/auth/me", headers=bearer(token))).status_code == 200
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    try:
        told = "SELECT count(DISTINCT tenant_id) FROM audits WHERE action = 'token_key.rotated' AND detail->>'kid' = $1"
        everybody = "SELECT count(*) FROM tenants WHERE deleted_at IS NULL"
        assert await connection.fetchval(told, new) == await connection.fetchval(everybody)
    finally:
        await connection.close()


def a_process(database: Database, pem: str, root: str) -> tuple[Tokens, TokenKeys]:
    tokens = Tokens(pem, "helioscs")
    return tokens, TokenKeys(tokens, database, root_key(root))


async def test_a_leaked_key_is_revoked_at_once_and_the_root_key_guards_them_all(empty_database: str) -> None:
    await migrate(empty_database)
    pem = (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )
    root = b64encode(os.urandom(32)).decode()
    database = Database(empty_database, pool_size=2)
    try:
        (one, ones), (two, twos) = a_process(database, pem, root), a_process(database, pem, root)
        first = one.sign(IDENTITY)
        await rotate(database, root_key(root))
        for keys in (ones, twos):
            await keys.load()
        assert kid_of(one.sign(IDENTITY)) == kid_of(first)  # the new one signs in ten seconds
        assert len(two.published()["keys"]) == 2
        revoked = await rotate(database, root_key(root), revoke_old=True)
        for keys in (ones, twos):
            await keys.load()
        assert kid_of(one.sign(IDENTITY)) == revoked.kid
        assert two.read(one.sign(IDENTITY)) == IDENTITY
        assert [key["kid"] for key in one.published()["keys"]] == [revoked.kid]
        with pytest.raises(TokenError):
            two.read(first)
        with pytest.raises(CryptoError):
            await a_process(database, pem, b64encode(os.urandom(32)).decode())[1].load()
    finally:
        await database.close()


def test_without_a_stack_the_command_says_what_to_do(tmp_path: Any) -> None:
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("HELIOS_")}
    ran = helios("keys", "rotate", env={**quiet, "HELIOS_HOME": str(tmp_path)})
    assert ran.returncode == 1
    assert "make up" in ran.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rotate", "--root", "--revoke-old"], "--revoke-old ends tokens"),
        (["rotate", "--vault", "--revoke-old"], "--revoke-old ends tokens"),
        (["rotate", "--tenant", "x", "--revoke-old"], "--revoke-old ends tokens"),
        (["rotate", "--tenant", "x", "--root"], "leave --tenant out"),
        (["wrap-root", "--revoke-old"], "wrap-root only prints"),
    ],
)
def test_what_an_option_cannot_do_is_refused_before_anything_is_done(
    words: list[str], said: str, tmp_path: Path
) -> None:
    """No stack is there: that is not what it says."""
    ran = helios("keys", *words, env={"HELIOS_HOME": str(tmp_path)})
    assert (ran.returncode, said in ran.stderr) == (1, True), ran.stderr
