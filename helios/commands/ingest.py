"""Hands files and folders in as knowledge, by the public API, and waits until each is ingested or has failed.

Needs a running stack (`make up`) and signs in as its knowledge editor. A file's name is the name of its source: the
same file, changed, becomes the next version; unchanged, nothing. What is ingested waits for an approver.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from helios.knowledge.articles import FRONT_MATTER, ArticleError, parse_article
from helios.knowledge.parsing import MEDIA_TYPES
from helios.knowledge.submission import slug_of
from helios.settings import settings

SOURCES = "/v1/knowledge/sources"
LOOK_EVERY_S = 0.5
TRIES = 5


@dataclass(slots=True)
class Handed:
    """A file and what became of it. `status`: a version's, or `refused`; `code`: why it was refused or has failed."""

    path: str
    status: str = "refused"
    source_id: str | None = None
    version: int | None = None
    duplicate: bool = False
    chunks: int = 0
    code: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder with files in it")
    parser.add_argument("--visibility", choices=("public", "internal"), help="default: as the file says, else public")
    parser.add_argument("--language", help="ISO 639-1, e.g. en; default: as the file says, else detected")
    parser.add_argument("--tags", help="with commas between them")
    parser.add_argument("--json", action="store_true", help="print one JSON object a file")


def run(args: argparse.Namespace) -> int:
    stack_file = settings().home / "stack.json"
    try:
        stack = json.loads(stack_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        print(f"No stack runs here ({stack_file} is not there): start one with `make up`.", file=sys.stderr)
        return 1
    files = files_in(args.paths)
    if not files:
        print(f"There is no file of a kind that is read ({', '.join(MEDIA_TYPES)}).", file=sys.stderr)
        return 1
    return asyncio.run(_ingest(stack, files, args))


def files_in(paths: Sequence[Path]) -> list[Path]:
    """The files that are named, and of folders those of a kind that is read, sorted."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(each for each in path.rglob("*") if each.is_file() and each.suffix.lower() in MEDIA_TYPES)
        found += inside if path.is_dir() else [path]
    return list(dict.fromkeys(found))


def about(path: Path, content: bytes) -> dict[str, str]:
    """What a file says of itself: an article's front matter, else its name."""
    fields = {"slug": slug_of(path.stem), "title": path.stem.replace("-", " ").replace("_", " ")}
    text = content.decode(errors="ignore")
    if path.suffix.lower() != ".md" or FRONT_MATTER.match(text.removeprefix("\ufeff")) is None:
        return fields
    article = parse_article(text, path)
    fields |= {"title": article.title, "language": article.language, "visibility": article.visibility}
    fields |= {"category": article.category, "effective_at": f"{article.effective}T00:00:00Z"}
    return fields | ({"tags": ",".join(article.tags)} if article.tags else {})


async def _ingest(stack: dict[str, Any], files: Sequence[Path], args: argparse.Namespace) -> int:
    chosen = {name: value for name in ("visibility", "language", "tags") if (value := getattr(args, name))}
    async with httpx.AsyncClient(base_url=stack["api_url"], timeout=30) as client:
        editor = Editor(client, stack["demo"])
        handed = []
        for number, path in enumerate(files, 1):
            handed.append(await editor.hand_in(path, chosen))
            _tell(args, f"{number} of {len(files)} handed in: {path}")
        for number, each in enumerate(handed, 1):
            await editor.wait_for(each)
            _tell(args, f"{number} of {len(handed)} {_outcome(each)}")
            if args.json:
                print(json.dumps(asdict(each)), flush=True)
    bad = sum(each.code is not None for each in handed)
    again = sum(each.duplicate for each in handed)
    _tell(args, f"{len(handed) - bad - again} ingested, {again} unchanged, {bad} refused or failed")
    return 1 if bad else 0


class Editor:
    """The knowledge editor of the stack's demo bank, signed in."""

    def __init__(self, client: httpx.AsyncClient, demo: dict[str, Any]) -> None:
        self._client = client
        self._sign_in = {"tenant": demo["tenant"], **demo["users"]["knowledge_editor"]}

    async def hand_in(self, path: Path, chosen: dict[str, str]) -> Handed:
        made = Handed(str(path))
        try:
            content = path.read_bytes()
            fields = {**about(path, content), **chosen}
        except OSError:
            made.code = "not_readable"
            return made
        except ArticleError as error:
            made.code = "invalid_front_matter"
            print(error, file=sys.stderr)
            return made
        answer = await self._call("POST", SOURCES, data=fields, files={"file": (path.name, content)})
        shown = answer.json()
        if answer.is_error:
            made.code = shown["code"]
        else:
            made.status, made.duplicate = shown["status"], shown["duplicate"]
            made.source_id, made.version = shown["source_id"], shown["version"]
        return made

    async def wait_for(self, made: Handed) -> None:
        """Until its ingestion has ended."""
        while made.version is not None:
            shown = (await self._call("GET", f"{SOURCES}/{made.source_id}/versions/{made.version}")).json()
            made.status = shown["status"]
            if made.status == "ingesting":
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            made.chunks = shown["progress"]["chunks_done"]
            made.code = shown["failure"]["code"] if shown["failure"] else None
            return

    async def _call(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """Signs in where it must, and waits where it is told to: a batch may take longer than a token lasts."""
        for _ in range(TRIES):
            answer = await self._client.request(method, path, **sent)
            if answer.status_code == 401:
                signed = await self._client.post("/v1/auth/login", json=self._sign_in)
                signed.raise_for_status()
                self._client.headers["Authorization"] = f"Bearer {signed.json()['access_token']}"
            elif answer.status_code in (429, 503):
                await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
            else:
                return answer
        return answer


def _outcome(made: Handed) -> str:
    state = f"{made.status} ({made.code})" if made.code else "unchanged" if made.duplicate else made.status
    return f"{state.replace('_', ' ')}: {made.path}, {made.chunks} chunks"


def _tell(args: argparse.Namespace, line: str) -> None:
    print(line, file=sys.stderr if args.json else sys.stdout, flush=True)
