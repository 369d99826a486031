"""An S3 bucket with versions and object lock on loopback: it checks signatures by itself, from what came in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tests.outside import Asked, outside

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/s3/aws4_request,\s*"
    r"SignedHeaders=([\w;-]+),\s*Signature=(\w{64})"
)


@dataclass
class Bucket:
    name: str
    key_id: str
    secret: str
    region: str
    url: str = ""
    versions: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    """Key, content and lock, oldest first. A version is never taken out."""
    hidden: set[str] = field(default_factory=set)
    """Keys behind a delete marker: a plain listing has them not, a listing of versions has."""
    page: int = 1000
    says: list[tuple[int, bytes]] = field(default_factory=list)

    def signed(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bool:
        found = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if found is None or (found[1], found[3]) != (self.key_id, self.region):
            return False
        at, names = urlsplit(target), found[4].split(";")
        pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(at.query, True))
        needed = {"host", *(name for name in headers if name.startswith("x-amz-"))}
        if not needed <= set(names) or headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
            return False
        asked = [method, at.path, "&".join(f"{k}={v}" for k, v in pairs)]
        asked += [f"{name}:{headers[name].strip()}" for name in names] + ["", found[4], headers["x-amz-content-sha256"]]
        scope = f"{found[2]}/{self.region}/s3/aws4_request"
        digest = hashlib.sha256("\n".join(asked).encode()).hexdigest()
        key = b"AWS4" + self.secret.encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{digest}"
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == found[5]

    def put(self, key: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        lock = {name: value for name, value in headers.items() if name.startswith("x-amz-object-lock")}
        if lock and headers.get("content-md5") != base64.b64encode(hashlib.md5(body).digest()).decode():
            return 400, b"<Error><Code>InvalidRequest</Code></Error>"
        if headers.get("if-none-match") == "*" and any(key == known for known, _, _ in self.versions):
            return 412, b"<Error><Code>PreconditionFailed</Code></Error>"
        self.versions.append((key, body, lock))
        return 200, b""

    def list_versions(self, query: dict[str, str]) -> bytes:
        found = sorted(
            (key, str(number)) for number, (key, _, _) in enumerate(self.versions) if key.startswith(query["prefix"])
        )
        after = (query.get("key-marker", ""), query.get("version-id-marker", ""))
        rest = [each for each in found if each > after]
        shown, more = rest[: self.page], len(rest) > self.page
        items = "".join(f"<Version><Key>{quote(k)}</Key><VersionId>{v}</VersionId></Version>" for k, v in shown)
        items += "".join(f"<DeleteMarker><Key>{quote(k)}</Key></DeleteMarker>" for k in sorted(self.hidden))
        last = shown[-1] if more else ("", "")
        items += f"<NextKeyMarker>{quote(last[0])}</NextKeyMarker><NextVersionIdMarker>{last[1]}</NextVersionIdMarker>"
        return (
            '<?xml version="1.0"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{items}</ListVersionsResult>"
        ).encode()

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        if self.says:
            return self.says.pop(0)
        if not self.signed(asked.method, asked.target, asked.headers, asked.body):
            return 403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>"
        at = urlsplit(asked.target)
        of, _, key = unquote(at.path).removeprefix("/").partition("/")
        if of != self.name:
            return 404, b"<Error><Code>NoSuchBucket</Code></Error>"
        if asked.method == "PUT":
            return self.put(key, asked.headers, asked.body)
        return 200, self.list_versions(dict(parse_qsl(at.query, True)))


@contextmanager
def bucket(name: str, key_id: str, secret: str, region: str) -> Iterator[Bucket]:
    held = Bucket(name, key_id, secret, region)
    with outside(held.answer) as held.url:
        yield held
