"""Ways to falsify a log with the rights of the database's superuser, and what verification must say of each.

Each takes the connection, the tenant and a seeded generator, and returns where the first bad entry is; None where the
falsification is not of one entry.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from helios.audit_log.checkpoints import Checkpoint, sign
from helios.audit_log.entries import COLUMNS, canonical
from helios.audit_log.key_chain import LogKey, put_in
from helios.audit_log.merkle import Frontier, leaf_hash
from helios.audit_log.reading import Verdict
from helios.crypto import RootKey

TABLES = ("audits", "audit_anchored", "audit_keys", "audit_leaves", "audit_blocks", "audit_checkpoints")
LAST = "SELECT * FROM audit_checkpoints WHERE tenant_id = $1 ORDER BY size DESC LIMIT 1"
Forge = Callable[[asyncpg.Connection, UUID, random.Random], Awaitable[int | None]]


@dataclass(frozen=True, slots=True)
class Way:
    name: str
    forge: Forge
    verdicts: frozenset[Verdict]


@asynccontextmanager
async def put_back(admin: asyncpg.Connection) -> AsyncIterator[None]:
    """Lets every table be changed, and gives it its old rows again afterwards."""
    for table in TABLES:
        await admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL; CREATE TABLE was_{table} AS TABLE {table}")
    try:
        yield
    finally:
        for table in TABLES:
            await admin.execute(f"TRUNCATE {table}; INSERT INTO {table} SELECT * FROM was_{table}")
            await admin.execute(f"DROP TABLE was_{table}; ALTER TABLE {table} ENABLE TRIGGER ALL")


async def _entry(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> asyncpg.Record:
    size = await admin.fetchval("SELECT count(*) FROM audit_leaves WHERE tenant_id = $1", tenant)
    return await admin.fetchrow(
        "SELECT * FROM audit_leaves WHERE tenant_id = $1 AND position = $2", tenant, draw.randrange(size)
    )


async def change_a_field(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> int:
    changes = (
        "action = action || '.'",
        "actor_type = 'ops'",
        "actor_id = gen_random_uuid()",
        "subject_type = 'message'",
        "subject_id = gen_random_uuid()",
        "detail = detail || '{\"turn\": -1}'",
        "detail = detail - 'score'",
        "occurred_at = occurred_at + interval '1 microsecond'",
    )
    entry = await _entry(admin, tenant, draw)
    await admin.execute(f"UPDATE audits SET {draw.choice(changes)} WHERE id = $1", entry["event_id"])
    return int(entry["position"])


async def flip_a_bit_of_a_leaf(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> int:
    entry = await _entry(admin, tenant, draw)
    flipped = "set_bit(hash, $3, 1 - get_bit(hash, $3))"
    await admin.execute(
        f"UPDATE audit_leaves SET hash = {flipped} WHERE tenant_id = $1 AND position = $2",
        tenant,
        entry["position"],
        draw.randrange(256),
    )
    return int(entry["position"])


async def change_an_event_and_its_leaf(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> None:
    entry = await _entry(admin, tenant, draw)
    await admin.execute("UPDATE audits SET action = 'never.happened' WHERE id = $1", entry["event_id"])
    row = await admin.fetchrow(f"SELECT {COLUMNS} FROM audits WHERE id = $1", entry["event_id"])
    await admin.execute(
        "UPDATE audit_leaves SET hash = $3 WHERE tenant_id = $1 AND position = $2",
        tenant,
        entry["position"],
        leaf_hash(canonical(tenant, _Row(row))),
    )


async def delete_an_event(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> int:
    entry = await _entry(admin, tenant, draw)
    await admin.execute("DELETE FROM audits WHERE id = $1", entry["event_id"])
    return int(entry["position"])


async def delete_an_entry(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> int:
    entry = await _entry(admin, tenant, draw)
    await admin.execute("DELETE FROM audits WHERE id = $1", entry["event_id"])
    await admin.execute("DELETE FROM audit_leaves WHERE event_id = $1", entry["event_id"])
    return int(entry["position"])


async def delete_an_entry_and_close_ranks(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> None:
    position = await delete_an_entry(admin, tenant, draw)
    await admin.execute(
        "UPDATE audit_leaves SET position = -position WHERE tenant_id = $1 AND position > $2", tenant, position
    )
    await admin.execute(
        "UPDATE audit_leaves SET position = -position - 1 WHERE tenant_id = $1 AND position < 0", tenant
    )


async def insert_an_old_event(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> None:
    entry = await _entry(admin, tenant, draw)
    await admin.execute(
        "INSERT INTO audits (tenant_id, id, action, actor_type, subject_type, occurred_at, xid) "
        "SELECT tenant_id, $2, 'never.happened', actor_type, subject_type, occurred_at, xid FROM audits WHERE id = $1",
        entry["event_id"],
        uuid4(),
    )


async def append_an_entry(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> None:
    entry = await _entry(admin, tenant, draw)
    event = uuid4()
    await admin.execute(
        "INSERT INTO audits (tenant_id, id, action, actor_type, subject_type, occurred_at) "
        "SELECT tenant_id, $2, 'never.happened', actor_type, subject_type, occurred_at FROM audits WHERE id = $1",
        entry["event_id"],
        event,
    )
    row = await admin.fetchrow(f"SELECT {COLUMNS} FROM audits WHERE id = $1", event)
    await admin.execute(
        "INSERT INTO audit_leaves SELECT $1, max(position) + 1, $2, $3 FROM audit_leaves WHERE tenant_id = $1",
        tenant,
        event,
        leaf_hash(canonical(tenant, _Row(row))),
    )


async def swap_two_entries(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> None:
    one, other = await _entry(admin, tenant, draw), await _entry(admin, tenant, draw)
    while one["position"] == other["position"]:
        other = await _entry(admin, tenant, draw)
    for entry in (one, other):
        await admin.execute("DELETE FROM audit_leaves WHERE event_id = $1", entry["event_id"])
    for entry, place in ((one, other), (other, one)):
        await admin.execute(
            "INSERT INTO audit_leaves VALUES ($1, $2, $3, $4)",
            tenant, place["position"], entry["event_id"], entry["hash"],
        )  # fmt: skip


async def cut_the_end_off(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> None:
    """Back to an older checkpoint that was really signed: only an anchor knows better."""
    sizes = [
        row["size"]
        for row in await admin.fetch("SELECT size FROM audit_checkpoints WHERE tenant_id = $1 ORDER BY 1", tenant)
    ]
    kept = draw.choice(sizes[:-1])
    await admin.execute(
        "DELETE FROM audits WHERE id IN (SELECT event_id FROM audit_leaves WHERE tenant_id = $1 AND position >= $2)",
        tenant,
        kept,
    )
    await admin.execute("DELETE FROM audit_leaves WHERE tenant_id = $1 AND position >= $2", tenant, kept)
    await admin.execute("DELETE FROM audit_checkpoints WHERE tenant_id = $1 AND size > $2", tenant, kept)


async def cut_entries_off(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> None:
    size = await admin.fetchval("SELECT count(*) FROM audit_leaves WHERE tenant_id = $1", tenant)
    last = await admin.fetchval(
        "SELECT coalesce(max(size), 0) FROM audit_checkpoints WHERE tenant_id = $1 AND size < $2", tenant, size
    )
    await admin.execute(
        "DELETE FROM audit_leaves WHERE tenant_id = $1 AND position >= $2", tenant, draw.randrange(last, size)
    )


async def rewrite_everything_with_a_key_of_ones_own(
    admin: asyncpg.Connection, tenant: UUID, draw: random.Random
) -> None:
    """A whole new history, consistent in itself and signed, with the key replaced in the database."""
    key = Ed25519PrivateKey.generate()
    wrapped = RootKey(draw.randbytes(32)).wrap(key.private_bytes_raw(), tenant, 1, "audit")
    await admin.execute("UPDATE audit_keys SET wrapped_key = $2 WHERE tenant_id = $1", tenant, wrapped)
    await _rewrite(admin, tenant, draw, key)


async def rewrite_everything_but_the_key(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> None:
    await _rewrite(admin, tenant, draw, Ed25519PrivateKey.generate())


async def put_a_key_of_ones_own_in(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> None:
    """A new end of the log under a key that nobody put in."""
    key = Ed25519PrivateKey.generate()
    version = 1 + await admin.fetchval("SELECT max(version) FROM audit_keys WHERE tenant_id = $1", tenant)
    last = await admin.fetchrow(LAST, tenant)
    note = put_in(tenant, LogKey(version, key.public_key(), last["size"] - 1, version - 1), key)
    wrapped = RootKey(draw.randbytes(32)).wrap(key.private_bytes_raw(), tenant, version, "audit")
    add = "INSERT INTO audit_keys (tenant_id, version, wrapped_key, note) VALUES ($1, $2, $3, $4)"
    await admin.execute(add, tenant, version, wrapped, note)
    signed = sign(Checkpoint(tenant, last["size"], last["root"]), key)
    change = "UPDATE audit_checkpoints SET note = $3 WHERE tenant_id = $1 AND size = $2"
    await admin.execute(change, tenant, last["size"], signed)


async def take_the_newest_key_out(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> None:
    """With all that it has signed: the log ends where the key before it ended."""
    newest = await admin.fetchrow("SELECT * FROM audit_keys WHERE tenant_id = $1 ORDER BY version DESC LIMIT 1", tenant)
    above = int(newest["note"].splitlines()[3])
    await admin.execute("DELETE FROM audit_keys WHERE tenant_id = $1 AND version = $2", tenant, newest["version"])
    await admin.execute("DELETE FROM audit_leaves WHERE tenant_id = $1 AND position >= $2", tenant, above)
    await admin.execute("DELETE FROM audit_checkpoints WHERE tenant_id = $1 AND size > $2", tenant, above)


async def change_a_checkpoint(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> None:
    change = draw.choice(
        (
            "root = set_bit(root, 7, 1 - get_bit(root, 7))",
            "note = replace(note, E'\\n\\n', E'\\n \\n')",
            "note = overlay(note placing CASE WHEN substr(note, length(note) - 9, 1) = 'A' THEN 'B' ELSE 'A' END "
            "from length(note) - 9 for 1)",
        )
    )
    sizes = await admin.fetch("SELECT size FROM audit_checkpoints WHERE tenant_id = $1 ORDER BY 1", tenant)
    await admin.execute(
        f"UPDATE audit_checkpoints SET {change} WHERE tenant_id = $1 AND size = $2", tenant, draw.choice(sizes)["size"]
    )


async def change_a_block(admin: asyncpg.Connection, tenant: UUID, draw: random.Random) -> None:
    await admin.execute("UPDATE audit_blocks SET root = $2 WHERE tenant_id = $1", tenant, draw.randbytes(32))


async def _rewrite(admin: asyncpg.Connection, tenant: UUID, draw: random.Random, key: Ed25519PrivateKey) -> None:
    entry = await _entry(admin, tenant, draw)
    await admin.execute("UPDATE audits SET action = 'never.happened' WHERE id = $1", entry["event_id"])
    rows = await admin.fetch(
        f"SELECT position, {COLUMNS} FROM audits JOIN audit_leaves AS leaf ON leaf.event_id = audits.id "
        "WHERE leaf.tenant_id = $1 ORDER BY position",
        tenant,
    )
    sizes = {
        row["size"] for row in await admin.fetch("SELECT size FROM audit_checkpoints WHERE tenant_id = $1", tenant)
    }
    frontier = Frontier()
    for row in rows:
        leaf = leaf_hash(canonical(tenant, _Row(row)))
        frontier.add(leaf)
        await admin.execute(
            "UPDATE audit_leaves SET hash = $3 WHERE tenant_id = $1 AND position = $2", tenant, row["position"], leaf
        )
        if frontier.size in sizes:
            root = frontier.root()
            await admin.execute(
                "UPDATE audit_checkpoints SET root = $3, note = $4 WHERE tenant_id = $1 AND size = $2",
                tenant,
                frontier.size,
                root,
                sign(Checkpoint(tenant, frontier.size, root), key),
            )


class _Row:
    """A record whose columns are attributes, as SQLAlchemy's rows have them; JSON is read."""

    def __init__(self, record: asyncpg.Record) -> None:
        self.__dict__.update(record)
        self.detail = json.loads(record["detail"])


