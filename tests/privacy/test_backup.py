"""A backup from before an erasure is restored: the erased customer stays unreadable, everybody else is there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr
from sqlalchemy import text

from helios.audit_log.anchors import Anchor, FolderAnchor
from helios.audit_log.checkpoints import Checkpoint, sign
from helios.audit_log.key_chain import KeyChain
from helios.audit_log.keys import signing_keys
from helios.audit_log.reading import Verdict
from helios.audit_log.s3 import S3Anchor
from helios.audit_log.signed_notes import sign_text
from helios.audit_log.verifier import anchored_roots, verify_log
from helios.backup.afterwards import file, settle
from helios.backup.anchored import anchors_of, read_anchors
from helios.backup.making import MANIFEST, make
from helios.backup.restoring import mark, require_whole, restore
from helios.commands.searching import places_with
from helios.database import Database
from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.embedded.servers import silent
from helios.embedded.supervisor import Stack, running_stack
from helios.keyring import Keyring, root_key
from helios.privacy import journal
from helios.privacy.journal import Asked
from helios.reports.asked import Asked as Period
from helios.reports.catalogue import REPORTS
from helios.reports.making import make as make_report
from helios.settings import Settings
from helios.times import moment
from tests.audit_log.s3_server import Bucket, bucket
from tests.caller import Api
from tests.privacy.test_erasure import REQUESTS, erase, new_words, talkative, until

NOW = "2026-11-23T12:00:00+00:00"
KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # of AWS's own documentation


@pytest.fixture
def held() -> Iterator[Bucket]:
    with bucket("bank-audit", KEY_ID, SECRET, "eu-central-1") as running:
        yield running


def in_bucket(held: Bucket, home: Path, secret: str = SECRET) -> Settings:
    return Settings(
        home=home,
        llm=("offline",),
        audit_anchor_s3_url=f"{held.url}/{held.name}/log",
        audit_anchor_s3_region=held.region,
        audit_anchor_s3_key_id=KEY_ID,
        audit_anchor_s3_secret=SecretStr(secret),
    )


def anchor_folder(stack: Stack) -> Path:
    return stack.servers.home.root / "audit-anchor"


async def put_into(anchor: Anchor, folder: Path) -> None:
    """As if this anchor had been in use: each log's checkpoints, and all erasures.

    Somebody may have been erased whose tenant's log has no checkpoint yet.
    """
    kept = FolderAnchor(folder)
    for tenant in {UUID(path.stem) for path in (*folder.glob("*.jsonl"), *folder.glob("erasures/*.jsonl"))}:
        for note in await kept.notes(tenant):
            await anchor.add(tenant, note)
        for note in await kept.notes(tenant, "erasures"):
            await anchor.add(tenant, note, "erasures")


async def test_who_was_erased_after_a_backup_is_erased_in_what_it_restores(
    stack: Stack, api: Api, tenant_id: UUID, tmp_path: Path, held: Bucket
) -> None:
    """Their names come from the anchor alone: here a bucket, beside a home that has nothing else. At the moment of the
    backup a legal hold stopped the erasure, whose workflow then looks again once an hour."""
    words, kept = new_words(), f"kanarienvogel{uuid4().hex}"
    gone, officer = await talkative(api, words), await api.staff("compliance_officer")
    matter = {"customer_id": gone.id, "matter": "Case 26-1030"}
    hold = (await api.http.post("/v1/privacy/legal-holds", json=matter, headers=officer)).json()
    asked = {"kind": "erasure", "customer_id": gone.id, "verification": {"method": "signed_in"}}
    request = (await api.http.post(REQUESTS, json=asked, headers=officer)).json()["id"]
    await until(api, request, "held")
    late = await api.customer()
    stays = await (await api.customer()).open()
    await stays.say(f"I am {kept}. Which fees are there?")
    backup, keys = tmp_path / "backup", tmp_path / "keys"
    await make(stack.servers.home, stack.servers.admin_dsn, backup, keys)
    assert {path.stat().st_mode & 0o077 for path in (*backup.iterdir(), *keys.iterdir())} == {0}
    secret = (keys / "root_key").read_bytes()
    assert not any(secret in path.read_bytes() for path in backup.iterdir())
    await api.http.post(f"/v1/privacy/legal-holds/{hold['id']}/release", headers=officer)
    done = [await until(api, request, "done"), await erase(api, late.id)]

    tmp_path.chmod(0o711)
    config = in_bucket(held, tmp_path / "home")
    anchor = S3Anchor(config)
    await put_into(anchor, anchor_folder(stack))
    entries = await anchor.notes(tenant_id, "erasures")
    config.home.mkdir(mode=0o711)
    async with asyncio.timeout(600):
        assert await restore(config, backup, keys, silent, replace=False) == 2
    assert await anchor.notes(tenant_id, "erasures") == entries  # whoever is erased again is on it already
    async with running_stack(config) as restored:
        assert await places_with(restored, *words) == []
        database = Database(restored.servers.app_dsn, pool_size=2)
        root = root_key(restored.servers.keys.root_key)
        report = await verify_log(database, root, anchor, tenant_id)
        assert (report.verdict, report.detail) == (Verdict.GOOD, "good")
        owner = await asyncpg.connect(restored.servers.admin_dsn)
        left = await owner.fetch(
            "SELECT kind, wrapped_key FROM customer_keys WHERE customer_id = $1 ORDER BY kind", UUID(gone.id)
        )
        assert [(row["kind"], row["wrapped_key"] is None) for row in left] == [("ops", True), ("record", False)]
        said = "SELECT id, content_ct FROM messages WHERE conversation_id = $1 AND role = 'customer'"
        assert await owner.fetch(said, UUID(gone.conversation)) == []
        assert await owner.fetchval("SELECT count(*) FROM statutory_records WHERE customer_id = $1", UUID(gone.id)) == 1
        assert not await owner.fetchval("SELECT count(*) FROM sessions WHERE revoked_at IS NULL")
        for each in done:
            row = await owner.fetchrow("SELECT * FROM privacy_requests WHERE id = $1", UUID(each["id"]))
            assert (row["status"], row["verified_how"]) == ("done", each["verification"]["method"])
            assert (moment(row["received_at"]), moment(row["due_at"])) == (each["received_at"], each["due_at"])
        told = "SELECT actor_type FROM audits WHERE action = 'legal_hold.released' AND subject_id = $1"
        assert await owner.fetchval(told, UUID(hold["id"])) == "restore"
        message = await owner.fetchrow(said, UUID(stays.conversation))
        keyring = Keyring(root, database)
        of_stays = await keyring.customer(tenant_id, UUID(stays.id))
        assert kept in of_stays.open_text(message["content_ct"], "messages.content_ct", message["id"])
        await owner.close()
        await database.close()


async def test_a_repeated_erasure_keeps_its_record_or_says_that_it_is_lost(
    api: Api, database: Database, keyring: Keyring, tenant_id: UUID, tmp_path: Path
) -> None:
    anchor, received = FolderAnchor(tmp_path), datetime(2026, 9, 30, 8, 15, 0, 123456, UTC)
    asked = Asked(uuid4(), received, received + timedelta(days=1), received + timedelta(days=2), "document")
    known, unknown = await api.customer(), await api.customer()
    async with database.tenant(tenant_id) as connection:
        await journal.add(anchor, connection, keyring.root, tenant_id, UUID(known.id), asked)
        keys = await signing_keys(connection, keyring.root, tenant_id)
    older = f"helioscs/erasures/{tenant_id}\n2\n{unknown.id}\n{NOW}\n"  # as a release before this one wrote it
    await anchor.add(tenant_id, sign_text(older, keys.newest), "erasures")
    listed = journal.read(await anchor.notes(tenant_id, "erasures"), keys.public, tenant_id)
    assert listed.problems == []
    tenant = await keyring.tenant(tenant_id)

    async def repeat() -> None:
        async with database.tenant(tenant_id) as connection:
            for customer_id, erasure in listed.erased.items():
                await file(connection, tenant_id, customer_id, erasure)
            find = text("SELECT * FROM privacy_requests WHERE customer_id = :id AND kind = 'erasure'")
            row = (await connection.execute(find, {"id": UUID(known.id)})).one()
            assert (row.id, row.received_at, row.created_at) == (asked.request_id, received, asked.filed_at)
            assert (row.due_at, row.verified_at) == (received + timedelta(days=30), asked.verified_at)
            assert (row.verified_how, "received_at" in row.result) == ("document", False)
            row = (await connection.execute(find, {"id": UUID(unknown.id)})).one()
            assert (row.verified_how, row.received_at.isoformat()) == (None, NOW)
            assert row.result == {"first_done_at": NOW, "received_at": "unknown"}
            year = Period(received, received + timedelta(days=300), datetime.now(UTC), settled=False)
            report = await make_report(
                connection, tenant, REPORTS["data_requests"], year, tenant="x", actor=("ops", None)
            )
            shown = {row["customer_id"]: row for row in report.rows}
            assert (shown[known.id]["received_at"], shown[known.id]["state"]) == (moment(received), "met_late")
            assert shown[unknown.id]["state"] == "unknown"
            raise TakenBack

    with pytest.raises(TakenBack):  # nobody is erased here
        await repeat()


class TakenBack(Exception):
    """Ends a transaction whose changes nobody is to see."""


async def test_without_a_whole_list_of_erasures_nothing_is_done(
    stack: Stack, api: Api, database: Database, keyring: Keyring, tenant_id: UUID, tmp_path: Path, held: Bucket
) -> None:
    """So the mark stays, and nobody is served."""
    for _ in range(2):
        await erase(api, (await api.customer()).id)
    whole = FolderAnchor(anchor_folder(stack))
    assert (await read_anchors(database, keyring, [whole], tenant_id)).problems == []
    entries = await whole.notes(tenant_id, "erasures")
    forged = sign_text(f"helioscs/erasures/{tenant_id}\n1\n{uuid4()}\n{NOW}\n", Ed25519PrivateKey.generate())
    for name, listed, said in (
        ("nothing", [], "no checkpoint of its audit log is there"),
        ("cut", entries[:-1], "1 customers were erased before the backup"),
        ("taken_out", entries[1:], "erasure 1 is missing"),
        ("put_in", [*entries, forged], f"entry {len(entries) + 1} of the list .* is not signed"),
        ("another's", [each.replace(str(tenant_id), str(uuid4())) for each in entries], "entry 1 of the list"),
    ):
        folder = tmp_path / name
        if listed:
            await put_into(FolderAnchor(folder), anchor_folder(stack))
            (folder / "erasures" / f"{tenant_id}.jsonl").unlink()
        for note in listed:
            await FolderAnchor(folder).add(tenant_id, note, "erasures")
        with pytest.raises(StackError, match=said):
            await settle(Settings(home=tmp_path), database, keyring, [FolderAnchor(folder)])
    with pytest.raises(StackError, match=r"nothing is served: .* 403"):
        await settle(Settings(), database, keyring, anchors_of(in_bucket(held, tmp_path, "another secret")))
    async with database.tenant(tenant_id) as connection:
        restored = text("SELECT count(*) FROM audits WHERE tenant_id = :tenant_id AND action = 'stack.restored'")
        assert (await connection.execute(restored, {"tenant_id": tenant_id})).scalar_one() == 0


async def test_the_bucket_takes_the_list_of_erasures(
    database: Database, keyring: Keyring, tenant_id: UUID, tmp_path: Path, held: Bucket
) -> None:
    anchor, customers = S3Anchor(in_bucket(held, tmp_path)), [uuid4(), uuid4()]
    async with database.tenant(tenant_id) as connection:
        for customer in (*customers, customers[0]):
            await journal.add(anchor, connection, keyring.root, tenant_id, customer)
        keys = (await signing_keys(connection, keyring.root, tenant_id)).public
    read = journal.read(await anchor.notes(tenant_id, "erasures"), keys, tenant_id)
    assert (list(read.erased), read.problems, read.last) == (customers, [], 2)
    assert {lock["x-amz-object-lock-mode"] for _, _, lock in held.versions} == {"COMPLIANCE"}


async def test_what_is_no_whole_backup_is_refused(stack: Stack, tmp_path: Path) -> None:
    backup, keys, config = tmp_path / "backup", tmp_path / "keys", Settings(home=tmp_path / "home")
    with pytest.raises(StackError, match="is no backup"):
        await restore(config, backup, keys, silent, replace=False)
    with pytest.raises(StackError, match="apart"):
        await make(stack.servers.home, stack.servers.admin_dsn, backup, backup / "keys")
    with pytest.raises(StackError, match="name two folders"):
        await make(stack.servers.home, stack.servers.admin_dsn, backup, tmp_path / "elsewhere" / ".." / "backup")
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match=r"No backup was made: .*Not a directory"):
        await make(stack.servers.home, stack.servers.admin_dsn, backup, tmp_path / "file" / "keys")
    with pytest.raises(StackError, match="No backup was made"):
        await make(stack.servers.home, "postgresql://nobody@127.0.0.1:1/none", backup, keys)
    assert not backup.exists()
    assert not keys.exists()
    await make(stack.servers.home, stack.servers.admin_dsn, backup, keys)
    with pytest.raises(StackError, match="is there already"):
        await make(stack.servers.home, stack.servers.admin_dsn, backup, keys)
    with (backup / "temporal.sqlite").open("ab") as file:
        file.write(b"x")
    with pytest.raises(StackError, match=r"temporal\.sqlite .* was changed"):
        await restore(config, backup, keys, silent, replace=False)
    (backup / MANIFEST).write_text("{}")
    with pytest.raises(StackError, match="is no backup"):
        await restore(config, backup, keys, silent, replace=False)


def test_a_home_whose_restore_broke_off_is_not_served(tmp_path: Path) -> None:
    home = Home(tmp_path)
    require_whole(home)
    mark(home).touch()
    with pytest.raises(StackError, match="did not end"):
        require_whole(home)


def test_a_note_of_a_restore_counts_in_its_own_place_only() -> None:
    """Put in again later it would hide that the log was cut."""
    tenant, key = uuid4(), Ed25519PrivateKey.generate()

    def note(size: int, lost: int = 0, root: bytes = b"once") -> str:
        return sign(Checkpoint(tenant, size, sha256(root).digest(), lost), key)

    def again(size: int) -> str:
        return note(size, root=b"again")

    restored = note(3, lost=9)
    after = [note(3), note(6), note(9), restored, again(6), again(12)]
    once, twice = sha256(b"once").digest(), sha256(b"again").digest()
    assert anchored_roots(after, KeyChain.begin(tenant, key.public_key()), tenant) == {3: once, 6: twice, 12: twice}
    for wrong in ([*after, restored], [note(3), note(6), restored], [note(3), note(6), note(9), again(6)]):
        with pytest.raises(Exception, match="anchored checkpoint") as refused:
            anchored_roots(wrong, KeyChain.begin(tenant, key.public_key()), tenant)
        assert refused.value.verdict is Verdict.AGAINST_ANCHOR  # type: ignore[attr-defined]
