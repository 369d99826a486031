"""Talking to a tenant's identity provider: OpenID Connect Discovery 1.0, the authorization code flow with PKCE
(RFC 6749, RFC 7636, RFC 9700), and its key set.

Every request goes through the guarded client of `helios.outbound`: HTTPS to public addresses, unless the operator lets
a provider on the loopback be asked (HELIOS_SSO_LOOPBACK). Documents are kept for ten minutes; keys are fetched again
when a token names one that is not among them.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.jwk import Key

from helios.addresses import Address, is_public
from helios.identity import id_tokens
from helios.identity.id_tokens import Expected, UnknownKey
from helios.outbound import Answer, FetchFailed, Outbound, UrlRefused
from helios.settings import Settings

SCOPE = "openid email profile"
FRESH_S = 600.0
KNOWN_MOST = 1_000
DOCUMENT_MAX = 256 * 1024
WITHIN_S = 2.5
"""For each request: whoever signs in waits for it."""
ANY_PORT = range(1, 65_536)
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class ProviderError(Exception):
    """The provider did not do its part. `reason` is a word for people and the audit log; it holds nothing it said."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ProviderAway(ProviderError):
    """It does not answer, or says itself that it cannot."""


class CodeRefused(ProviderError):
    """It does not take the code: it was used, or is too old."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are at a provider."""

    issuer: str
    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What we need of a provider's document. `posts_secret`: it takes the secret in the body only."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None
    posts_secret: bool
    names_issuer: bool
    """It sends `iss` with each answer (RFC 9207), so one without it is not its own."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in on its way: what is kept here while the person is at the provider."""

    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class Providers:
    """The providers that this process has to do with."""

    def __init__(self, *, loopback: bool, within_s: float = WITHIN_S) -> None:
        """`loopback`: a provider on this machine may be asked, over plain HTTP as well."""
        ports = ANY_PORT if loopback else frozenset({443})
        self._loopback, self._within_s = loopback, within_s
        self._outbound = Outbound(ports=ports, may_reach=_public_or_loopback if loopback else is_public)
        self._metadata: dict[str, tuple[float, Metadata]] = {}
        self._keys: dict[str, tuple[float, list[Key]]] = {}

    async def metadata(self, issuer: str) -> Metadata:
        """Raises `ProviderError`."""
        read_at, known = self._metadata.get(issuer, (0.0, None))
        if known is not None and time.monotonic() - read_at < FRESH_S:
            return known
        found = self._read(issuer, await self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
        _keep(self._metadata, issuer, found)
        return found

    def _read(self, issuer: str, document: Mapping[str, Any]) -> Metadata:
        if document.get("issuer") != issuer:  # exactly: else one provider could speak for another
            raise ProviderError("other_issuer")
        methods = document.get("token_endpoint_auth_methods_supported")
        end = document.get("end_session_endpoint")
        return Metadata(
            self._endpoint(document.get("authorization_endpoint")),
            self._endpoint(document.get("token_endpoint")),
            self._endpoint(document.get("jwks_uri")),
            None if end is None else self._endpoint(end),
            isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods,
            document.get("authorization_response_iss_parameter_supported") is True,
        )

    def _endpoint(self, url: Any) -> str:
        if not isinstance(url, str) or not self.may_ask(url):
            raise ProviderError("endpoints")
        return url

    def may_ask(self, url: str) -> bool:
        """Whether it is an address of a provider by its form; where it leads is looked at when it is asked."""
        parts = urlsplit(url)
        plain = self._loopback and parts.scheme == "http" and parts.hostname == "127.0.0.1"
        return bool(parts.hostname) and "#" not in url and (parts.scheme == "https" or plain)

    async def send_to(self, client: Client, attempt: Attempt) -> str:
        """The address at the provider that the browser goes to. Raises `ProviderError`."""
        metadata = await self.metadata(client.issuer)
        url: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            client.id,
            "code",
            attempt.redirect_uri,
            SCOPE,
            attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
        )
        return url

    async def redeem(self, client: Client, attempt: Attempt, code: str) -> dict[str, Any]:
        """The claims of the ID token that the code is good for. Raises `ProviderError` or `IdTokenError`."""
        metadata = await self.metadata(client.issuer)
        given = await self._exchange(client, metadata, attempt, code)
        token, access_token = given.get("id_token"), given.get("access_token")
        if not isinstance(token, str) or not isinstance(access_token, str | None):
            raise ProviderError("no_id_token")
        expected = Expected(client.issuer, client.id, attempt.nonce, access_token)
        try:
            return id_tokens.read(token, await self._key_set(metadata.jwks_uri), expected)
        except UnknownKey:
            self._keys.pop(metadata.jwks_uri, None)
            return id_tokens.read(token, await self._key_set(metadata.jwks_uri), expected)

    async def _exchange(self, client: Client, metadata: Metadata, attempt: Attempt, code: str) -> Mapping[str, Any]:
        headers, credentials = dict(FORM), {}
        if metadata.posts_secret:
            credentials = {"client_id": client.id, "client_secret": client.secret}
        else:  # RFC 6749 §2.3.1: both parts are form-encoded first
            pair = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        body: str = prepare_token_request(
            "authorization_code",
            redirect_uri=attempt.redirect_uri,
            code=code,
            code_verifier=attempt.verifier,
            **credentials,
        )
        answer = await self._ask("POST", metadata.token_endpoint, headers, body.encode())
        if answer.status in (400, 401, 403):
            refusal = _object(answer).get("error")
            raise CodeRefused("code") if refusal == "invalid_grant" else ProviderError("client_refused")
        return _object(_successful(answer))

    async def _key_set(self, uri: str) -> list[Key]:
        read_at, known = self._keys.get(uri, (0.0, None))
        if known is not None and time.monotonic() - read_at < FRESH_S:
            return known
        found = id_tokens.read_keys(await self._get(uri))
        _keep(self._keys, uri, found)
        return found

    async def _get(self, url: str) -> Mapping[str, Any]:
        return _object(_successful(await self._ask("GET", url, {"Accept": "application/json"})))

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> Answer:
        if not self.may_ask(url):
            raise ProviderError("address")
        try:
            return await self._outbound.request(
                method, url, headers=headers, content=content, size_max=DOCUMENT_MAX, within_s=self._within_s
            )
        except UrlRefused:
            raise ProviderError("address") from None
        except FetchFailed as error:
            raise (ProviderError if error.reason in ("size", "encoding") else ProviderAway)(error.reason) from None


def open_providers(settings: Settings) -> Providers:
    """Raises `ValueError` where a setting for development stands on a server that others reach."""
    host = urlsplit(settings.public_url).hostname
    if settings.sso_loopback and host not in (None, "localhost", "127.0.0.1"):
        raise ValueError("HELIOS_SSO_LOOPBACK is for development: unset it, or HELIOS_PUBLIC_URL")
    return Providers(loopback=settings.sso_loopback)


def _public_or_loopback(address: Address) -> bool:
    return address.is_loopback or is_public(address)


def _keep(known: dict[str, tuple[float, Any]], name: str, found: Any) -> None:
    if len(known) >= KNOWN_MOST:
        known.pop(next(iter(known)))
    known[name] = (time.monotonic(), found)


def _successful(answer: Answer) -> Answer:
    if answer.status >= 500 or answer.status == 429:
        raise ProviderAway("status")
    if answer.status != 200:
        raise ProviderError("status")
    return answer


def _object(answer: Answer) -> Mapping[str, Any]:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise ProviderError("not_json") from None
    if not isinstance(found, dict):
        raise ProviderError("not_json")
    return found
