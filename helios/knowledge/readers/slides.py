"""PPTX by python-pptx: each slide's title as a heading, then what stands on it.

Hidden slides and the speaker's notes are not what an audience was shown: they are left out.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from helios.knowledge.readers.refusals import check_office, damaged_where_it_breaks
from helios.knowledge.readers.tables import table_text


def pptx_to_markdown(original: bytes) -> str:
    import pptx

    check_office(original)
    with damaged_where_it_breaks():
        slides = pptx.Presentation(io.BytesIO(original)).slides
        shown = [slide for slide in slides if slide.element.get("show") not in ("0", "false")]
        return "\n\n".join(part for slide in shown for part in _slide(slide) if part.strip())


def _slide(slide: Any) -> Iterator[str]:
    title = slide.shapes.title
    if title is not None and title.text_frame.text.strip():
        yield f"## {' '.join(title.text_frame.text.split())}"
    rest = [shape for shape in slide.shapes if title is None or shape.shape_id != title.shape_id]
    yield from _shapes(rest)


def _shapes(shapes: Iterable[Any]) -> Iterator[str]:
    """From top to bottom, then from left to right, as they are read."""
    for shape in sorted(shapes, key=lambda each: (each.top or 0, each.left or 0)):
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)
        elif getattr(shape, "has_table", False):
            yield table_text([[cell.text for cell in row.cells] for row in shape.table.rows])
        elif shape.has_text_frame:
            yield from (_line(paragraph) for paragraph in shape.text_frame.paragraphs)


def _line(paragraph: Any) -> str:
    text = " ".join(paragraph.text.split())
    return f"- {text}" if text and paragraph.level else text
