"""A customer's data as an archive: whole, given out once, gone in time."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

from tests.caller import Api
from tests.privacy.test_erasure import REQUESTS, until, words
from tests.privacy.test_erasure import talkative as make_talkative

__all__ = ["words"]


async def asked(api: Api, customer_id: str) -> str:
    officer = await api.staff("compliance_officer")
    body = {"kind": "access", "customer_id": customer_id, "verification": {"method": "callback"}}
    filed = await api.http.post(REQUESTS, json=body, headers=officer)
    assert filed.status_code == 201, filed.text
    await until(api, filed.json()["id"], "done")
    return f"{REQUESTS}/{filed.json()['id']}/export"


async def test_the_archive_holds_what_the_customer_said_and_is_given_out_once(api: Api, words: list[str]) -> None:
    name, external_id, said, rated = words
    customer = await make_talkative(api, words)
    path, officer = await asked(api, customer.id), await api.staff("compliance_officer")
    assert (await api.http.get(path, headers=await api.staff("auditor"))).status_code == 403
    fetched = await api.http.get(path, headers=officer)
    assert fetched.status_code == 200
    files = unpacked(fetched.content)
    assert files["profile.jsonl"][0]["external_id"] == external_id
    assert files["profile.jsonl"][0]["display_name"] == name
    told = " ".join(message["content"] for message in files["messages.jsonl"])
    assert said in told
    assert rated in told
    assert [each["comment"] for each in files["feedback.jsonl"]] == [rated]
    assert (await api.http.get(path, headers=officer)).status_code == 404


def unpacked(archive: bytes) -> dict[str, list[Any]]:
    """Each file's rows, after the manifest was held against them."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        manifest = json.loads(opened.read("manifest.json"))
        assert manifest["format"] == "helioscs-access-export/1"
        files = {name: opened.read(name) for name in opened.namelist() if name != "manifest.json"}
    assert {name: about["sha256"] for name, about in manifest["files"].items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }
    return {name: [json.loads(line) for line in content.splitlines()] for name, content in files.items()}
