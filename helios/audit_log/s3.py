"""Notes in an S3-compatible bucket with object lock: until the lock ends nobody removes one, its owner included.

Each is an object whose name holds the whole note, so that a listing is enough to verify. All *versions* are listed: a
delete marker or an object put over another hides nothing. Requests are signed with Signature Version 4
(docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID
from xml.etree.ElementTree import Element

import httpx
from defusedxml.ElementTree import ParseError, fromstring

from helios.audit_log.anchors import Kept
from helios.settings import Settings

TIMEOUT_S: Final = 5.0
EMPTY: Final = hashlib.sha256(b"").hexdigest()
NOT_OURS: Final = "no note of ours\n"


class S3Error(OSError):
    """The bucket did not do it. The text holds no key."""


class S3Anchor:
    def __init__(self, config: Settings) -> None:
        at = urlsplit(config.audit_anchor_s3_url)
        self._host, self._base = at.netloc, f"{at.scheme}://{at.netloc}"
        bucket, _, prefix = at.path.strip("/").partition("/")
        self._bucket, self._prefix = f"/{bucket}", f"{prefix}/" if prefix else ""
        self._signer = Signer(
            config.audit_anchor_s3_key_id,
            config.audit_anchor_s3_secret.get_secret_value(),
            config.audit_anchor_s3_region,
        )
        self._kept = timedelta(days=config.audit_anchor_s3_lock_days)

    async def add(self, tenant_id: UUID, note: str, kept: Kept = "checkpoints") -> None:
        now = datetime.now(UTC)
        body = note.encode()
        name = f"{now:%Y%m%dT%H%M%S.%f}.{base64.urlsafe_b64encode(body).decode()}"
        locked = {
            "content-md5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
            "if-none-match": "*",
            "x-amz-object-lock-mode": "COMPLIANCE",
            "x-amz-object-lock-retain-until-date": f"{now + self._kept:%Y-%m-%dT%H:%M:%SZ}",
        }
        await self._ask("PUT", f"{self._bucket}/{self._folder(tenant_id, kept)}{name}", {}, locked, body)

    async def notes(self, tenant_id: UUID, kept: Kept = "checkpoints") -> list[str]:
        """In the order in which they were added."""
        prefix, names = self._folder(tenant_id, kept), set[str]()
        after: dict[str, str] = {}
        while True:
            query = {"versions": "", "prefix": prefix, "encoding-type": "url", **after}
            page = _read(await self._ask("GET", self._bucket, query, {}, b""))
            names.update(unquote(_text(each, "Key")) for each in page.iterfind("{*}Version"))
            if _text(page, "IsTruncated") != "true":
                return [_note(name.removeprefix(prefix)) for name in sorted(names)]
            after = {"key-marker": unquote(_text(page, "NextKeyMarker")),
                     "version-id-marker": _text(page, "NextVersionIdMarker")}  # fmt: skip

    def _folder(self, tenant_id: UUID, kept: Kept) -> str:
        return f"{self._prefix}{tenant_id}/" if kept == "checkpoints" else f"{self._prefix}{kept}/{tenant_id}/"

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> bytes:
        path = quote(path, safe="/-_.~")
        asked = canonical_query(query)
        signed = self._signer.sign(method, self._host, path, asked, headers, body, datetime.now(UTC))
        url = f"{self._base}{path}{'?' if asked else ''}{asked}"
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_S) as http:
                answer = await http.request(method, url, headers=signed, content=body or None)
        except httpx.HTTPError as error:
            raise S3Error(f"the anchor's bucket does not answer: {type(error).__name__}") from None
        if answer.status_code != 200:
            raise S3Error(f"the anchor's bucket answers {method} with {answer.status_code}")
        return answer.content


class Signer:
    """AWS Signature Version 4 in the `Authorization` header, for S3."""

    def __init__(self, key_id: str, secret: str, region: str) -> None:
        self._key_id, self._secret, self._region = key_id, secret, region

    def sign(
        self, method: str, host: str, path: str, query: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> dict[str, str]:
        """The headers to send. `path` and `query` are encoded as they are sent."""
        moment = f"{now:%Y%m%dT%H%M%SZ}"
        digest = hashlib.sha256(body).hexdigest()
        sent = {**headers, "host": host, "x-amz-content-sha256": digest, "x-amz-date": moment}
        names = ";".join(sorted(sent))
        lines = "".join(f"{name}:{sent[name].strip()}\n" for name in sorted(sent))
        request = "\n".join((method, path, query, lines, names, digest))
        scope = f"{moment[:8]}/{self._region}/s3/aws4_request"
        text = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()))
        key = f"AWS4{self._secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"AWS4-HMAC-SHA256 Credential={self._key_id}/{scope},SignedHeaders={names},Signature={signature}"
        return {**sent, "authorization": credential}


def canonical_query(query: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='-_.~')}={quote(query[name], safe='-_.~')}" for name in sorted(query))


def _read(body: bytes) -> Element:
    try:
        page: Element = fromstring(body)
    except ParseError:
        raise S3Error("the anchor's bucket answers with no listing") from None
    if not page.tag.endswith("ListVersionsResult"):
        raise S3Error("the anchor's bucket answers with no listing of versions")
    return page


def _text(element: Element, name: str) -> str:
    return element.findtext(f"{{*}}{name}") or ""


def _note(name: str) -> str:
    """What is no note of ours stays what it is: the verifier says so."""
    try:
        return base64.urlsafe_b64decode(name.split(".", 2)[2]).decode()
    except (ValueError, IndexError):
        return NOT_OURS
