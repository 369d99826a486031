"""What an examiner does: read a checkpoint, ask for a proof, take the archive away and verify it without us."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
import re
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from helios.audit_log import standalone
from helios.audit_log.checkpoints import read
from helios.audit_log.export import NothingSealed, TooManyEvents, write_export
from helios.audit_log.keys import rotate
from helios.audit_log.merkle import is_consistent, leaf_hash, root_from_inclusion
from helios.database import Database
from helios.settings import PROJECT
from tests.audit_log.conftest import Log
from tests.caller import Api


async def checkpoint(api: Api, **params: Any) -> dict[str, Any]:
    answer = await api.http.get("/v1/audit/checkpoint", params=params, headers=await api.staff("auditor"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def until_sealed(api: Api, event_id: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            answer = await api.http.get(f"/v1/audit/events/{event_id}/proof", headers=await api.staff("auditor"))
            if answer.status_code == 200:
                found: dict[str, Any] = answer.json()
                return found
            assert (answer.status_code, answer.json()["code"]) == (409, "not_sealed_yet")
            await asyncio.sleep(0.2)


async def newest_event(database: Database, tenant_id: Any) -> str:
    async with database.tenant(tenant_id) as connection:
        return str((await connection.execute(text("SELECT id FROM audits ORDER BY xid DESC LIMIT 1"))).scalar_one())


async def test_what_happens_is_sealed_and_proven_through_the_api(api: Api, database: Database, tenant_id: Any) -> None:
    await (await api.customer()).open()
    older = await until_sealed(api, await newest_event(database, tenant_id))
    before = read(older["note"])
    customer = await (await api.customer()).open()
    await customer.say("What does a replacement card cost?")
    proven = await until_sealed(api, await newest_event(database, tenant_id))
    path = [base64.b64decode(each) for each in proven["path"]]
    after = read(proven["note"])
    leaf = leaf_hash(proven["canonical"].encode())
    assert root_from_inclusion(leaf, proven["position"], after.size, path) == after.root
    assert json.loads(proven["canonical"]) == proven["event"]
    head = await checkpoint(api, since=before.size)
    path = [base64.b64decode(each) for each in head["consistency"]["path"]]
    assert is_consistent(before.size, head["size"], before.root, base64.b64decode(head["root"]), path)


async def test_only_examiners_look_and_only_at_their_own_log(api: Api, next_door: Api) -> None:
    for role in ("agent", "admin", "analyst"):
        answer = await api.http.get("/v1/audit/checkpoint", headers=await api.staff(role))
        assert answer.status_code == 403
    answer = await api.http.get("/v1/audit/checkpoint?since=4611686018427387904", headers=await api.staff("auditor"))
    assert answer.status_code == 404


async def test_the_archive_of_the_api_verifies_alone(api: Api, tmp_path: Path) -> None:
    answer = await api.http.post("/v1/audit/exports", headers=await api.staff("compliance_officer"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path)
    assert alone(tmp_path).returncode == 0


async def test_the_archive_shows_what_was_changed_in_it(log: Log, tmp_path: Path) -> None:
    with pytest.raises(NothingSealed):
        await write_export(log.database, log.root, log.tenant_id, tmp_path / "none.zip")
    for events in (1, 6, 30):
        await log.record(events)
        await log.seal()
    with pytest.raises(TooManyEvents):
        await write_export(log.database, log.root, log.tenant_id, tmp_path / "many.zip", events_max=36)
    assert await write_export(log.database, log.root, log.tenant_id, tmp_path / "log.zip") == 37
    folder = tmp_path / "unpacked"
    zipfile.ZipFile(tmp_path / "log.zip").extractall(folder)
    good = alone(folder)
    assert (good.returncode, good.stdout) == (0, "good: 37 events under 3 signed checkpoints\n")
    assert len((folder / "events.csv").read_text().splitlines()) == 38
    originals = {path: path.read_bytes() for path in folder.iterdir()}
    for name, (old, new), said in (
        ("events.jsonl", (b"turn.completed", b"turn.repeated!"), "are not those that checkpoint 1 signs"),
        ("checkpoints.jsonl", (b"\\n37\\n", b"\\n36\\n"), "signature of checkpoint 36 does not hold"),
        ("proofs.jsonl", (b'"position": 3', b'"position": 4'), "proof of event 3"),
        ("keys.json", (b"helioscs", b"heliosxx"), "is not an Ed25519 key"),
        ("events.csv", (b"turn.completed", b"turn.repeated!"), "events.csv is not the table of the events"),
        ("checkpoints.jsonl", (b"\\u2014 helioscs/audit/", b"\\u2014 heliosxx/audit/"), "signs what is not its own"),
        ("checkpoints.jsonl", (originals[folder / "checkpoints.jsonl"], b""), "checkpoints.jsonl is empty"),
    ):
        for path, content in originals.items():
            path.write_bytes(content)
        forged = originals[folder / name].replace(old, new, 1)
        forged_manifest(folder, name, forged)
        bad = alone(folder)
        assert bad.returncode == 1, name
        assert said in bad.stdout, (name, bad.stdout)
    for words, code in ((["--help"], 0), (["-x"], 2), (["a", "b"], 2)):
        told = alone(folder, *words)
        assert (told.returncode, "Usage: python3 verify.py [FOLDER]" in told.stdout) == (code, True)


async def test_no_bit_of_what_the_archive_says_can_be_changed(log: Log, tmp_path: Path) -> None:
    """One bit each, in every file that says something, by somebody who makes the manifest fit."""
    for _ in range(2):
        await log.record(4)
        await log.seal()
        await rotate(log.database, log.root, log.tenant_id)
    await log.seal()
    await write_export(log.database, log.root, log.tenant_id, tmp_path / "log.zip")
    zipfile.ZipFile(tmp_path / "log.zip").extractall(tmp_path)
    assert standalone.check(tmp_path) == (10, 3)
    (tmp_path / "events.csv").rename(tmp_path / "kept")
    with pytest.raises(OSError, match="events"):
        standalone.check(tmp_path)
    (tmp_path / "kept").rename(tmp_path / "events.csv")
    draw, unseen = random.Random(6), []
    for name in sorted(standalone.FILES - {"verify.py"}):
        whole = (tmp_path / name).read_bytes()
        for _ in range(60):
            place, bit = draw.randrange(len(whole)), 1 << draw.randrange(8)
            changed = whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]
            forged_manifest(tmp_path, name, changed)
            try:
                standalone.check(tmp_path)
            except standalone.WRONG:
                continue
            unseen.append((name, whole[max(0, place - 20) : place + 20], bit))
        forged_manifest(tmp_path, name, whole)
    assert unseen == []
    for field, value in (("tenant_id", "x"), ("events", 9), ("format", "x"), ("files", {})):
        manifest = json.loads((tmp_path / "manifest.json").read_bytes())
        (tmp_path / "forged").mkdir(exist_ok=True)
        for path in tmp_path.glob("*.*"):
            (tmp_path / "forged" / path.name).write_bytes(path.read_bytes())
        (tmp_path / "forged" / "manifest.json").write_text(json.dumps({**manifest, field: value}))
        assert "the manifest" in alone(tmp_path / "forged").stdout


def forged_manifest(folder: Path, name: str, content: bytes) -> None:
    """Who forges a file forges the manifest, too."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def alone(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """By another interpreter that sees neither our code nor any package (-I), nor its environment."""
    command = [sys.executable, "-I", "-S", str(folder / "verify.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", env={}, check=False)


def test_the_standalone_verifier_imports_nothing_of_ours() -> None:
    source = (PROJECT / "helios" / "audit_log" / "standalone.py").read_text()
    assert not re.search(r"(import|from) (helios|schema|api)", source)
    assert "cryptography" not in source
