"""ID tokens of a tenant's identity provider (OpenID Connect Core 1.0 §3.1.3.7, OWASP ASVS 5 §9 and §10.5).

The algorithms are pinned here, all of them asymmetric: what a token's header or a provider's document says does not add
one. The key comes out of the provider's key set and is chosen by `kid`; `jku`, `x5u` and `jwk` of a header are not
looked at.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import JWKRegistry, Key
from joserfc.jws import extract_compact

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
KINDS = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
"""The kind of key that each algorithm takes."""
LEEWAY_S = 60
AGE_MOST_S = 600
"""It comes straight from the provider, so an older one was kept by somebody."""
KEYS_MOST = 100
SUBJECT_MOST = 255


class IdTokenError(Exception):
    """The token is not this provider's, not for us, or not of this sign-in. `reason` is a word that holds nothing of
    it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownKey(IdTokenError):
    """No key of the set has this id: the provider may have a new one."""

    def __init__(self) -> None:
        super().__init__("unknown_key")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say."""

    issuer: str
    client_id: str
    nonce: str = field(repr=False)
    access_token: str | None = field(default=None, repr=False)


def read_keys(document: Any) -> list[Key]:
    """The public keys of a key set (RFC 7517) that may sign. Raises `IdTokenError` where it is none.

    Symmetric keys and those for encryption are left out, as is a key that is too weak or none at all.
    """
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list) or len(listed) > KEYS_MOST:
        raise IdTokenError("key_set")
    return [key for each in listed if (key := _public_key(each)) is not None]


def _public_key(document: Any) -> Key | None:
    if not isinstance(document, Mapping) or document.get("kty") not in KINDS.values():
        return None
    if document.get("use", "sig") != "sig" or "d" in document:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)  # fewer than 2,048 bits
            return JWKRegistry.import_key(dict(document))
    except (JoseError, SecurityWarning, ValueError, TypeError, KeyError):
        return None


def read(token: str, keys: Sequence[Key], expected: Expected) -> dict[str, Any]:
    """The claims of a token that is as expected. Raises `IdTokenError`, and `UnknownKey` among them."""
    try:
        header = extract_compact(token.encode()).headers()
        decoded = jwt.decode(token, _key_for(header, keys), list(ALGORITHMS))
        claims = _validated(decoded, expected)
    except JoseError as error:
        raise IdTokenError(str(error.error)) from None
    except (ValueError, TypeError, AttributeError):
        raise IdTokenError("malformed") from None
    return claims


def _key_for(header: Mapping[str, Any], keys: Sequence[Key]) -> Key:
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise IdTokenError("algorithm")
    fitting = [key for key in keys if key.key_type == KINDS[algorithm] and key.alg in (None, algorithm)]
    found = [key for key in fitting if kid is None or key.kid == kid]
    if not found:
        raise UnknownKey
    if len(found) > 1:
        raise IdTokenError("ambiguous_key")
    return found[0]


def _validated(decoded: jwt.Token, expected: Expected) -> dict[str, Any]:
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        options={
            "iss": {"essential": True, "value": expected.issuer},
            "aud": {"essential": True, "value": expected.client_id},
            "sub": {"essential": True},
        },
        params={
            "client_id": expected.client_id,
            "nonce": expected.nonce,
            "access_token": expected.access_token,
        },
    )
    now = int(time.time())
    claims.validate(now=now, leeway=LEEWAY_S)
    if claims["iat"] < now - AGE_MOST_S:
        raise IdTokenError("too_old")
    if not 0 < len(claims["sub"]) <= SUBJECT_MOST:
        raise IdTokenError("subject")
    return dict(claims)
