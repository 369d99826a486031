"""The key that signs a log is rotated: the old one puts the new one in, and nobody else can."""

from __future__ import annotations

import base64
import json
import random
import zipfile
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from helios.audit_log.anchors import FolderAnchor
from helios.audit_log.checkpoints import Checkpoint, CheckpointError, read, sign
from helios.audit_log.export import write_export
from helios.audit_log.key_chain import KeyChain, KeyChainError, LogKey, put_in
from helios.audit_log.keys import rotate, signing_keys
from helios.audit_log.reading import Verdict
from helios.backup.afterwards import note_restore, settle
from helios.backup.anchored import read_anchors
from helios.commands.keys import rotate_logs
from helios.crypto import RootKey
from helios.embedded.errors import StackError
from helios.keyring import Keyring
from helios.privacy import journal
from helios.settings import Settings
from tests.audit_log.conftest import Log
from tests.audit_log.tampering import put_back, rewrite_everything_but_the_key
from tests.audit_log.test_examiner import alone, forged_manifest

TENANT = uuid4()


async def rotated(log: Log, *sizes: int) -> list[Ed25519PrivateKey]:
    """A log of so many entries under each key in turn; its keys, as somebody has them who has stolen all of them."""
    for number, events in enumerate(sizes):
        if number:
            await rotate(log.database, log.root, log.tenant_id)
        await log.record(events)
        await log.seal()
    async with log.database.tenant(log.tenant_id) as connection:
        return list((await signing_keys(connection, log.root, log.tenant_id)).private)


async def test_each_key_signs_in_its_time_and_the_log_tells_of_the_change(log: Log, tmp_path: Path) -> None:
    keys = await rotated(log, 3, 5, 2)
    report = await log.verify()
    assert (report.verdict, report.detail, report.size) == (Verdict.GOOD, "good", 12)
    chain = KeyChain.begin(log.tenant_id, keys[0].public_key()).followed(await log.anchor.notes(log.tenant_id, "keys"))
    assert [(key.version, key.above, key.by) for key in chain.keys] == [(1, 0, 0), (2, 3, 1), (3, 9, 2)]
    notes = await log.anchor.notes(log.tenant_id)
    assert [chain.verify(note).size for note in notes] == [3, 9, 12]
    told = await log.admin.fetch("SELECT detail FROM audits WHERE action = 'audit_key.rotated' ORDER BY xid")
    assert [json.loads(row["detail"])["public_key"] for row in told] == [
        base64.b64encode(key.public_key().public_bytes_raw()).decode() for key in keys[1:]
    ]
    await write_export(log.database, log.root, log.tenant_id, tmp_path / "log.zip")
    folder = tmp_path / "unpacked"
    zipfile.ZipFile(tmp_path / "log.zip").extractall(folder)
    assert alone(folder).stdout == "good: 12 events under 3 signed checkpoints\n"
    for name, forged, said in (
        ("key_changes.jsonl", changed_keys(log, keys), "key 3 was not put in by a key before it"),
        ("key_changes.jsonl", "", "there are 3 keys, and 0 were put in after the first"),
        (
            "checkpoints.jsonl",
            late_checkpoint(notes, keys),
            "checkpoint 12 is signed by key 1, which",
        ),
    ):
        was = (folder / name).read_text()
        forged_manifest(folder, name, forged.encode())
        assert said in alone(folder).stdout
        forged_manifest(folder, name, was.encode())
    await rotated_by_command(log)


async def rotated_by_command(log: Log) -> None:
    """Of one log, and of all."""
    slug = await log.admin.fetchval("SELECT slug FROM tenants WHERE id = $1", log.tenant_id)
    root = SecretStr(base64.b64encode(bytes(32)).decode())
    config = Settings(postgres_dsn=SecretStr(log.database.dsn), root_key=root)
    for version, named in enumerate((slug, None), start=4):
        assert await rotate_logs(config, named, revoke_old=False) == [{"tenant": slug, "version": version, "above": 12}]
    await log.seal()
    report = await log.verify()
    assert (report.verdict, report.size) == (Verdict.GOOD, 14)
    with pytest.raises(StackError, match="no tenant with the short name"):
        await rotate_logs(config, "nobody", revoke_old=False)


def changed_keys(log: Log, keys: list[Ed25519PrivateKey]) -> str:
    """The last key was put in by somebody who has none of the others."""
    stranger = Ed25519PrivateKey.generate()
    second = LogKey(2, keys[1].public_key(), 3, 1)
    third = LogKey(3, keys[2].public_key(), 9, 2)
    told = put_in(log.tenant_id, second, keys[0]), put_in(log.tenant_id, third, stranger)
    return "".join(json.dumps(note) + "\n" for note in told)


