"""An anchor that is gone, or has lost lines, agrees with nothing: the database knows what was anchored."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from helios.audit_log.anchors import FolderAnchor
from helios.audit_log.new_anchor import NotLost, begin
from helios.audit_log.reading import Verdict
from helios.backup.afterwards import note_restore
from helios.backup.anchored import read_anchors
from helios.keyring import Keyring
from helios.privacy import journal
from tests.audit_log.conftest import Log
from tests.audit_log.tampering import put_back
from tests.commanding import Ended, running_helios


async def sealed(log: Log, *sizes: int) -> None:
    for events in sizes:
        await log.record(events)
        await log.seal()


def file_of(log: Log, folder: Path) -> Path:
    return folder / "anchor" / f"{log.tenant_id}.jsonl"


async def test_what_was_anchored_and_is_not_there_is_counted(log: Log, tmp_path: Path) -> None:
    file = file_of(log, tmp_path)
    assert (await log.verify()).verdict is Verdict.GOOD  # nothing is anchored yet
    await sealed(log, 3, 4, 5)
    whole = file.read_text()
    lines = whole.splitlines(keepends=True)
    for left, missing, said in (
        ("", 3, "3 of 3 checkpoints that were anchored are not in the anchor, the first of 3 entries, the last of 12"),
        (lines[0] + lines[2], 1, "1 of 3 checkpoints that were anchored are not in the anchor, the first of 7 entries"),
        ("".join(lines[:2]), 1, "the last of 12"),
    ):
        file.write_text(left)
        report = await log.verify()
        assert (report.verdict, report.missing) == (Verdict.ANCHOR_INCOMPLETE, missing)
        assert said in report.detail
    shutil.rmtree(file.parent)
    assert (await log.verify()).missing == 3
    await sealed(log, 1)  # an anchor that begins again by itself is not the old one
    assert ((await log.verify()).anchored, (await log.verify()).missing) == (1, 3)
    file.write_text(whole + file.read_text())  # put back
    assert (await log.verify()).verdict is Verdict.GOOD


async def test_a_checkpoint_that_never_reached_the_anchor_is_not_missed(log: Log, tmp_path: Path) -> None:
    """The anchor was away: the next checkpoint has it in it."""
    await sealed(log, 2)
    folder = tmp_path / "anchor"
    folder.rename(tmp_path / "away")
    folder.write_text("no folder")
    await sealed(log, 2)
    folder.unlink()
    (tmp_path / "away").rename(folder)
    await sealed(log, 2)
    report = await log.verify()
    assert (report.verdict, report.anchored, report.size) == (Verdict.GOOD, 2, 6)


async def test_what_an_older_release_anchored_is_noted_with_the_next_checkpoint(log: Log, tmp_path: Path) -> None:
    await sealed(log, 2, 3)
    await log.admin.execute("ALTER TABLE audit_anchored DISABLE TRIGGER ALL; DELETE FROM audit_anchored")
    await sealed(log, 1)
    file = file_of(log, tmp_path)
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))
    report = await log.verify()
    assert (report.verdict, report.missing, report.anchored) == (Verdict.ANCHOR_INCOMPLETE, 1, 2)


async def test_a_log_goes_on_in_another_anchor_once_it_says_so(log: Log, tmp_path: Path) -> None:
    await sealed(log, 3, 4)
    with pytest.raises(NotLost, match="nothing is missing"):
        await begin(log.database, log.root, log.anchor, log.tenant_id)
    log.anchor = FolderAnchor(tmp_path / "another")
    left = await begin(log.database, log.root, log.anchor, log.tenant_id)
    assert left.missing == 2
    await log.seal()
    await sealed(log, 2)
    report = await log.verify()
    assert (report.verdict, report.anchored, report.size) == (Verdict.GOOD, 2, 10)
    told = await log.admin.fetchval("SELECT detail FROM audits WHERE action = 'audit_anchor.begun'")
    assert json.loads(told) == {"entries": 7, "checkpoints_missing": 2}
    (tmp_path / "another" / f"{log.tenant_id}.jsonl").unlink()
    assert (await log.verify()).missing == 2  # what came since is held against it again


async def test_who_was_erased_is_put_into_the_new_anchor(log: Log, tmp_path: Path) -> None:
    await sealed(log, 2)
    async with log.database.tenant(log.tenant_id) as connection:
        gone = await connection.scalar(
            text(
                "INSERT INTO customers (tenant_id, id, external_id_index, profile_ct, erased_at) "
                "VALUES (:tenant_id, gen_random_uuid(), :nobody, '', now()) RETURNING id"
            ),
            {"tenant_id": log.tenant_id, "nobody": b"nobody"},
        )
    log.anchor = FolderAnchor(tmp_path / "another")
    await begin(log.database, log.root, log.anchor, log.tenant_id)
    known = await read_anchors(log.database, Keyring(log.root, log.database), [log.anchor], log.tenant_id)
    assert list(known.erased) == [gone]
    assert journal.ENTRY.fullmatch((await log.anchor.notes(log.tenant_id, "erasures"))[0])


async def test_a_restore_without_the_anchor_is_told_by_the_log_already(log: Log, tmp_path: Path) -> None:
    await sealed(log, 3)
    shutil.rmtree(tmp_path / "anchor")
    keyring = Keyring(log.root, log.database)
    known = await read_anchors(log.database, keyring, [log.anchor], log.tenant_id)
    assert known.problems
    await note_restore(log.database, keyring, log.anchor, known)
    await log.seal()
    assert (await log.verify()).verdict is Verdict.GOOD


async def test_the_command_tells_a_lost_anchor_from_not_having_looked(log: Log, tmp_path: Path) -> None:
    await sealed(log, 3)

    async def audit(*words: str, dsn: str = log.database.dsn) -> Ended:
        where = {"HELIOS_POSTGRES_DSN": dsn, "HELIOS_ROOT_KEY": base64.b64encode(bytes(32)).decode(),
                 "HELIOS_AUDIT_ANCHOR_DIR": str(tmp_path / "anchor")}  # fmt: skip
        return await running_helios("audit", *words, env=where)

    assert (await audit("verify")).returncode == 0
    shutil.rmtree(tmp_path / "anchor")
    lost = await audit("verify")
    assert (lost.returncode, "ANCHOR INCOMPLETE" in lost.stdout, "Put the anchor back" in lost.stdout) == (
        5,
        True,
        True,
    )
    (report,) = json.loads((await audit("verify", "--json")).stdout)["reports"]
    assert (report["exit_code"], report["anchored_checkpoints_missing"]) == (5, 1)
    assert "1 checkpoints are not looked for any more" in (await audit("new-anchor")).stdout
    again = await audit("new-anchor")
    assert (again.returncode, "nothing was done: nothing is missing" in again.stdout) == (0, True)
    async with put_back(log.admin):
        await log.admin.execute("DELETE FROM audits WHERE id = (SELECT event_id FROM audit_leaves WHERE position = 1)")
        changed = await audit("new-anchor")
    assert (changed.returncode, "nothing was done: the event was deleted" in changed.stdout) == (1, True)
    nowhere = "postgresql+asyncpg://helios_app@127.0.0.1:1/helios"
    for ended, said in (
        (await audit("verify", "--tenant", "nobody"), "no tenant with the short name"),
        (await audit("verify", "--tennant", "x"), "usage:"),
        (await audit(), "usage:"),
        (await audit("verify", dsn=nowhere), "Does the database answer?"),
    ):
        assert (ended.returncode, said in ended.stderr, "Traceback" in ended.stderr) == (64, True, False), ended
    assert (await audit("verify", "--help")).returncode == 0
