"""HTML as a reader of the page sees it: headings, list items and tables marked as in Markdown, nothing hidden."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from helios.knowledge.readers.encodings import decode
from helios.knowledge.readers.tables import table_text

HIDDEN = frozenset({"script", "style", "head", "template", "noscript", "svg", "nav", "iframe", "select"})
BLOCKS = frozenset({"p", "div", "section", "article", "main", "header", "footer", "ul", "ol", "blockquote",
                    "pre", "dl", "dt", "dd", "figure", "form", "aside", "body", "html"})  # fmt: skip
DECLARED = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w.:-]{1,40})|<\?xml[^>]{0,200}?encoding=["']([\w.:-]{1,40})""", re.I
)
DECLARED_WITHIN = 2_048


def decode_page(original: bytes) -> str:
    """As `decode`, heeding what the page declares. Raises `ParsingError`."""
    found = DECLARED.search(original[:DECLARED_WITHIN])
    return decode(original, (found[1] or found[2]).decode() if found else None)


def html_to_markdown(source: str) -> str:
    reader = _Page()
    reader.feed(source)
    reader.close()
    return "\n".join(" ".join(line.split()) for line in reader.text().splitlines())


class _Table:
    """A table that is being read. One with tables or paragraphs in its cells is there for the layout."""

    def __init__(self) -> None:
        self.rows: list[list[list[str]]] = []
        self.is_layout = False
        self.heads = 0
        """Cells of the first row that are named as heads."""

    def cell(self, *, is_head: bool) -> None:
        if not self.rows:
            self.rows.append([])
        self.rows[-1].append([])
        self.heads += is_head and len(self.rows) == 1

    def text(self) -> str:
        cells = [["".join(parts).strip() for parts in row] for row in self.rows]
        if self.is_layout or any("\n\n" in cell for row in cells for cell in row):
            return "\n\n".join(cell for row in cells for cell in row if cell)
        has_head = bool(cells) and 1 < self.heads == len(cells[0])
        return table_text(cells, has_head=True if has_head else None)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._hidden: list[str] = []
        self._tables: list[_Table] = []

    def text(self) -> str:
        while self._tables:  # left open
            self._end_table()
        return "".join(self._parts)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        if tag in HIDDEN:
            self._hidden.append(tag)
        elif re.fullmatch("h[1-6]", tag):
            self._add(f"\n\n{'#' * int(tag[1])} ")
        elif tag == "li":
            self._add("\n- ")
        elif tag == "table":
            self._tables.append(_Table())
        elif tag == "tr" and self._tables:
            self._tables[-1].rows.append([])
        elif tag in ("td", "th") and self._tables:
            self._tables[-1].cell(is_head=tag == "th")
        elif tag == "br":
            self._add("\n")
        elif tag in BLOCKS:
            self._add("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            # Whatever was left open inside ends with it.
            del self._hidden[self._hidden.index(tag) :]
        elif tag == "table" and self._tables:
            self._end_table()
        elif tag in BLOCKS or re.fullmatch("h[1-6]", tag):
            self._add("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            # A line break in the source is a space on the page.
            self._add(re.sub(r"\s+", " ", data))

    def _end_table(self) -> None:
        text = self._tables.pop().text()
        if self._tables:
            self._tables[-1].is_layout = True
        self._add(f"\n\n{text}\n\n")

    def _add(self, part: str) -> None:
        """To the cell that is open, else to the page."""
        rows = self._tables[-1].rows if self._tables else []
        into = rows[-1][-1] if rows and rows[-1] else self._parts
        into.append(part)