def late_checkpoint(notes: list[str], keys: list[Ed25519PrivateKey]) -> str:
    return "".join(json.dumps(note) + "\n" for note in (*notes[:2], sign(read(notes[2]), keys[0])))


async def test_a_chain_that_was_forged_in_the_database_is_found_and_named(log: Log) -> None:
    keys = await rotated(log, 3, 5)
    draw, stranger, admin, tenant = random.Random(1), Ed25519PrivateKey.generate(), log.admin, log.tenant_id
    seed = stranger.private_bytes_raw()
    add = "INSERT INTO audit_keys (tenant_id, version, wrapped_key, note) VALUES ($1, $2, $3, $4)"
    mine = put_in(tenant, LogKey(3, stranger.public_key(), 9, 2), stranger)

    async def key_of_ones_own() -> None:
        await admin.execute(add, tenant, 3, RootKey(draw.randbytes(32)).wrap(seed, tenant, 3, "audit"), mine)

    async def key_that_nobody_put_in() -> None:
        """As if he had the root key, too."""
        await admin.execute(add, tenant, 3, log.root.wrap(seed, tenant, 3, "audit"), mine)

    async def another_key_in_its_place() -> None:
        changed = "UPDATE audit_keys SET wrapped_key = $2 WHERE tenant_id = $1 AND version = 2"
        await admin.execute(changed, tenant, log.root.wrap(seed, tenant, 2, "audit"))

    async def history_signed_by_the_stolen_old_key() -> None:
        row = await admin.fetchrow("SELECT * FROM audit_checkpoints WHERE tenant_id = $1 AND size = 9", tenant)
        note = sign(Checkpoint(tenant, 9, row["root"]), keys[0])
        await admin.execute("UPDATE audit_checkpoints SET note = $2 WHERE tenant_id = $1 AND size = 9", tenant, note)

    async def change_taken_back() -> None:
        await admin.execute("DELETE FROM audit_keys WHERE tenant_id = $1 AND version = 2", tenant)
        await admin.execute("DELETE FROM audit_checkpoints WHERE tenant_id = $1 AND size > 3", tenant)
        await admin.execute("DELETE FROM audit_leaves WHERE tenant_id = $1 AND position >= 3", tenant)

    async def note_changed() -> None:
        await admin.execute("UPDATE audit_keys SET note = replace(note, E'\\n3\\n', E'\\n0\\n') WHERE note IS NOT NULL")

    for forge, verdict, said in (
        (key_of_ones_own, Verdict.BAD_SIGNATURE, "version 3, does not open"),
        (key_that_nobody_put_in, Verdict.BAD_SIGNATURE, "key 3 of the log was not put in by a key before it"),
        (another_key_in_its_place, Verdict.BAD_SIGNATURE, "key 2 of the log is not the one that was put in"),
        (history_signed_by_the_stolen_old_key, Verdict.BAD_SIGNATURE, "key 1 signs the checkpoint of 9 entries"),
        (change_taken_back, Verdict.AGAINST_ANCHOR, "key 2 of the log was anchored and is not there"),
        (note_changed, Verdict.BAD_SIGNATURE, "key 2 of the log was not put in by a key before it"),
    ):
        async with put_back(admin):
            await forge()
            report = await log.verify()
        assert (report.verdict, said in report.detail) == (verdict, True), (forge.__name__, report)
    async with put_back(admin):
        await rewrite_everything_but_the_key(admin, tenant, draw)
        assert (await log.verify()).verdict is Verdict.BAD_SIGNATURE
    assert (await log.verify()).verdict is Verdict.GOOD


async def test_a_key_that_came_after_the_backup_is_followed_by_another(log: Log, tmp_path: Path) -> None:
    """Its private half is lost: the newest one of the backup puts in the next, as its audit log says."""
    await rotated(log, 3)
    anchor = log.anchor
    await revoked_since(log, tmp_path / "revoked")
    log.anchor = anchor
    keyring, customers = Keyring(log.root, log.database), [uuid4(), uuid4()]
    async with put_back(log.admin):  # at its end everything is as it was before the rotation
        await rotate(log.database, log.root, log.tenant_id)
        await log.record(4)
        await log.seal()
        for customer in customers:
            async with log.database.tenant(log.tenant_id) as connection:
                await journal.add(log.anchor, connection, log.root, log.tenant_id, customer)
    assert "key 2 of the log was anchored" in (await log.verify()).detail
    known = await read_anchors(log.database, keyring, [log.anchor], log.tenant_id)
    assert (known.size, known.newest, list(known.erased), known.problems) == (8, 2, customers, [])
    await note_restore(log.database, keyring, log.anchor, known)
    await log.seal()
    report = await log.verify()
    assert (report.verdict, report.detail) == (Verdict.GOOD, "good")
    assert [row["version"] for row in await log.admin.fetch("SELECT version FROM audit_keys ORDER BY 1")] == [1, 3]
    async with log.database.tenant(log.tenant_id) as connection:
        await journal.add(log.anchor, connection, log.root, log.tenant_id, uuid4())
    again = await read_anchors(log.database, keyring, [log.anchor], log.tenant_id)
    assert (len(again.erased), again.problems) == (3, [])


