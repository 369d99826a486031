"""An OpenID provider in a process of its own: Authlib's server side with RS256 keys, PKCE and a login page that lets
everybody in as whom it was told; and it misbehaves in the way it is told.

`python -m tests.identity.oidc_provider` prints its address. `POST /control` tells it: `{"user": {claims}}`,
`{"behave": "expired"}`, `{"rotate": true}`.
"""

from __future__ import annotations

import hmac
import json
import sys
import threading
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from authlib.common.security import generate_token
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request, grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import AuthorizationCodeMixin, UserInfo
from authlib.oidc.core.grants import OpenIDCode
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT_ID, CLIENT_SECRET = "helioscs", "s3cret of the client / with + signs"
USER = {"sub": "noor", "email": "noor@bank.example", "email_verified": True, "name": "Noor Newcomer", "groups": []}

CHANGED_CLAIMS: dict[str, dict[str, Any]] = {
    "wrong_nonce": {"nonce": "another"},
    "no_nonce": {"nonce": None},
    "expired": {"exp": lambda now: now - 120},
    "no_exp": {"exp": None},
    "endless_exp": {"exp": "tomorrow"},
    "old": {"iat": lambda now: now - 3_600},
    "from_the_future": {"iat": lambda now: now + 3_600},
    "wrong_issuer": {"iss": "https://elsewhere.example"},
    "wrong_audience": {"aud": ["another"]},
    "no_audience": {"aud": None},
    "two_audiences": {"aud": [CLIENT_ID, "another"]},
    "wrong_azp": {"azp": "another"},
    "wrong_at_hash": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "no_subject": {"sub": None},
    "number_as_subject": {"sub": 7},
}
ANSWERS: dict[str, tuple[int, bytes]] = {
    "500": (500, b"{}"),
    "garbage": (200, b"<html>maintenance</html>"),
    "list": (200, b"[]"),
    "huge": (200, b'{"padding": "' + b"x" * 1_000_000 + b'"}'),
    "moved": (302, b""),
}


