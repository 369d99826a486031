"""The codec server for Temporal's UI: payloads decrypted for who may read them, each look an audit event.

Temporal's protocol (docs.temporal.io/codec-server): `POST /decode` with `{"payloads": […]}` as protobuf's JSON. The UI
is a page of another origin, and brings the cookie that `/codec` (a page to sign in on) sets; it is taken from the UI's
own origin only. A program sends its access token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from pydantic import Field
from temporalio.api.common.v1 import Payload

from api.auth.answers import NO_STORE
from api.authentication import Bearer, caller
from api.codec_origin import CODEC, ui_origin
from api.described import described
from api.models import Body
from api.problems import Problem, not_found
from api.state import Services, State
from api.validation import StrictRoute
from helios import audit
from helios.codec import EncryptionCodec, Sealed, sealed_as
from helios.crypto import CryptoError, Shredded
from helios.tokens import LIFETIME, Identity
from schema.steps import parts_of_workflow

router = APIRouter(prefix=CODEC, tags=["Operations"], route_class=StrictRoute)

COOKIE = "helios_codec"
PAYLOADS_MOST = 200
ERASED = Payload(metadata={"encoding": b"json/plain"}, data=b'"Erased: the key of this payload was destroyed."')

SEALED = {"metadata": {"encoding": "YmluYXJ5L2hlbGlvcy1hZXMtZ2Nt", "key-id": "MDE5YQ=="}, "data": "AQAAAAE="}
PLAIN = {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "eyJ0dXJuIjoxfQ=="}

Kept = Annotated[bool, Query(alias="preserveStorageRefs", description="Sent by Temporal's UI; it changes nothing here")]


class Payloads(Body):
    payloads: Annotated[list[dict[str, Any]], Field(max_length=PAYLOADS_MOST)]


_may_read = caller("workflows.read")


async def reader(request: Request, services: State, bearer: Bearer) -> Identity:
    """The caller by their token, or by the cookie that the UI's page brings."""
    return await _may_read(request, services, bearer or _brought(request, services))


reader.permission = "workflows.read"  # type: ignore[attr-defined]
Reader = Annotated[Identity, Depends(reader)]


def _brought(request: Request, services: Services) -> HTTPAuthorizationCredentials | None:
    token = request.cookies.get(COOKIE)
    if token is None or request.headers.get("origin") != ui_origin(services.settings):
        return None
    return HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)


@router.post(
    "/session",
    summary="Let the Temporal UI in this browser read payloads",
    **described(None, "forbidden", status=204, about="The cookie is set"),
)
async def open_session(
    services: State, bearer: Bearer, request: Request, _: Annotated[Identity, Depends(caller("workflows.read"))]
) -> Response:
    """Keeps the access token in a cookie that only the codec server gets, for as long as the token is good.

    The header `Link` names the UI, where the settings do.
    """
    assert bearer is not None
    ui = services.settings.temporal_ui_url
    answer = Response(status_code=204, headers={**NO_STORE, **({"Link": f'<{ui}>; rel="related"'} if ui else {})})
    secure = request.url.scheme == "https" or services.settings.public_url.startswith("https://")
    answer.set_cookie(
        COOKIE, bearer.credentials, int(LIFETIME.total_seconds()), path=CODEC, secure=secure, httponly=True,
        samesite="strict",
    )  # fmt: skip
    return answer


@router.post(
    "/decode",
    summary="Decrypt payloads for Temporal's UI",
    **described({"payloads": [PLAIN]}, "forbidden", "not_found", body={"payloads": [SEALED]}, about="As they were"),
)
async def decode(body: Payloads, services: State, user: Reader, kept: Kept = False) -> Response:
    """Payloads of the caller's tenant. What is not encrypted comes back as it is; what was erased says so.

    A payload of another tenant is 404, and nothing of the request is decrypted then.
    """
    payloads = [_parsed(each, place) for place, each in enumerate(body.payloads)]
    sealed = [_named(each, place) for place, each in enumerate(payloads)]
    if any(each is not None and each.tenant_id != user.tenant_id for each in sealed):
        not_found()
    for each in sealed:
        if each is not None and each.customer_id is not None:
            # Looks are few: none may show what was erased while this process still held its key.
            services.keyring.forget(user.tenant_id, each.customer_id)
    codec = EncryptionCodec(services.keyring)
    opened = [await _opened(codec, each, place) for place, each in enumerate(payloads)]
    await _tell(services, user, [each for each in sealed if each is not None], opened.count(ERASED))
    return JSONResponse({"payloads": [MessageToDict(each) for each in opened]}, headers=NO_STORE)


@router.post(
    "/encode",
    summary="What Temporal's UI is about to send, unchanged",
    **described({"payloads": [PLAIN]}, body={"payloads": [PLAIN]}, about="As they were"),
)
async def encode(body: Payloads, kept: Kept = False) -> Response:
    """Ops signal ids and enums only, which workers take unencrypted; refused, the UI could not signal at all."""
    return JSONResponse({"payloads": body.payloads}, headers=NO_STORE)


def _parsed(sent: dict[str, Any], place: int) -> Payload:
    try:
        return ParseDict(sent, Payload(), ignore_unknown_fields=True, max_recursion_depth=8)
    except (ParseError, ValueError, TypeError):
        raise _unreadable(place, "Not a payload") from None


def _named(payload: Payload, place: int) -> Sealed | None:
    try:
        return sealed_as(payload)
    except CryptoError:
        raise _unreadable(place, "Not sealed by us") from None


async def _opened(codec: EncryptionCodec, payload: Payload, place: int) -> Payload:
    try:
        (opened,) = await codec.decode([payload])
    except Shredded:
        return ERASED
    except CryptoError:
        raise _unreadable(place, "Changed, or moved from where it was sealed") from None
    return opened


def _unreadable(place: int, detail: str) -> Problem:
    return Problem("invalid_request", detail, errors=[{"pointer": f"/payloads/{place}", "detail": detail}])


async def _tell(services: Services, user: Identity, sealed: Sequence[Sealed], erased: int) -> None:
    """Who looked at which workflows: one event, before anything is answered."""
    if not sealed:
        return
    workflows = sorted({each.workflow_id or "unnamed" for each in sealed})
    async with services.database.tenant(user.tenant_id) as connection:
        await audit.record(
            connection, user.tenant_id, "payloads.decoded", actor=("user", user.id), subject=_subject(workflows),
            detail={"workflows": workflows, "payloads": len(sealed), "erased": erased},
        )  # fmt: skip


def _subject(workflows: Sequence[str]) -> tuple[str, UUID | None]:
    """The one thing that the workflow is about, e.g. a conversation."""
    if len(workflows) == 1:
        try:
            _, kind, subject = parts_of_workflow(workflows[0])
            return kind, UUID(subject)
        except ValueError:
            pass
    return "workflow", None
