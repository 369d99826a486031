"""No token but ours: every mutant is refused, and refused as a token."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from helios.tokens import ALGORITHM, CUSTOMER_LIFETIME, REQUIRED, Identity, SigningKey, TokenError, Tokens, key_id

KEY = Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
TOKENS = Tokens(PEM, "helioscs")
IDENTITY = Identity(uuid4(), uuid4(), "user", frozenset({"agent"}), uuid4())
# Made when the suite is collected, and read whenever this file's turn comes: so it lives as long as any may.
GOOD = TOKENS.sign(IDENTITY, CUSTOMER_LIFETIME)
KID = key_id(KEY.public_key())
HEADER = {"alg": ALGORITHM, "typ": "JWT", "kid": KID}
CLAIMS: dict[str, Any] = jwt.decode(GOOD, options={"verify_signature": False})
STRANGE: tuple[Any, ...] = (
    None,
    "",
    0,
    -1,
    1.5,
    True,
    [],
    {},
    "x",
    [CLAIMS["aud"], "other"],
    "9" * 40,
    10**30,
    "\x00",
    "null",
)


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def mutants() -> Iterator[str]:
    header, payload, signature = GOOD.split(".")
    yield from _signed_otherwise(payload)
    for claim in REQUIRED:
        yield _forced({name: value for name, value in CLAIMS.items() if name != claim})
        for value in STRANGE:
            if claim != "jti":  # its meaning is its sender's own
                yield _forced({**CLAIMS, claim: value})
    for seconds in (0, 1, 60, 10**6):
        yield _forced({**CLAIMS, "exp": CLAIMS["iat"] - seconds})
    yield _forced({**CLAIMS, "iat": CLAIMS["exp"] + 3_600})
    yield _forced({**CLAIMS, "nbf": CLAIMS["exp"] + 3_600})
    for issuer in ("HELIOSCS", "helioscs/", "other", " helioscs"):
        yield _forced({**CLAIMS, "iss": issuer})
    yield from _one_character_off()
    for kid in (*STRANGE, "0", "../../../../dev/null", f"{KID} ", KID.lower(), KID[:-1], [KID], {"kid": KID}):
        yield _forced(CLAIMS, {**HEADER, "kid": kid})
    yield _forced(CLAIMS, {name: value for name, value in HEADER.items() if name != "kid"})
    for changed in ({**CLAIMS, "roles": ["admin"]}, {**CLAIMS, "tid": str(uuid4())}, {**CLAIMS, "sub": str(uuid4())}):
        yield f"{header}.{part(changed)}.{signature}"
    yield from (f"{header}.{payload}", f"{header}.{payload}.", f"..{signature}", f".{payload}.{signature}", GOOD * 2)
    yield from (
        f"{GOOD}.x",
        f"x.{GOOD}",
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "\x00",
        "é.é.é",
        "ü" * 50,
        "x" * 70_000,
        "{}",
        "null",
    )


def _signed_otherwise(payload: str) -> Iterator[str]:
    """`none`, the public key as a shared secret, other algorithms, other keys, keys that the token brings along."""
    algorithms: tuple[Any, ...] = (
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        None,
        "HS256",
        "RS256",
        "PS256",
        "ES256",
        "EdDSA ",
        "Ed448",
        [],
        1,
    )
    for name in algorithms:
        for end in ("", "x", part(b"\0" * 64)):
            yield f"{part({**HEADER, 'alg': name})}.{payload}.{end}"
        yield _forced(CLAIMS, {**HEADER, "alg": name})
    signed = f"{part({**HEADER, 'alg': 'HS256'})}.{payload}"
    for secret in (PUBLIC, PUBLIC.strip(), b"", KEY.public_key().public_bytes_raw()):
        yield f"{signed}.{part(hmac.digest(secret, signed.encode(), 'sha256'))}"
    yield jwt.encode(CLAIMS, generate_private_key(SECP256R1()), "ES256", headers={"kid": KID})
    stranger = Ed25519PrivateKey.generate()
    own = {"kty": "OKP", "crv": "Ed25519", "x": part(stranger.public_key().public_bytes_raw())}
    hints: tuple[dict[str, Any], ...] = (
        {},
        {"kid": "../../../../dev/null"},
        {"kid": "' UNION SELECT 'x"},
        {"kid": "0"},
        {"jwk": own},
        {"jku": "https://evil.example/k"},
        {"x5u": "https://evil.example/c"},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
    )
    for hint in hints:
        yield jwt.encode(CLAIMS, stranger, ALGORITHM, headers={"kid": KID, **hint})
        yield jwt.encode(CLAIMS, stranger, ALGORITHM, headers={**hint, "kid": key_id(stranger.public_key())})


def _one_character_off() -> Iterator[str]:
    """Every character changed, and every one left out. The last of a signature holds bits that stand for nothing."""
    for place in range(len(GOOD) - 1):
        if GOOD[place] != ".":
            yield GOOD[:place] + ("A" if GOOD[place] != "A" else "B") + GOOD[place + 1 :]
        yield GOOD[:place] + GOOD[place + 1 :]


def _forced(claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
    """Signed with our own key, whatever it says: PyJWT would refuse to write some of these."""
    signed = f"{part(HEADER if header is None else header)}.{part(claims)}"
    return f"{signed}.{part(KEY.sign(signed.encode()))}"


def test_a_good_token_says_who_it_is() -> None:
    assert TOKENS.read(GOOD) == IDENTITY
    assert TOKENS.read(_forced(CLAIMS)) == IDENTITY


def test_no_mutant_is_taken() -> None:
    tried = list(dict.fromkeys(each for each in mutants() if each != GOOD))
    taken = [mutant for mutant in tried if _is_taken(mutant)]
    assert taken == []
    assert len(tried) >= 1_000


def _is_taken(token: str) -> bool:
    try:
        TOKENS.read(token)
    except TokenError:
        return False
    return True


def rotated(active: bool = True, until: datetime | None = None) -> tuple[Tokens, Tokens]:
    """The tokens of a process after a rotation, and of one that has only the new key."""
    new = Ed25519PrivateKey.generate()
    pem = new.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    both = Tokens(PEM, "helioscs")
    both.use([SigningKey(new, active=active)], first_until=until)
    return both, Tokens(pem, "helioscs")


def test_after_a_rotation_the_new_key_signs_and_both_are_accepted_and_published() -> None:
    both, new = rotated(until=datetime.now(UTC) + timedelta(hours=1))
    assert new.read(both.sign(IDENTITY)) == IDENTITY
    assert both.read(new.sign(IDENTITY)) == both.read(GOOD) == IDENTITY
    published = both.published()["keys"]
    assert len(published) == 2
    for key in published:
        assert key.keys() == {"kty", "crv", "x", "kid", "use", "alg"}
        assert jwt.PyJWK(key).key.public_bytes_raw() in (
            KEY.public_key().public_bytes_raw(),
            new._signing[1].public_key().public_bytes_raw(),
        )


def test_a_new_key_is_published_and_accepted_before_it_signs() -> None:
    both, new = rotated(active=False, until=datetime.now(UTC) + timedelta(hours=1))
    assert TOKENS.read(both.sign(IDENTITY)) == IDENTITY
    assert both.read(new.sign(IDENTITY)) == IDENTITY
    assert len(both.published()["keys"]) == 2


def test_an_old_key_ends() -> None:
    both, _ = rotated(until=datetime.now(UTC))
    assert _is_refused(both, GOOD)
    assert [key["kid"] for key in both.published()["keys"]] != [KID]
    assert len(both.published()["keys"]) == 1


def _is_refused(tokens: Tokens, token: str) -> bool:
    with pytest.raises(TokenError):
        tokens.read(token)
    return True


def test_a_token_ends() -> None:
    with pytest.raises(TokenError):
        TOKENS.read(TOKENS.sign(IDENTITY, timedelta(seconds=-1)))


def test_another_installation_is_a_stranger() -> None:
    with pytest.raises(TokenError):
        Tokens(PEM, "another").read(GOOD)
    with pytest.raises(ValueError, match="Ed25519"):
        Tokens(
            generate_private_key(SECP256R1())
            .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            .decode(),
            "helioscs",
        )


def test_two_tokens_are_never_the_same() -> None:
    ids = {jwt.decode(TOKENS.sign(IDENTITY), options={"verify_signature": False})["jti"] for _ in range(50)}
    assert len(ids) == 50
    assert all(UUID(each).version == 7 for each in ids)
