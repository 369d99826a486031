"""Cuts an article into chunks for retrieval: llama-index's `SentenceSplitter` within each section.

A section is never mixed with its neighbour, so that a citation leads to one heading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from helios.knowledge.sentences import sentence_pieces, split_sentences

if TYPE_CHECKING:
    from llama_index.core.node_parser import SentenceSplitter

    from helios.knowledge.articles import Article

CHUNK_WORDS = 140
"""Largest chunk, in words and punctuation marks: what the encoder was trained on, with room for title and heading."""
OVERLAP_WORDS = 25
"""At most one ordinary sentence is repeated where a long section is cut."""

_HEADING = re.compile(r"^(#{1,6})\s+(?P<heading>.+?)\s*#*\s*$")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_LIST_ITEM = re.compile(r"\s*(?:[-*•]|\d{1,2}[.)])\s+\S")
_TABLE_ROW = re.compile(r"\s*\|.*\|\s*$")
_TABLE_RULE = re.compile(r"\s*\|[\s|:-]+\|\s*$")
_INLINE = (
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), ""),
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"`([^`]+)`"), r"\1"),
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an article. `heading` is empty before the first one; `position` counts from 0 in the article."""

    text: str
    heading: str
    position: int
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading, as plain text: Markdown's marks are gone, list items keep their lines."""

    heading: str
    text: str


def chunk_article(article: Article) -> list[Chunk]:
    """The article's chunks in the order of the text."""
    return chunk_text(article.body)


def chunk_text(body: str) -> list[Chunk]:
    """The chunks of a Markdown or plain text in its order. The first call imports llama-index (about 4 s)."""
    splitter = _splitter()
    pieces = [(section.heading, text) for section in sections(body) for text in splitter.split_text(section.text)]
    return [
        Chunk(text, heading, position, split_sentences(text)) for position, (heading, text) in enumerate(pieces) if text
    ]


def sections(body: str) -> list[Section]:
    """The text's sections in order. A section without text of its own is left out."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for line in body.splitlines():
        heading = _HEADING.match(line)
        if heading:
            found.append((plain_text(heading["heading"]), []))
        else:
            found[-1][1].append(line)
    texts = ((heading, _join_lines(lines)) for heading, lines in found)
    return [Section(heading, text) for heading, text in texts if text]


def plain_text(markdown: str) -> str:
    """One line of Markdown without the marks of links, emphasis and code."""
    for pattern, replacement in _INLINE:
        markdown = pattern.sub(replacement, markdown)
    return markdown.strip()


def _join_lines(lines: list[str]) -> str:
    """Joins wrapped lines; a blank line, a list item and a table's row begin a new one."""
    blocks: list[str] = []
    continues = False
    for line in lines:
        text = plain_text(line)
        if not text or _TABLE_RULE.match(line):
            continues = False
        elif _TABLE_ROW.match(line):
            blocks.append(text.strip("| "))
            continues = False
        elif continues and not _LIST_ITEM.match(line):
            blocks[-1] += " " + text
        else:
            blocks.append(text)
            continues = True
    return "\n".join(blocks)


@lru_cache(maxsize=1)
def _splitter() -> SentenceSplitter:
    # 4 s and 100 MB: only the process that ingests pays for it.
    from llama_index.core.node_parser import SentenceSplitter

    return SentenceSplitter(
        chunk_size=CHUNK_WORDS,
        chunk_overlap=OVERLAP_WORDS,
        paragraph_separator="\n",
        tokenizer=_TOKEN.findall,
        chunking_tokenizer_fn=sentence_pieces,
    )
