import datetime as dt
from pathlib import Path

import pytest

from helios.knowledge.articles import ArticleError, parse_article, read_articles

GOOD = """---
title: Cash machine fees
visibility: public
language: en
category: fees
tags: [atm, 1099]
effective: 2026-01-01
url: /help/atm-fees
---

Withdrawing cash is free.
"""


def test_an_article_is_read_with_all_its_fields(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "atm-fees.md").write_text(GOOD)
    (article,) = read_articles(tmp_path)
    assert article.slug == "atm-fees"
    assert article.title == "Cash machine fees"
    assert article.visibility == "public"
    assert article.language == "en"
    assert article.category == "fees"
    assert article.tags == ("atm", "1099")
    assert article.effective == dt.date(2026, 1, 1)
    assert article.url == "/help/atm-fees"
    assert article.body == "Withdrawing cash is free."


def test_tags_and_url_may_be_left_out() -> None:
    text = GOOD.replace("tags: [atm, 1099]\n", "").replace("url: /help/atm-fees\n", "")
    article = parse_article(text, Path("x.md"))
    assert article.tags == ()
    assert article.url is None


def test_articles_come_sorted_by_path_and_translations_share_a_slug(tmp_path: Path) -> None:
    for language in ("en", "de"):
        (tmp_path / language).mkdir()
        (tmp_path / language / "fees.md").write_text(GOOD.replace("language: en", f"language: {language}"))
    assert [(a.language, a.slug) for a in read_articles(tmp_path)] == [("de", "fees"), ("en", "fees")]


def test_one_slug_twice_in_a_language_is_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "fees.md").write_text(GOOD)
    with pytest.raises(ArticleError, match="the same name in the same language"):
        read_articles(tmp_path)


@pytest.mark.parametrize(
    ("field", "line", "replacement"),
    [
        ("title", "title: Cash machine fees", "title: ''"),
        ("title", "title: Cash machine fees\n", ""),
        ("visibility", "visibility: public", "visibility: secret"),
        ("language", "language: en", "language: english"),
        ("category", "category: fees", "category: [fees]"),
        ("tags", "tags: [atm, 1099]", "tags: atm"),
        ("tags", "tags: [atm, 1099]", "tags: [{a: b}]"),
        ("effective", "effective: 2026-01-01", "effective: soon"),
        ("effective", "effective: 2026-01-01", "effective: 2026-01-01 10:00:00"),
        ("effective", "effective: 2026-01-01\n", ""),
        ("url", "url: /help/atm-fees", "url: 7"),
        ("colour", "category: fees", "category: fees\ncolour: red"),
        ("body", "Withdrawing cash is free.", " "),
    ],
)
def test_an_error_names_the_file_and_the_field(field: str, line: str, replacement: str) -> None:
    path = Path("knowledge/en/atm-fees.md")
    with pytest.raises(ArticleError) as raised:
        parse_article(GOOD.replace(line, replacement), path)
    assert raised.value.field == field
    assert raised.value.path == path
    assert f"atm-fees.md: {field}" in str(raised.value)


@pytest.mark.parametrize("text", ["", "no front matter", "---\ntitle: x\n", "---\n- a\n---\nbody", "---\na: [\n---\nx"])
def test_a_file_without_front_matter_is_refused(text: str) -> None:
    with pytest.raises(ArticleError) as raised:
        parse_article(text, Path("x.md"))
    assert raised.value.field is None


def test_windows_line_ends_and_a_byte_order_mark_are_read() -> None:
    article = parse_article("\ufeff" + GOOD.replace("\n", "\r\n"), Path("x.md"))
    assert article.title == "Cash machine fees"
