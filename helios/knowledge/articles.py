"""Articles of a knowledge base: Markdown files with front matter.

---
title: Cash machine fees
visibility: public            # or internal: never shown to customers
language: en                  # ISO 639-1
category: fees
tags: [atm, cash]             # optional
effective: 2026-01-01         # the day from which it is true
url: /help/atm-fees           # optional
---
Body …
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import yaml

Visibility = Literal["public", "internal"]

FRONT_MATTER = re.compile(
    r"\A---[ \t]*\r?\n(?P<head>.*?)^---[ \t]*(?:\r?\n|\Z)(?P<body>.*)\Z", re.DOTALL | re.MULTILINE
)
_FIELDS = frozenset({"title", "visibility", "language", "category", "tags", "effective", "url"})


class ArticleError(Exception):
    """An article can't be read. Names the file, and the field where one is at fault."""

    def __init__(self, path: Path, reason: str, field: str | None = None) -> None:
        where = f"{path}: {field}" if field else str(path)
        super().__init__(f"{where}: {reason}")
        self.path = path
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Article:
    """One article as it was written. `slug` is the file's name: translations of an article share it."""

    slug: str
    title: str
    visibility: Visibility
    language: str
    category: str
    body: str
    effective: dt.date
    tags: tuple[str, ...] = ()
    url: str | None = None


def read_articles(folder: Path) -> list[Article]:
    """Every `*.md` below `folder`, sorted by path.

    Raises `ArticleError` for the first file that is not an article, or that repeats a slug in one language.
    """
    articles: list[Article] = []
    seen: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.rglob("*.md")):
        article = parse_article(path.read_text(encoding="utf-8"), path)
        first = seen.setdefault((article.language, article.slug), path)
        if first != path:
            raise ArticleError(path, f"the same name in the same language as {first}", "language")
        articles.append(article)
    return articles


def parse_article(text: str, path: Path) -> Article:
    """The article in `text`; `path` gives the slug and names the file in errors. Raises `ArticleError`."""
    match = FRONT_MATTER.match(text.removeprefix("\ufeff"))
    if match is None:
        raise ArticleError(path, "does not begin with front matter between two lines of ---")
    try:
        head = yaml.safe_load(match["head"])
    except yaml.YAMLError as error:
        raise ArticleError(path, f"front matter is not YAML: {error}") from error
    if not isinstance(head, dict):
        raise ArticleError(path, "front matter is not a list of fields")
    fields = _Fields(path, head)
    body = match["body"].strip()
    if not body:
        raise ArticleError(path, "is empty", "body")
    return Article(
        slug=path.stem,
        title=fields.text("title"),
        visibility=fields.visibility(),
        language=fields.language(),
        category=fields.text("category"),
        body=body,
        effective=fields.effective(),
        tags=fields.tags(),
        url=fields.text("url") if "url" in head else None,
    )


class _Fields:
    def __init__(self, path: Path, values: Mapping[object, object]) -> None:
        self._path = path
        self._values = values
        unknown = sorted(str(name) for name in values if name not in _FIELDS)
        if unknown:
            raise self._error(unknown[0], f"unknown; the fields are {', '.join(sorted(_FIELDS))}")

    def _error(self, field: str, reason: str) -> ArticleError:
        return ArticleError(self._path, reason, field)

    def text(self, field: str) -> str:
        value = self._values.get(field)
        if not isinstance(value, str) or not value.strip():
            raise self._error(field, "missing or not a text")
        return value.strip()

    def visibility(self) -> Visibility:
        value = self.text("visibility")
        for visibility in get_args(Visibility):
            if value == visibility:
                found: Visibility = visibility
                return found
        raise self._error("visibility", f"is {value!r}, not public or internal")

    def language(self) -> str:
        value = self.text("language")
        if re.fullmatch(r"[a-z]{2}", value) is None:
            raise self._error("language", f"is {value!r}, not a code of two letters such as en")
        return value

    def effective(self) -> dt.date:
        value = self._values.get("effective")
        # A datetime is a date too, but its hour and zone would be lost in silence.
        if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
            raise self._error("effective", "missing or not a day such as 2026-01-31")
        return value

    def tags(self) -> tuple[str, ...]:
        value = self._values.get("tags", [])
        # YAML reads the tag 1098 as a number.
        if not isinstance(value, list) or not all(isinstance(tag, str | int) and str(tag).strip() for tag in value):
            raise self._error("tags", "not a list of texts")
        return tuple(str(tag).strip() for tag in value)
