"""YAML from strangers: plain values and the line of each, read event by event.

What can be made into a bomb is refused: anchors, aliases and tags, depth and size. So is the same key twice. What
stands without quotes is read as YAML 1.2 reads it: `no` is a word, here the language of Norway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

BYTES_MOST: Final = 128 * 1024
DEPTH_MOST: Final = 8
VALUES_MOST: Final = 10_000
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In C where that is there, as in every wheel: faster, and a question in a list may end with its mark."""
WORDS: Final = {"true": True, "True": True, "false": False, "False": False, "null": None, "~": None, "": None}
INTEGER: Final = re.compile(r"[-+]?[0-9]{1,15}")
DECIMAL: Final = re.compile(r"[-+]?[0-9]{1,15}\.[0-9]{1,15}")


class YamlRefused(Exception):
    """`line` counts from 1, 0 where there is none; `why` holds no word of the document but a key's."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.why, self.line = why, line


@dataclass(slots=True)
class Places:
    """`lines` by JSON pointer."""

    value: Any = None
    lines: dict[str, int] = field(default_factory=dict)

    def line(self, pointer: str) -> int:
        """Of the place, or of what it would stand in."""
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer, 1)


@dataclass(slots=True)
class _Open:
    """A mapping or a list that has not ended. `key`: that of the value which comes next."""

    value: dict[str, Any] | list[Any]
    pointer: str
    key: str | None = None


def read_yaml(source: bytes) -> Places:
    """The one document of the source. Raises `YamlRefused`."""
    if len(source) > BYTES_MOST:
        raise YamlRefused(f"is larger than {BYTES_MOST // 1024} KiB")
    try:
        return _read(source.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise YamlRefused("is not UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlRefused(f"is not YAML: {error.problem}", mark.line + 1 if mark else 0) from None
    except yaml.YAMLError:
        raise YamlRefused("is not YAML: it holds a character that may not stand there") from None


def _read(source: str) -> Places:
    places, stack, values, documents = Places(), list[_Open](), 0, 0
    for event in yaml.parse(source, Loader=LOADER):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise YamlRefused("holds more than one document", line)
        elif isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise YamlRefused("anchors and aliases are not taken: write it out", line)
        elif isinstance(event, yaml.NodeEvent):
            values += 1
            if values > VALUES_MOST or len(stack) > DEPTH_MOST:
                raise YamlRefused("holds too much", line)
            _take(event, line, places, stack)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            stack.pop()
    if not documents:
        raise YamlRefused("is empty")
    return places


def _take(event: yaml.NodeEvent, line: int, places: Places, stack: list[_Open]) -> None:
    tag = getattr(event, "tag", None)
    if tag not in (None, "!"):
        raise YamlRefused("tags are not taken", line)
    inside = stack[-1] if stack else None
    if inside is not None and isinstance(inside.value, dict) and inside.key is None:
        inside.key = _key(event, inside, line)
        return
    pointer = _pointer(inside)
    places.lines[pointer] = line
    value = _value(event)
    if inside is None:
        places.value = value
    elif isinstance(inside.value, list):
        inside.value.append(value)
    else:
        inside.value[str(inside.key)], inside.key = value, None
    if isinstance(value, dict | list):
        stack.append(_Open(value, pointer))


def _key(event: yaml.NodeEvent, inside: _Open, line: int) -> str:
    if not isinstance(event, yaml.ScalarEvent) or len(event.value) > 64:
        raise YamlRefused("a key is a short word", line)
    if event.value in inside.value:
        raise YamlRefused("a key stands there twice", line)
    return str(event.value)


def _pointer(inside: _Open | None) -> str:
    if inside is None:
        return ""
    place = len(inside.value) if isinstance(inside.value, list) else inside.key
    return f"{inside.pointer}/{place}"


def _value(event: yaml.NodeEvent) -> Any:
    if isinstance(event, yaml.MappingStartEvent):
        return {}
    if isinstance(event, yaml.SequenceStartEvent):
        return []
    assert isinstance(event, yaml.ScalarEvent)
    if event.style:
        return event.value
    if event.value in WORDS:
        return WORDS[event.value]
    if INTEGER.fullmatch(event.value):
        return int(event.value)
    return float(event.value) if DECIMAL.fullmatch(event.value) else event.value
