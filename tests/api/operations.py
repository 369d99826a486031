"""Every operation of the API as its own document describes it: a new one is tested without anybody thinking of it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from tests import published_document

T = TypeVar("T")
Of = TypeVar("Of")

OF_EVERYBODY = frozenset({"report"})
"""Names in a path that every tenant has alike."""


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    path_parameters: tuple[str, ...]
    query: dict[str, dict[str, Any]]
    body: dict[str, Any] | None
    """The JSON schema of the body, references resolved."""
    body_required: bool
    takes_bearer: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def names_a_thing(self) -> bool:
        """Its path holds something that only one tenant has."""
        return bool(set(self.path_parameters) - OF_EVERYBODY)

    def fill(self, values: dict[str, str]) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], self.path)


def share(values: Sequence[T], one: Of, among: Sequence[Of], parts: int) -> Sequence[T]:
    """What `one` of them tries, where the same code reads it for all: together they try every value.

    HELIOS_THOROUGH=1 has each try all of them.
    """
    return values if "HELIOS_THOROUGH" in os.environ else values[among.index(one) % parts :: parts]


@lru_cache(maxsize=1)
def operations() -> tuple[Operation, ...]:
    document = published_document.document()
    return tuple(_read(document))


def _read(document: dict[str, Any]) -> Iterator[Operation]:
    for path, verbs in document["paths"].items():
        for verb, about in verbs.items():
            parameters = about.get("parameters", [])
            content = about.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            yield Operation(
                method=verb.upper(),
                path=path,
                path_parameters=tuple(each["name"] for each in parameters if each["in"] == "path"),
                query={each["name"]: each["schema"] for each in parameters if each["in"] == "query"},
                body=_object_of(resolved(schema, document)) if schema else None,
                body_required=bool(about.get("requestBody", {}).get("required")),
                takes_bearer=bool(about.get("security")),
            )


def resolved(schema: Any, document: dict[str, Any]) -> Any:
    """The schema with its references replaced by what they name."""
    if isinstance(schema, dict) and "$ref" in schema:
        return resolved(document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], document)
    if isinstance(schema, dict):
        return {key: resolved(value, document) for key, value in schema.items()}
    if isinstance(schema, list):
        return [resolved(each, document) for each in schema]
    return schema


def _object_of(schema: dict[str, Any]) -> dict[str, Any]:
    """The object in `X | None`."""
    return next((each for each in schema.get("anyOf", ()) if each.get("type") == "object"), schema)


def kinds(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The types that a field takes, with the schema of each."""
    return {each.get("type", "any"): each for each in schema.get("anyOf", [schema])}


def example(schema: dict[str, Any]) -> dict[str, Any]:
    """A body that is valid by its schema, with the required fields only."""
    return {name: _value(schema["properties"][name]) for name in schema.get("required", ())}


def _value(schema: dict[str, Any]) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][-1]
    known = kinds(schema)
    if "string" in known:
        about = known["string"]
        if about.get("format") == "uuid":
            return "01900000-0000-7000-8000-000000000000"
        return "x" * max(about.get("minLength", 1), 8)
    if "integer" in known:
        return int(known["integer"].get("minimum", 1))
    if "array" in known and not known["array"].get("minItems"):
        return []
    raise AssertionError(f"no example for {json.dumps(schema)}: teach this module the new type")
