"""Wire types in compiled JSON: what the SDK's converter writes we read, and the other way round."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, make_dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from pydantic import ValidationError
from temporalio.converter import DefaultPayloadConverter, JSONPlainPayloadConverter

from helios.payloads import PayloadConverter
from schema import steps
from schema.steps import (
    ConversationRef,
    ConversationState,
    Deadline,
    Deliver,
    EscalationOutcome,
    EscalationRef,
    EscalationState,
    RequestHuman,
    ScoredPassage,
    TurnRef,
    Understanding,
)

A, B, C = (UUID(int=n) for n in (1, 2, 3))
NOW = datetime(2026, 3, 1, 9, 30, 15, 123456, tzinfo=UTC)
FOUND = Understanding(
    3, "begun", "de", "card_lost", 0.91, [1, 9], "escalate", 1, "fraud", [ScoredPassage(C, 0.5)], ["offline"], True,
    {"screening": 3}, 2, "with_agent", "web",
)  # fmt: skip
EXAMPLES: list[Any] = [
    TurnRef(A, B, 7),
    ConversationState(A, B, 60.0, 4, 3, [RequestHuman(B, C)], True),
    FOUND,
    Deliver(TurnRef(A, B, 3), "held", FOUND, "rules", None, False, True),
    EscalationState(A, B, C, FOUND, [Deadline("warning", NOW)], True, False, True),
    EscalationOutcome("claimed", True, [Deadline("breach", NOW), Deadline("abandoned", NOW)]),
]
PLAIN = [None, "text", 3, 2.5, True, [1, "two"], {"a": [None]}, b"bytes", A]


@pytest.mark.parametrize("value", EXAMPLES, ids=lambda each: type(each).__name__)
def test_either_converter_reads_what_the_other_wrote(value: Any) -> None:
    ours, usual = PayloadConverter(), DefaultPayloadConverter()
    hint = [type(value)]
    for writer, reader in ((ours, ours), (ours, usual), (usual, ours)):
        written = writer.to_payloads([value])
        assert written[0].metadata["encoding"] == b"json/plain"
        assert reader.from_payloads(written, hint) == [value]


def test_every_wire_type_is_compiled_and_survives() -> None:
    """With what its defaults leave open filled in: a type that pydantic cannot build would stop every workflow."""
    wire = [each for each in vars(steps).values() if isinstance(each, type) and is_dataclass(each)]
    assert len(wire) > 15
    for each in wire:
        value, converter = example(each), PayloadConverter()
        assert converter.from_payloads(converter.to_payloads([value]), [each]) == [value], each


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_everything_else_is_as_the_sdk_has_it(value: Any) -> None:
    ours, usual = PayloadConverter(), DefaultPayloadConverter()
    if isinstance(value, UUID):
        written = ours.to_payloads([value])
        assert ours.from_payloads(written, [UUID]) == usual.from_payloads(written, [UUID]) == [value]
        return
    assert ours.to_payloads([value]) == usual.to_payloads([value])
    assert ours.from_payloads(usual.to_payloads([value])) == [value]


@pytest.mark.parametrize("value", [None, EscalationRef(A, B)])
def test_a_step_may_return_nothing(value: EscalationRef | None) -> None:
    converter = PayloadConverter()
    hint: Any = EscalationRef | None
    assert converter.from_payloads(converter.to_payloads([value]), [hint]) == [value]


def test_an_older_writer_leaves_defaults_and_a_newer_ones_field_is_passed_over() -> None:
    newer = make_dataclass("Newer", [("tenant_id", UUID), ("conversation_id", UUID), ("later", str)])(A, B, "x")
    converter = PayloadConverter()
    assert converter.from_payloads(converter.to_payloads([newer]), [ConversationRef]) == [ConversationRef(A, B)]
    older = converter.to_payloads([ConversationRef(A, B)])
    assert converter.from_payloads(older, [ConversationState]) == [ConversationState(A, B)]


def test_what_is_of_another_type_is_refused() -> None:
    converter = PayloadConverter()
    wrong = converter.to_payloads([{"tenant_id": "nobody", "conversation_id": str(B), "turn": "three"}])
    with pytest.raises(ValidationError):
        converter.from_payloads(wrong, [TurnRef])


def test_only_the_converter_for_json_is_ours() -> None:
    ours = [type(each) for each in PayloadConverter().converters.values()]
    usual = [type(each) for each in DefaultPayloadConverter.default_encoding_payload_converters]
    assert len(ours) == len(usual)
    replaced = [old for old, new in zip(usual, ours, strict=True) if old is not new]
    assert replaced == [JSONPlainPayloadConverter]


OF_TYPE: dict[Any, Any] = {str: "x", int: 7, float: 0.25, bool: True, UUID: A, datetime: NOW}


def example(hint: Any) -> Any:
    """A value of this type, with every field set."""
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return hint(**{field.name: example(hints[field.name]) for field in fields(hint)})  # type: ignore[operator]
    if hint in OF_TYPE:
        return OF_TYPE[hint]
    inner = get_args(hint)
    if get_origin(hint) is list:
        return [example(inner[0])]
    if get_origin(hint) is dict:
        return {example(inner[0]): example(inner[1])}
    return inner[-2] if get_origin(hint) is Literal else example(inner[0])