async def revoked_since(log: Log, folder: Path) -> None:
    """The key of the backup was revoked after it was made: its restore is not trusted."""
    log.anchor = FolderAnchor(folder)
    async with put_back(log.admin):
        await rotate(log.database, log.root, log.tenant_id, revoke_old=True)
        await log.record(4)
        await log.seal()
    known = await read_anchors(log.database, Keyring(log.root, log.database), [log.anchor], log.tenant_id)
    assert known.problems == ["key 1 of its audit log, the backup's newest, was revoked since: see --old-anchor"]


async def test_a_backup_older_than_a_revoked_key_goes_on_in_another_anchor(log: Log, tmp_path: Path) -> None:
    """Who was erased since is known from the old one, whose keys follow each other; nothing new rests on the stolen."""
    (stolen,) = await rotated(log, 3)
    keyring, old, customers = Keyring(log.root, log.database), log.anchor, [uuid4(), uuid4()]
    async with put_back(log.admin):
        await rotate(log.database, log.root, log.tenant_id, revoke_old=True)
        await log.record(4)
        await log.seal()
        for customer in customers:
            async with log.database.tenant(log.tenant_id) as connection:
                await journal.add(old, connection, log.root, log.tenant_id, customer)
    with pytest.raises(StackError, match="is in use already"):
        await settle(Settings(), log.database, keyring, [old], old=old)
    known = await read_anchors(log.database, keyring, [old], log.tenant_id, moved=True)
    assert (known.newest, known.revoked, list(known.erased), known.problems) == (2, True, customers, [])

    log.anchor = new = FolderAnchor(tmp_path / "new")
    await note_restore(log.database, keyring, new, known, moved=True)
    await log.record(2)
    await log.seal()
    report = await log.verify()
    assert (report.verdict, report.detail, report.anchored) == (Verdict.GOOD, "good", 1)
    chain = KeyChain.begin(log.tenant_id, stolen.public_key()).followed(await new.notes(log.tenant_id, "keys"))
    assert [(key.version, key.by, key.revokes) for key in chain.keys] == [(1, 0, False), (3, 1, True)]
    with pytest.raises(CheckpointError, match="which is not its time"):
        chain.verify(sign(Checkpoint(log.tenant_id, 5, bytes(32)), stolen))
    again = await read_anchors(log.database, keyring, [new], log.tenant_id)
    assert (list(again.erased), again.revoked, again.problems) == (customers, False, [])
    told = await log.admin.fetchval("SELECT detail FROM audits WHERE action = 'stack.restored'")
    assert json.loads(told)["anchor_moved"] is True


def test_a_revoked_key_puts_nothing_in_and_tells_of_no_restore() -> None:
    stolen, second, third = (Ed25519PrivateKey.generate() for _ in range(3))
    begun = KeyChain.begin(TENANT, stolen.public_key())
    two, three = LogKey(2, second.public_key(), 9, 1), LogKey(3, third.public_key(), 4, 1)
    restore = sign(Checkpoint(TENANT, 4, bytes(32), lost=9), stolen)
    trusting = begun.followed([put_in(TENANT, two, stolen), put_in(TENANT, three, stolen)])
    assert trusting.verify(restore).lost == 9
    assert trusting.verify(sign(Checkpoint(TENANT, 5, bytes(32)), third)).size == 5
    warned = begun.followed([put_in(TENANT, replace(two, revokes=True), stolen)])
    assert warned.verify(sign(Checkpoint(TENANT, 9, bytes(32)), stolen)).size == 9
    with pytest.raises(CheckpointError, match="which was revoked, signs a restore"):
        warned.verify(restore)
    with pytest.raises(KeyChainError, match="key 3 of the log was put in by key 1, which was revoked"):
        warned.followed([put_in(TENANT, three, stolen)])
    for size, key in ((9, second), (10, stolen)):
        with pytest.raises(CheckpointError, match="which is not its time"):
            warned.verify(sign(Checkpoint(TENANT, size, bytes(32)), key))


@pytest.mark.parametrize("note", ["", "x", "helioscs/audit-key/x\n2\nA\n0\n1\n\n— x y\n"])
def test_what_is_no_note_about_keys_is_refused(note: str) -> None:
    key = Ed25519PrivateKey.generate()
    for each in (note, put_in(uuid4(), LogKey(2, key.public_key(), 0, 1), key)):
        with pytest.raises(KeyChainError, match="is none of this log"):
            KeyChain.begin(TENANT, key.public_key()).followed([each])