class Client(ClientMixin):
    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return urlsplit(redirect_uri).path.endswith("/callback")

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code(AuthorizationCodeMixin):
    code: str
    redirect_uri: str
    scope: str
    nonce: str
    user: dict[str, Any]
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> None:
        return None

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class Grant(grants.AuthorizationCodeGrant):
    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        sent = request.payload.data
        assert sent["code_challenge_method"] == "S256"
        self.server.codes[code] = Code(
            code, sent["redirect_uri"], sent["scope"], sent["nonce"], request.user, sent["code_challenge"], "S256"
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found: Code | None = self.server.codes.get(code)
        return found

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del self.server.codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> dict[str, Any]:
        return authorization_code.user


class IdTokens(OpenIDCode):
    def __init__(self, server: Provider) -> None:
        super().__init__(require_nonce=True)
        self.server = server

    def exists_nonce(self, nonce: str, request: OAuth2Request) -> bool:
        return any(code.nonce == nonce for code in self.server.codes.values())

    def resolve_client_private_key(self, client: Client) -> RSAKey:
        return self.server.key

    def get_encode_header(self, client: Client) -> dict[str, Any]:
        return {"alg": "RS256", "kid": self.server.key.kid}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        return {"iss": self.server.url, "aud": [CLIENT_ID]}

    def generate_user_info(self, user: dict[str, Any], scope: str) -> UserInfo:
        return UserInfo(user)

    def encode_id_token(self, token: dict[str, Any], request: OAuth2Request) -> str:
        good = str(super().encode_id_token(token, request))
        return forged(good, self.server.key, self.server.behave)


def forged(good: str, key: RSAKey, how: str) -> str:
    """The good token, changed in the way it was told."""
    decoded, now = jwt.decode(good, key, ["RS256"]), int(time.time())
    claims, header = dict(decoded.claims), {"alg": "RS256", "kid": key.kid}
    for name, value in CHANGED_CLAIMS.get(how, {}).items():
        claims[name] = value(now) if callable(value) else value
    claims = {name: value for name, value in claims.items() if value is not None}
    if how == "alg_none":
        return str(jwt.encode({**header, "alg": "none"}, claims, OctKey.import_key("x" * 32), ["none"]))
    if how == "hs256_with_the_public_key":
        return signed_with({**header, "alg": "HS256"}, claims, key.as_pem(private=False))
    if how == "wrong_key":
        return str(jwt.encode(header, claims, RSAKey.generate_key(2048), ["RS256"]))
    if how == "key_in_its_header":
        own = RSAKey.generate_key(2048)
        return str(jwt.encode({**header, "jwk": own.as_dict(private=False)}, claims, own, ["RS256"]))
    if how == "unknown_kid":
        return str(jwt.encode({**header, "kid": "nobody"}, claims, key, ["RS256"]))
    if how == "half":
        return good.rpartition(".")[0]
    return good if claims == decoded.claims else str(jwt.encode(header, claims, key, ["RS256"]))


def signed_with(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """By hand: joserfc refuses to take a public key for a secret, on this side as well."""
    parts = [urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (header, claims)]
    mac = hmac.digest(secret, b".".join(parts), "sha256")
    return b".".join([*parts, urlsafe_b64encode(mac).rstrip(b"=")]).decode()


@dataclass
class Asked:
    method: str
    url: str
    headers: Any
    form: dict[str, str]


class Provider(AuthorizationServer):
    """Its documents and endpoints; `behave` names what it does wrong."""

    def __init__(self) -> None:
        super().__init__(scopes_supported=["openid", "email", "profile"])
        self.url, self.behave, self.user = "", "", dict(USER)
        self.codes: dict[str, Code] = {}
        self.key = _new_key()
        self.register_token_generator("default", BearerTokenGenerator(lambda **_: generate_token(40)))
        self.register_grant(Grant, [CodeChallenge(required=True), IdTokens(self)])

    def query_client(self, client_id: str) -> Client | None:
        return Client() if client_id == CLIENT_ID else None

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Nobody asks for it again."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: Any) -> OAuth2Request:
        if isinstance(request, OAuth2Request):
            return request
        # It would refuse plain HTTP, which this provider speaks on the loopback alone.
        made = OAuth2Form(request.method, request.url.replace("http:", "https:", 1), headers=request.headers)
        made.payload = BasicOAuth2Payload(request.form)
        return made

    def handle_response(self, status: int, body: Any, headers: Any) -> tuple[int, bytes, dict[str, str]]:
        return status, (json.dumps(body) if isinstance(body, dict) else body).encode(), dict(headers)

    def authorize(self, asked: Asked) -> tuple[int, bytes, dict[str, str]]:
        if self.behave == "denies":
            back = f"{asked.form['redirect_uri']}?error=access_denied&state={asked.form['state']}"
            return 302, b"", {"Location": back}
        request = self.create_oauth2_request(asked)
        grant = self.get_consent_grant(request, end_user=self.user)
        answer: tuple[int, bytes, dict[str, str]] = self.create_authorization_response(request, self.user, grant)
        return answer

    def discovery(self) -> dict[str, Any]:
        issuer = "https://elsewhere.example" if self.behave == "discovery:other_issuer" else self.url
        inside = self.behave == "discovery:inside"
        posts = self.behave == "discovery:posts_secret"
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": "http://169.254.169.254/token" if inside else f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "end_session_endpoint": f"{self.url}/logout",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"] if posts else ["client_secret_basic"],
        }

    def jwks(self) -> dict[str, Any]:
        public = {**self.key.as_dict(private=False), "use": "sig", "alg": "RS256"}
        decoy = {"kty": "oct", "kid": self.key.kid, "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}
        return {"keys": [decoy, public, {"kty": "?"}, 7]}

    def control(self, told: dict[str, Any]) -> dict[str, Any]:
        if told.get("rotate"):
            self.key = _new_key()
        self.behave = told.get("behave", self.behave)
        self.user = told.get("user", self.user)
        return {}


class OAuth2Form(OAuth2Request):
    @property
    def form(self) -> dict[str, str]:
        found: dict[str, str] = self.payload.data
        return found


def _new_key() -> RSAKey:
    key = RSAKey.generate_key(2048)
    return RSAKey.import_key({**key.as_dict(private=True), "kid": key.thumbprint()})


class Handler(BaseHTTPRequestHandler):
    def __init__(self, provider: Provider, *args: Any) -> None:
        self.provider = provider
        super().__init__(*args)

    def do_GET(self) -> None:
        self._answer({"/.well-known/openid-configuration": "discovery", "/jwks": "jwks", "/authorize": "authorize"})

    def do_POST(self) -> None:
        self._answer({"/token": "token", "/control": "control"})

    def _answer(self, known: dict[str, str]) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path)
        name = known.get(path.path, "")
        where, _, how = self.provider.behave.partition(":")
        if where == name and how == "hang":
            threading.Event().wait(30)
        elif where == name and how in ANSWERS:
            self._write(*ANSWERS[how], {"Location": "http://169.254.169.254/"} if how == "moved" else {})
        elif name in ("discovery", "jwks"):
            self._write(200, json.dumps(getattr(self.provider, name)()).encode(), {})
        elif name == "control":
            self._write(200, json.dumps(self.provider.control(json.loads(body))).encode(), {})
        elif name:
            sent = body.decode() if self.command == "POST" else path.query
            asked = Asked(self.command, f"{self.provider.url}{self.path}", self.headers, dict(parse_qsl(sent)))
            authorize, token = self.provider.authorize, self.provider.create_token_response
            self._write(*(authorize if name == "authorize" else token)(asked))
        else:
            self._write(404, b"{}", {})

    def _write(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


def main() -> None:
    provider = Provider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, provider))
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    print(provider.url, flush=True)
    threading.Thread(target=end_with_input, args=[server], daemon=True).start()
    server.serve_forever()


def end_with_input(server: ThreadingHTTPServer) -> None:
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
