"""Our wire types as JSON, by compiled code.

The SDK's own converter resolves type hints and walks every field anew for each payload: 1 to 3 ms of CPU for the larger
ones, several times a turn. The JSON is the same, so either reads what the other wrote.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from functools import cache
from typing import Any, get_args

from pydantic import TypeAdapter
from temporalio.api.common.v1 import Payload
from temporalio.converter import CompositePayloadConverter, DefaultPayloadConverter, JSONPlainPayloadConverter


class DataclassJson(JSONPlainPayloadConverter):
    """`json/plain` with a fast path for dataclasses; all else as the SDK has it."""

    def to_payload(self, value: Any) -> Payload | None:
        if not is_dataclass(value) or isinstance(value, type):
            return super().to_payload(value)
        data = _adapter(type(value)).dump_json(value)
        return Payload(metadata={"encoding": self.encoding.encode()}, data=data)

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        if type_hint is None or not _holds_dataclass(type_hint):
            return super().from_payload(payload, type_hint)
        return _adapter(type_hint).validate_json(payload.data)


class PayloadConverter(CompositePayloadConverter):
    """The SDK's converters, ours in the place of the one for JSON."""

    def __init__(self) -> None:
        usual = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(*(DataclassJson() if type(each) is JSONPlainPayloadConverter else each for each in usual))


@cache
def _holds_dataclass(hint: type) -> bool:
    """A dataclass, or a union with one such as `EscalationRef | None`."""
    return is_dataclass(hint) or any(is_dataclass(each) for each in get_args(hint))


@cache
def _adapter(hint: type) -> TypeAdapter[Any]:
    return TypeAdapter(hint)
