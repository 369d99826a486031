"""Access tokens: one pinned asymmetric algorithm (EdDSA), every claim required (OWASP ASVS 5, chapter 9)."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from helios.ids import made_at, new_id

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
    enrolling: bool = False
    """Has no second factor where one is required. Not in the token: looked up with the roles."""
    api_key_id: UUID | None = None
    """The key that a tenant's backend asked for this customer's token with."""
    issued_at: datetime | None = field(default=None, compare=False)
    """To the millisecond. None, as `expires_at`: not read from a token."""
    expires_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`active`: it may sign. `until`: from then on its tokens are refused; None: there is no end yet."""

    private: Ed25519PrivateKey = field(repr=False)
    active: bool = True
    until: datetime | None = None

    @property
    def public(self) -> Ed25519PublicKey:
        return self.private.public_key()


class Tokens:
    """Signs access tokens with the newest active key, and reads those of every key that is accepted."""

    def __init__(self, private_pem: str, issuer: str) -> None:
        """`private_pem`: the first key, which signs until there is another (`helios.token_keys`)."""
        key = serialization.load_pem_private_key(private_pem.encode(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("HELIOS_TOKEN_KEY must be the PEM of an Ed25519 private key")
        self._first = key
        self._issuer = issuer
        self.use([])

    def use(self, keys: Sequence[SigningKey], first_until: datetime | None = None) -> None:
        """Takes these keys, oldest first, besides the first one, whose tokens are accepted until `first_until`."""
        every = [SigningKey(self._first, until=first_until), *keys]
        signing = [key for key in every if key.active][-1]
        self._signing = (key_id(signing.public), signing.private)
        self._accepted = {key_id(key.public): (key.public, key.until) for key in every}

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
        if identity.api_key_id is not None:
            claims["key"] = str(identity.api_key_id)
        kid, private = self._signing
        return jwt.encode(claims, private, ALGORITHM, headers={"kid": kid})

    def read(self, token: str) -> Identity:
        """Raises `TokenError`. Of the token's header only `kid` is looked at, and only to choose among our own keys."""
        try:
            claims = jwt.decode(
                token,
                self._key_of(token),
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
            return Identity(
                UUID(claims["tid"]),
                UUID(claims["sub"]),
                claims["typ"],
                frozenset(str(role) for role in claims.get("roles", ())),
                UUID(claims["sid"]),
                api_key_id=UUID(claims["key"]) if "key" in claims else None,
                # `iat` counts whole seconds: a token that follows a sign-out at once would seem older than it.
                issued_at=made_at(UUID(claims["jti"])),
                expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            )
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            raise TokenError(type(error).__name__) from None

    def _key_of(self, token: str) -> Ed25519PublicKey:
        kid = jwt.get_unverified_header(token).get("kid")
        known = self._accepted.get(kid) if isinstance(kid, str) else None
        if known is None or (known[1] is not None and known[1] <= datetime.now(UTC)):
            raise TokenError("no key of ours")
        return known[0]

    def published(self) -> dict[str, Any]:
        """The keys that are accepted now, as a JSON Web Key Set (RFC 7517, RFC 8037)."""
        now = datetime.now(UTC)
        live = {kid: public for kid, (public, until) in self._accepted.items() if until is None or until > now}
        return {"keys": [{**_jwk(public), "kid": kid, "use": "sig", "alg": ALGORITHM} for kid, public in live.items()]}


def key_id(public: Ed25519PublicKey) -> str:
    """The key's thumbprint (RFC 7638)."""
    canonical = json.dumps(_jwk(public), sort_keys=True, separators=(",", ":")).encode()
    return _base64(hashlib.sha256(canonical).digest())


def _jwk(public: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64(public.public_bytes_raw())}


def _base64(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