def _way(forge: Forge, *verdicts: Verdict) -> Way:
    return Way(forge.__name__, forge, frozenset(verdicts))


WAYS = (
    _way(change_a_field, Verdict.TAMPERED),
    _way(flip_a_bit_of_a_leaf, Verdict.TAMPERED),
    _way(change_an_event_and_its_leaf, Verdict.TAMPERED),
    _way(delete_an_event, Verdict.TAMPERED),
    _way(delete_an_entry, Verdict.GAP),
    _way(delete_an_entry_and_close_ranks, Verdict.TAMPERED, Verdict.GAP),
    _way(insert_an_old_event, Verdict.TAMPERED),
    _way(append_an_entry, Verdict.TAMPERED),
    _way(swap_two_entries, Verdict.TAMPERED),
    _way(cut_the_end_off, Verdict.AGAINST_ANCHOR),
    _way(cut_entries_off, Verdict.GAP),
    _way(rewrite_everything_with_a_key_of_ones_own, Verdict.BAD_SIGNATURE),
    _way(rewrite_everything_but_the_key, Verdict.BAD_SIGNATURE),
    _way(put_a_key_of_ones_own_in, Verdict.BAD_SIGNATURE),
    _way(take_the_newest_key_out, Verdict.AGAINST_ANCHOR),
    _way(change_a_checkpoint, Verdict.BAD_SIGNATURE),
    _way(change_a_block, Verdict.TAMPERED),
)
