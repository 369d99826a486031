"""Access tokens: one pinned asymmetric algorithm (EdDSA), every claim required (OWASP ASVS 5, chapter 9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from helios.ids import new_id

ALGORITHM = "EdDSA"
AUDIENCE = "helioscs-api"
LIFETIME = timedelta(minutes=10)
CUSTOMER_LIFETIME = timedelta(minutes=60)
REQUIRED = ["exp", "iss", "aud", "sub", "jti", "iat", "sid", "typ", "tid"]


class TokenError(Exception):
    """The token is not one of ours, or not any more."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token speaks for."""

    tenant_id: UUID
    id: UUID
    kind: Literal["user", "customer"]
    roles: frozenset[str]
    session_id: UUID


class Tokens:
    """Signs and reads access tokens with one Ed25519 key."""

    def __init__(self, private_pem: str, issuer: str) -> None:
        key = serialization.load_pem_private_key(private_pem.encode(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("HELIOS_TOKEN_KEY must be the PEM of an Ed25519 private key")
        self._key = key
        self._public = key.public_key()
        self._issuer = issuer

    def sign(self, identity: Identity, lifetime: timedelta = LIFETIME) -> str:
        now = datetime.now(UTC)
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": str(identity.id),
            "tid": str(identity.tenant_id),
            "sid": str(identity.session_id),
            "jti": str(new_id()),
            "iat": now,
            "exp": now + lifetime,
            "typ": identity.kind,
            "roles": sorted(identity.roles),
        }
        return jwt.encode(claims, self._key, ALGORITHM)

    def read(self, token: str) -> Identity:
        """Raises `TokenError`. Key references in the token's header are not looked at."""
        try:
            claims = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                options={"require": REQUIRED, "strict_aud": True},
            )
            if claims["typ"] not in ("user", "customer"):
                raise TokenError("unknown kind")
            lasts_s = claims["exp"] - claims["iat"]
            if type(lasts_s) is not int or not lasts_s <= CUSTOMER_LIFETIME.total_seconds():
                raise TokenError("a lifetime that we give to nobody")
            roles = frozenset(str(role) for role in claims.get("roles", ()))
            return Identity(UUID(claims["tid"]), UUID(claims["sub"]), claims["typ"], roles, UUID(claims["sid"]))
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            raise TokenError(type(error).__name__) from None
