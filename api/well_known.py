"""`/.well-known`: the public halves of the keys that sign access tokens."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.described import described
from api.state import State

router = APIRouter(prefix="/.well-known", tags=["Sign-in"])

KEY: dict[str, Any] = {
    "crv": "Ed25519", "kty": "OKP", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "use": "sig", "alg": "EdDSA",
}  # fmt: skip


@router.get(
    "/jwks.json",
    summary="The keys of access tokens",
    **described({"keys": [KEY]}, about="A JSON Web Key Set; after a rotation it holds the new key and the one before"),
)
async def json_web_key_set(services: State) -> Response:
    """For whoever wants to check a token without asking us. A key is published ten seconds before it signs."""
    return JSONResponse(services.tokens.published(), headers={"Cache-Control": "public, max-age=60"})
