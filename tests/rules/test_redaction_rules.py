"""Redaction rules over the API: the same four eyes, trials that store nothing, and the version that a turn keeps."""

from __future__ import annotations

import json
from typing import Any

import asyncpg

from helios.embedded.supervisor import Stack
from tests.api.problems import Rows, assert_problem
from tests.rules.conftest import Bank

KIND = "redaction-rules"
OWN = [{"kind": "CUSTOMER_NUMBER", "pattern": "MB-[0-9]{8}"}]
TEXT = "I am MB-00412345, write to kim@example.com, my card is 4111 1111 1111 1111."


async def try_out(bank: Bank, **body: Any) -> Any:
    answer = await bank.api.http.post(f"/v1/{KIND}/try", json=body, headers=await bank.api.staff("admin"))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_draft_is_tried_out_and_nothing_is_stored(bank: Bank, stack: Stack) -> None:
    draft = (await bank.draft(kind=KIND, patterns=OWN, kinds=[{"kind": "EMAIL", "operator": "mask"}])).json()
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    try:
        before = await Rows(connection).count()
        shipped = await try_out(bank, text=TEXT)
        tried = await try_out(bank, text=TEXT, version=draft["version"])
        assert await Rows(connection).count() == before
    finally:
        await connection.close()
    assert [each["kind"] for each in shipped["found"]] == ["EMAIL", "CARD"]
    assert {each["kind"]: each["operator"] for each in tried["found"]} == {
        "CUSTOMER_NUMBER": "token", "EMAIL": "mask", "CARD": "mask"
    }  # fmt: skip
    assert tried["text"].startswith("I am <CUSTOMER_NUMBER_1>, write to [email address removed], my card is ")
    assert "4111 1111" not in tried["text"]
    assert TEXT[tried["found"][0]["start"] : tried["found"][0]["end"]] == "MB-00412345"
    unknown = {"text": "x", "version": 9}
    headers = await bank.api.staff("admin")
    assert_problem(await bank.api.http.post(f"/v1/{KIND}/try", json=unknown, headers=headers), code="not_found")


async def test_a_turn_keeps_the_rules_that_it_began_with(bank: Bank) -> None:
    version = await bank.publish(kind=KIND, patterns=OWN)
    customer = await (await bank.api.customer()).open()
    await customer.say("I want to talk to a human being, please.")
    told = (await bank.get(f"/v1/conversations/{customer.conversation}/provenance"))["turns"][0]
    assert (told["redaction_version"], told["policy_version"]) == (version, 1)
    changes = (await bank.get(f"/v1/{KIND}/{version}/diff?against=1"))["changes"]
    assert [each["pointer"] for each in changes] == ["/patterns/CUSTOMER_NUMBER"]


async def test_four_eyes_and_the_minimum_hold_here_too(bank: Bank) -> None:
    own = (await bank.draft("compliance_officer", kind=KIND, patterns=OWN)).json()["version"]
    assert_problem(await bank.decide(own, "publish", kind=KIND), code="four_eyes")
    lowered = await bank.draft(kind=KIND, kinds=[{"kind": "PIN", "operator": "token"}])
    problem = assert_problem(lowered, code="rule_not_allowed")
    assert problem["errors"] == [{"pointer": "/kinds/0/kind", "detail": "PIN is always masked before it is stored"}]
    for unreadable in ("ab\x00cd", "ab\ud800cd"):
        content = json.dumps({"patterns": [{"kind": "MINE", "pattern": unreadable}]}).encode()
        headers = {**await bank.api.staff("admin"), "Content-Type": "application/json"}
        refused = await bank.api.http.post(f"/v1/{KIND}", content=content, headers=headers)
        assert_problem(refused, code="invalid_request")
    slow = await bank.draft(kind=KIND, patterns=[{"kind": "SLOW", "pattern": "(a+)+b"}])
    assert assert_problem(slow, code="invalid_request")["errors"][0]["pointer"] == "/patterns/0/pattern"
