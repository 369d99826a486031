"""Temporal sees ciphertext only.

The workflow's id names the conversation, whose customer's ops key seals each payload, and the tenant, whose newest key
seals what is of no customer. `key-id` (`tenant:vN`, or `tenant:customer:key`) and `workflow-id` go with it as metadata
and as associated data, so that a payload cannot be passed off as another's. Without a context (the UI's codec server)
all is read from there. Once a customer's key is destroyed, what Temporal still has of them is noise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self
from uuid import UUID

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from helios.crypto import CryptoError, Keys, TenantKeys
from helios.customer_keys import CustomerKeys
from helios.payloads import PayloadConverter
from schema.steps import tenant_of_workflow

ENCODING = b"binary/helios-aes-gcm"
WHERE = "temporal.payload"
ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
KEY_ID = re.compile(rf"{ID}:(v\d{{1,9}}|{ID}:{ID})", re.ASCII)
WITHHELD = Payload(
    metadata={"encoding": b"json/plain"}, data=b'{"message": "withheld: outside of a workflow", "stack_trace": ""}'
)


class KeySource(Protocol):
    """Where keys come from; `helios.keyring.Keyring` in every process."""

    async def tenant(self, tenant_id: UUID) -> TenantKeys: ...
    async def reload(self, tenant_id: UUID) -> TenantKeys: ...
    async def customer(self, tenant_id: UUID, customer_id: UUID) -> CustomerKeys: ...
    async def workflow(self, workflow_id: str) -> Keys: ...


class EncryptionCodec(PayloadCodec, WithSerializationContext):
    def __init__(self, keyring: KeySource, workflow_id: str | None = None) -> None:
        self._keyring = keyring
        self._workflow_id = workflow_id

    def with_context(self, context: SerializationContext) -> Self:
        if isinstance(context, (WorkflowSerializationContext, ActivitySerializationContext)) and context.workflow_id:
            return type(self)(self._keyring, context.workflow_id)
        return self

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if self._workflow_id is None:
            # Only the SDK's own reports of broken workflow tasks come without a workflow. No key fits: say nothing.
            return [WITHHELD for _ in payloads]
        keys = await self._keyring.workflow(self._workflow_id)
        sealed = Sealed(_key_id(keys), self._workflow_id)
        return [
            Payload(metadata=sealed.metadata, data=keys.seal(payload.SerializeToString(), WHERE, sealed.row))
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [await self._decode(payload) for payload in payloads]

    async def _decode(self, payload: Payload) -> Payload:
        sealed = sealed_as(payload)
        if sealed is None:
            return payload
        if self._workflow_id is not None and sealed.tenant_id != tenant_of_workflow(self._workflow_id):
            raise CryptoError("a payload of another tenant")
        keys = await self._named(sealed)
        return Payload.FromString(keys.open(payload.data, WHERE, sealed.row))

    async def _named(self, sealed: Sealed) -> Keys:
        if sealed.customer_id is not None:
            return await self._keyring.customer(sealed.tenant_id, sealed.customer_id)
        keys = await self._keyring.tenant(sealed.tenant_id)
        return keys if keys.knows(sealed.version) else await self._keyring.reload(sealed.tenant_id)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a payload says about itself. `workflow_id` None: sealed before payloads named theirs."""

    key_id: str
    workflow_id: str | None

    @property
    def row(self) -> str:
        return self.key_id if self.workflow_id is None else f"{self.key_id}|{self.workflow_id}"

    @property
    def metadata(self) -> dict[str, bytes]:
        named = {} if self.workflow_id is None else {"workflow-id": self.workflow_id.encode()}
        return {"encoding": ENCODING, "key-id": self.key_id.encode(), **named}

    @property
    def tenant_id(self) -> UUID:
        return UUID(self.key_id.split(":")[0])

    @property
    def customer_id(self) -> UUID | None:
        """None: the tenant's own key sealed it."""
        _, *rest = self.key_id.split(":")
        return UUID(rest[0]) if len(rest) == 2 else None

    @property
    def version(self) -> int:
        """Of the tenant's key, where that sealed it."""
        return int(self.key_id.split(":")[1].removeprefix("v"))


def sealed_as(payload: Payload) -> Sealed | None:
    """None for a payload that is not sealed. Raises `CryptoError` for one whose metadata are none of ours."""
    if payload.metadata.get("encoding") != ENCODING:
        return None
    try:
        key_id = payload.metadata.get("key-id", b"").decode()
        workflow_id = payload.metadata["workflow-id"].decode() if "workflow-id" in payload.metadata else None
    except UnicodeDecodeError:
        raise CryptoError("metadata that are no text") from None
    if not KEY_ID.fullmatch(key_id):
        raise CryptoError("a key id that is none of ours")
    return Sealed(key_id, workflow_id)


def _key_id(keys: Keys) -> str:
    if isinstance(keys, CustomerKeys):
        return f"{keys.tenant_id}:{keys.customer_id}:{keys.key_id}"
    assert isinstance(keys, TenantKeys)
    return f"{keys.tenant_id}:v{keys.version}"


def data_converter(keyring: KeySource) -> DataConverter:
    """The default converter with encryption, for payloads and for the messages of failures."""
    return replace(
        DataConverter.default,
        payload_converter_class=PayloadConverter,
        payload_codec=EncryptionCodec(keyring),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
