"""Temporal sees ciphertext only.

The workflow's id names the conversation, whose customer's ops key seals each payload, and the tenant, whose newest key
seals what is of no customer. `key-id` goes with it as metadata and as associated data, so that a payload cannot be
passed off as another's: `tenant:vN`, or `tenant:customer:key`. Without a context (the UI's codec server) all is read
from the key id. Once a customer's key is destroyed, what Temporal still has of them is noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
        key_id = _key_id(keys)
        return [
            Payload(
                metadata={"encoding": ENCODING, "key-id": key_id.encode()},
                data=keys.seal(payload.SerializeToString(), WHERE, key_id),
            )
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [await self._decode(payload) for payload in payloads]

    async def _decode(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        key_id = payload.metadata["key-id"].decode()
        tenant_id = UUID(key_id.split(":", 1)[0])
        if self._workflow_id is not None and tenant_id != tenant_of_workflow(self._workflow_id):
            raise CryptoError("a payload of another tenant")
        keys = await self._named(tenant_id, key_id.split(":")[1:])
        return Payload.FromString(keys.open(payload.data, WHERE, key_id))

    async def _named(self, tenant_id: UUID, rest: Sequence[str]) -> Keys:
        if len(rest) == 2:
            return await self._keyring.customer(tenant_id, UUID(rest[0]))
        keys = await self._keyring.tenant(tenant_id)
        return keys if keys.knows(int(rest[0].removeprefix("v"))) else await self._keyring.reload(tenant_id)


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
