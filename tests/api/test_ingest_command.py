"""`python -m helios ingest`: files and folders, told one by one, the same again unchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from helios.embedded.supervisor import Stack
from tests.commanding import running_helios

ARTICLE = """---
title: The {name} card
visibility: internal
language: en
category: cards
tags: [cards]
effective: 2026-01-01
---
The {name} card costs 6 dollars a year.
"""


async def ingest(stack: Stack, *arguments: str) -> tuple[int | None, list[dict[str, Any]]]:
    """The exit code, and what was printed of each file."""
    ended = await running_helios("ingest", "--json", *arguments, env={"HELIOS_HOME": str(stack.servers.home.root)})
    return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()]


async def test_a_folder_is_handed_in_and_what_is_bad_in_it_does_not_stop_the_rest(stack: Stack, tmp_path: Path) -> None:
    name = uuid4().hex[:8]
    (tmp_path / f"{name}.md").write_text(ARTICLE.format(name=name))
    (tmp_path / f"empty-{name}.txt").write_text("---")
    (tmp_path / f"page-{name}.html").write_text(f"<h1>{name}</h1><p>The fee of {name} is 2 dollars.</p>")
    (tmp_path / "picture.png").write_bytes(b"PNG")
    code, told = await ingest(stack, str(tmp_path), "--tags", "batch")
    assert code == 1
    seen = {Path(each["path"]).stem.replace(name, "x"): (each["status"], each["code"]) for each in told}
    assert seen == {"x": ("pending_review", None), "empty-x": ("failed", "empty"), "page-x": ("pending_review", None)}
    code, told = await ingest(stack, str(tmp_path / f"{name}.md"), "--tags", "batch")
    assert (code, told[0]["duplicate"], told[0]["version"], told[0]["chunks"]) == (0, True, 1, 1)
    code, _ = await ingest(stack, str(tmp_path / "picture.png"))
    assert code == 1
