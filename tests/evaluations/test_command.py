"""`python -m helios eval --suite`: as an operator runs it, in a process of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from helios import demo_bank
from helios.commands.evaluating import told
from helios.embedded.supervisor import Stack
from tests.commanding import running_helios
from tests.evaluations.conftest import Bank
from tests.evaluations.test_evaluations import TEN, suite
from tests.knowledge_editing import publish

DEMO = Path(demo_bank.__path__[0]) / "suite.yaml"
COUNT = "SELECT count(*) FROM evaluation_suites WHERE tenant_id = $1"


async def run(stack: Stack, *words: str) -> tuple[int, str, str]:
    """With the settings of a stack that runs here."""
    ended = await running_helios("eval", *words, env={**os.environ, "HELIOS_HOME": str(stack.servers.home.root)})
    return ended.returncode, ended.stdout, ended.stderr


async def test_the_demo_banks_suite_passes_out_of_the_box(stack: Stack) -> None:
    code, out, err = await run(stack, "--suite", str(DEMO), "--tenant", "meridian", "--published-only", "--json")
    found = json.loads(out)
    wrong = {each["name"]: each["published"]["failings"] for each in found["items"] if not each["published"]["passed"]}
    assert (wrong, code, found["passed"]) == ({}, 0, True), str(wrong)
    assert "9 of 9 answers" in err


async def test_a_draft_is_compared_in_a_table(stack: Stack, bank: Bank, tmp_path: Path) -> None:
    fees = await publish(bank.api, TEN, title="Fees", slug="fees")
    await bank.article(TEN.replace("10", "9"), source_id=fees["source_id"], title="Fees")
    file = tmp_path / "suite.yaml"
    file.write_text(suite(), encoding="utf-8")
    code, out, err = await run(stack, "--suite", str(file), "--tenant", bank.tenant.slug)
    assert code == 1, (out, err)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "the monthly fee ok fails worse" in lines
    assert "draft: says '10 dollars' is expected" in lines
    assert lines[-2:] == ["As published 6 of 6 pass, with the draft 5: 0 better, 1 worse.",
                          "Does not pass its gate (share, must)."]  # fmt: skip
    # By its name, and over what is published only: the same version of the suite.
    code, out, err = await run(stack, "--suite", "fees", "--tenant", bank.tenant.slug, "--published-only")
    assert (code, out.splitlines()[-1]) == (0, "Passes its gate."), (out, err)
    owner = await asyncpg.connect(stack.servers.admin_dsn)
    assert await owner.fetchval(COUNT, bank.tenant.tenant_id) == 1
    await owner.close()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--tenant", "meridian"), 2, "--tenant belongs to --suite"),
        (("--suite", "x"), 2, "needs --tenant"),
        (("--suite", "x", "--tenant", "meridian", "intent"), 2, "no other evaluation"),
        (("--suite", "x", "--tenant", "meridian", "--policy", "2", "--published-only"), 2, "names no draft"),
        (("--suite", "x", "--tenant", "nobody"), 1, "no tenant 'nobody'"),
        (("--suite", "no-such", "--tenant", "meridian"), 1, "no suite of this name"),
        (("--suite", "README.md", "--tenant", "meridian"), 1, "README.md: /: line"),
        (("--suite", "x", "--tenant", "meridian", "--knowledge", "x"), 2, "an article's id"),
    ],
)
async def test_wrong_use_is_said(stack: Stack, words: tuple[str, ...], code: int, said: str) -> None:
    ended, _, err = await run(stack, *words)
    assert (ended, said in err) == (code, True), err


def test_a_run_that_ended_otherwise_says_so() -> None:
    found: dict[str, Any] = {"draft": None, "items": [], "suite": "fees", "suite_version": 1, "id": "x", "cases": 1}
    assert "changed while it ran" in "\n".join(told({**found, "status": "outdated"}))
    assert "failed before its end" in "\n".join(told({**found, "status": "failed"}))
