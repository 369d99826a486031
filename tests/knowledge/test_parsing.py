"""From files to text: encodings, HTML, secrets, and what is no text at all."""

from __future__ import annotations

import pytest

from helios.knowledge.parsing import CHARACTERS_MAX, ParsingError, media_type_of, to_text
from helios.knowledge.readers.page import html_to_markdown


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_read_in_any_usual_encoding(encoding: str) -> None:
    assert to_text("Gebühren für Überweisungen".encode(encoding), "text/plain") == "Gebühren für Überweisungen"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Die Gebühr für Überweisungen beträgt 5 €.", "utf-16-le"),
        ("Die Gebühr für Überweisungen beträgt 5 €.", "iso8859_15"),
        ("Les frais s’élèvent à 5 € – voyez l’agence.", "cp1252"),
        ("Yurt dışına para göndermek beş dolardır, şubenize başvurunuz.", "cp1254"),
        ("Opłata za wypłatę gotówki wynosi pięć złotych. Możesz złożyć wniosek w oddziale.", "cp1250"),
        ("Комиссия за перевод составляет пять долларов. Обратитесь в отделение банка.", "koi8_r"),
        ("رسوم التحويل إلى الخارج خمسة دولارات. يرجى الاتصال بالفرع.", "cp1256"),
        ("海外送金の手数料は五ドルです。お近くの支店にお問い合わせください。", "shift_jis"),
    ],
)
def test_what_does_not_say_its_encoding_is_told_by_its_letters(text: str, encoding: str) -> None:
    assert to_text(text.encode(encoding), "text/plain") == text


def test_a_page_is_read_in_the_encoding_that_it_declares() -> None:
    page = '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><p>Да'
    assert to_text(page.encode("cp1251"), "text/html") == "Да"


def test_a_table_for_the_layout_is_read_cell_by_cell() -> None:
    page = "<table><tr><td><p>Menu</p><td><table><tr><th>A<th>B</tr><tr><td>x</td><td>y</td></tr></table>"
    assert [line for line in html_to_markdown(page).splitlines() if line] == ["Menu", "A: x, B: y."]


@pytest.mark.parametrize(
    ("original", "media_type", "code"),
    [
        (b"", "text/plain", "empty"),
        (b"  \n --- \n", "text/markdown", "empty"),
        (b"<html><body><script>x()</script></body></html>", "text/html", "empty"),
        (b"\x00\x01\x02", "text/plain", "not_text"),
        (b"\xff\xfe\x00", "text/plain", "not_text"),
        (b"x" * (CHARACTERS_MAX + 1), "text/plain", "too_long"),
        (b"PK", "application/vnd.oasis.opendocument.spreadsheet", "unsupported"),
    ],
)
def test_what_has_no_text_is_refused_with_a_code(original: bytes, media_type: str, code: str) -> None:
    with pytest.raises(ParsingError) as refused:
        to_text(original, media_type)
    assert refused.value.code == code


def test_front_matter_is_no_part_of_an_article() -> None:
    assert to_text(b"---\ntitle: Fees\n---\nThe fee is 3 dollars.", "text/markdown") == "The fee is 3 dollars."


def test_a_page_keeps_its_headings_lists_and_tables_and_nothing_hidden() -> None:
    page = (
        "<head><title>t</title></head><nav>Menu</nav><h2>Fees</h2><p>A <b>card</b>\n costs:</p>"
        "<ul><li>3 dollars<li>or nothing</ul><table><tr><th>ATM</th><td>1</td></tr></table><style>p{}</style>&amp;"
    )
    lines = [line for line in html_to_markdown(page).splitlines() if line]
    assert lines == ["## Fees", "A card costs:", "- 3 dollars", "- or nothing", "ATM | 1", "&"]


def test_an_unclosed_hidden_element_inside_another_ends_with_it() -> None:
    assert html_to_markdown("<nav><select><option>1</nav>seen").strip() == "seen"


def test_card_numbers_are_masked() -> None:
    assert "4111" not in to_text(b"Card 4111 1111 1111 1111.", "text/plain").replace("ending 1111", "")


def test_the_kind_of_a_file_is_read_from_its_name() -> None:
    assert [media_type_of(name) for name in ("a.MD", "b.html", "c.exe", "d")] == [
        "text/markdown",
        "text/html",
        None,
        None,
    ]
