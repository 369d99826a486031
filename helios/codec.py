"""Temporal sees ciphertext only.

The workflow's id names the tenant, whose newest key seals each payload; `key-id: tenant:vN` goes with it as metadata
and as associated data, so that a payload cannot be passed off as another tenant's. Without a context (the UI's codec
server) the tenant is read from the key id.
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

from helios.crypto import CryptoError, TenantKeys
from helios.payloads import PayloadConverter
from schema.steps import tenant_of_workflow

ENCODING = b"binary/helios-aes-gcm"
WITHHELD = Payload(
    metadata={"encoding": b"json/plain"}, data=b'{"message": "withheld: outside of a workflow", "stack_trace": ""}'
)


class Keys(Protocol):
    """Where a tenant's keys come from; `helios.keyring.Keyring` in every process."""

    async def tenant(self, tenant_id: UUID) -> TenantKeys: ...
    async def reload(self, tenant_id: UUID) -> TenantKeys: ...


class EncryptionCodec(PayloadCodec, WithSerializationContext):
    def __init__(self, keyring: Keys, tenant_id: UUID | None = None) -> None:
        self._keyring = keyring
        self._tenant_id = tenant_id

    def with_context(self, context: SerializationContext) -> Self:
        if isinstance(context, (WorkflowSerializationContext, ActivitySerializationContext)) and context.workflow_id:
            return type(self)(self._keyring, tenant_of_workflow(context.workflow_id))
        return self

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if self._tenant_id is None:
            # Only the SDK's own reports of broken workflow tasks come without a workflow. No key fits: say nothing.
            return [WITHHELD for _ in payloads]
        keys = await self._keyring.tenant(self._tenant_id)
        key_id = f"{self._tenant_id}:v{keys.version}".encode()
        return [
            Payload(
                metadata={"encoding": ENCODING, "key-id": key_id},
                data=keys.seal(payload.SerializeToString(), "temporal.payload", key_id.decode()),
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
        if self._tenant_id is not None and tenant_id != self._tenant_id:
            raise CryptoError("a payload of another tenant")
        keys = await self._keyring.tenant(tenant_id)
        if int(key_id.rsplit(":v", 1)[1]) > keys.version:
            keys = await self._keyring.reload(tenant_id)
        return Payload.FromString(keys.open(payload.data, "temporal.payload", key_id))


def data_converter(keyring: Keys) -> DataConverter:
    """The default converter with encryption, for payloads and for the messages of failures."""
    return replace(
        DataConverter.default,
        payload_converter_class=PayloadConverter,
        payload_codec=EncryptionCodec(keyring),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
