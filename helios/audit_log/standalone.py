"""Verifies an exported audit log: `python3 verify.py` in the unpacked archive. Needs Python's standard library only.

Checks that each file is the one of the manifest, that each key was put in by one before it, that the events make up
the tree whose root each checkpoint signs, that each event's proof leads to the last root, and that the table says what
the events say. To be sure that the log
is the one that was written at its time, compare checkpoints.jsonl with those that were anchored outside of the bank's
database. Exit code 0: all of it holds, 1: something does not, 2: wrong usage.

Ed25519 after RFC 8032, section 6 (for verification, where time need not be constant).
"""

from __future__ import annotations

import base64
import csv
import io
import json
import sys
from dataclasses import dataclass
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

FORMAT = "helioscs-audit-export/1"
FILES = {
    "events.jsonl",
    "events.csv",
    "checkpoints.jsonl",
    "keys.json",
    "key_changes.jsonl",
    "proofs.jsonl",
    "verify.py",
}
COLUMNS = ("position", "occurred_at", "action", "actor_type", "actor_id", "subject_type", "subject_id", "detail", "id")

WRONG = (ValueError, LookupError, TypeError, AttributeError, OSError)
"""What comes of a file that was changed."""

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]


def verify_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) of `message` was made with the private half of `public` (32 bytes)."""
    key, commitment = decompress(public), decompress(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= ORDER:
        return False
    challenge = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % ORDER
    return same(multiply(scalar, BASE), add(commitment, multiply(challenge, key)))


def add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, point: Point) -> Point:
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def same(one: Point, other: Point) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % P == 0 and (one[1] * other[2] - other[1] * one[2]) % P == 0


def decompress(raw: bytes) -> Point | None:
    if len(raw) != 32:
        return None
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def recover_x(y: int, sign: int) -> int | None:
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0) or 0
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def roots_by_size(leaves: list[bytes], sizes: set[int]) -> dict[int, bytes]:
    """The root of the first n leaves for each n in `sizes`."""
    subtrees: list[tuple[int, bytes]] = []
    roots = {}
    for count, leaf in enumerate(leaves, start=1):
        size, root = 1, leaf
        while subtrees and subtrees[-1][0] == size:
            size, root = 2 * size, node(subtrees.pop()[1], root)
        subtrees.append((size, root))
        if count in sizes:
            whole = subtrees[-1][1]
            for _, left in reversed(subtrees[:-1]):
                whole = node(left, whole)
            roots[count] = whole
    return roots


def root_from_proof(leaf: bytes, position: int, size: int, path: list[bytes]) -> bytes | None:
    last, root = size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if position % 2 or position == last:
            root = node(sibling, root)
            while position % 2 == 0 and position:
                position, last = position // 2, last // 2
        else:
            root = node(root, sibling)
        position, last = position // 2, last // 2
    return root if last == 0 else None


def check(folder: Path) -> tuple[int, int]:
    """(events, checkpoints). Raises one of `WRONG` with the first thing that does not hold."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    check_files(folder, manifest)
    events = lines(folder / "events.jsonl")
    leaves = [sha256(b"\x00" + event).digest() for event in events]
    keys = read_keys(json.loads((folder / "keys.json").read_bytes()), read_lines(folder / "key_changes.jsonl"))
    signed = dict(read_note(note, keys) for note in read_lines(folder / "checkpoints.jsonl"))
    roots = roots_by_size(leaves, set(signed))
    if not signed:
        raise ValueError("checkpoints.jsonl is empty: nothing signs these events")
    for size in sorted(signed):
        if roots.get(size) != signed[size]:
            raise ValueError(f"the first {size} events are not those that checkpoint {size} signs")
    if not events or max(signed) != len(events):
        raise ValueError(f"there are {len(events)} events, and the last checkpoint signs {max(signed)}")
    if (manifest["events"], keys[0].name) != (len(events), f"helioscs/audit/{manifest['tenant_id']}"):
        raise ValueError("the manifest tells of another log, or of another number of events")
    check_proofs(read_lines(folder / "proofs.jsonl"), leaves, roots[len(events)])
    if (folder / "events.csv").read_bytes() != table(events):
        raise ValueError("events.csv is not the table of the events")
    return len(events), len(signed)


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    if manifest["format"] != FORMAT or set(manifest["files"]) != FILES:
        raise ValueError(f"the manifest is none of {FORMAT}")
    for name, digest in manifest["files"].items():
        if sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise ValueError(f"{name} is not the file of the manifest")


def check_proofs(proofs: list[Any], leaves: list[bytes], root: bytes) -> None:
    if len(proofs) != len(leaves):
        raise ValueError("there is not one proof for each event")
    for position, (leaf, proof) in enumerate(zip(leaves, proofs, strict=True)):
        path = [bytes.fromhex(each) for each in proof["path"]]
        told = {"position": position, "size": len(leaves), "path": [each.hex() for each in path]}
        if proof != told or root_from_proof(leaf, position, len(leaves), path) != root:
            raise ValueError(f"the proof of event {position} does not lead to the root")


def table(events: list[bytes]) -> bytes:
    """events.csv: what an examiner opens must say what was signed."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for position, raw in enumerate(events):
        event = json.loads(raw)
        who = [event[one][part] for one in ("actor", "subject") for part in ("type", "id")]
        detail = json.dumps(event["detail"], sort_keys=True)
        writer.writerow((position, event["occurred_at"], event["action"], *who, detail, event["id"]))
    return out.getvalue().encode()


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in lines(path)]


def lines(path: Path) -> list[bytes]:
    *whole, rest = path.read_bytes().split(b"\n")
    if rest:
        raise ValueError(f"{path.name} has no end")
    return whole


@dataclass
class Key:
    """`above`, `until`: it signs checkpoints of more entries than the one, and of the other at most."""

    version: int
    name: str
    public: bytes
    above: int = 0
    until: float = float("inf")
    revoked: bool = False

    def signed(self, name: str, message: str, signature: bytes) -> bool:
        named = sha256(name.encode() + b"\n\x01" + self.public).digest()[:4]
        return named == signature[:4] and verify_signature(self.public, message.encode(), signature[4:])


def read_keys(texts: list[str], changes: list[str]) -> list[Key]:
    """The log's keys, oldest first. Each but the first must have been put in by one before it."""
    if len(changes) != len(texts) - 1:
        raise ValueError(f"there are {len(texts)} keys, and {len(changes)} were put in after the first")
    keys = [read_key(texts[0], 1)]
    for text, change in zip(texts[1:], changes, strict=True):
        message, signature = read_signed(change)
        name, version, public, above, by = message.splitlines()
        key = read_key(text, int(version))
        key.above = int(above)
        by, _, revoked = by.partition(" ")
        before = next((each for each in keys if each.version == int(by) and not each.revoked), None)
        if before is None or base64.b64decode(public) != key.public or not before.signed(name, message, signature):
            raise ValueError(f"key {version} was not put in by a key before it")
        if name != key.name.replace("/audit/", "/audit-key/") or key.name != before.name:
            raise ValueError(f"key {version} is of another log")
        before.until, before.revoked = key.above, bool(revoked)
        keys.append(key)
    return keys


def read_key(text: str, version: int) -> Key:
    name, hashed, body = text.split("+", 2)
    raw = base64.b64decode(body)
    if raw[:1] != b"\x01" or sha256(name.encode() + b"\n" + raw).digest()[:4].hex() != hashed:
        raise ValueError(f"{text} is not an Ed25519 key")
    return Key(version, name, raw[1:])


def read_signed(note: str) -> tuple[str, bytes]:
    """The text that was signed, and 4 bytes of the key's hash with the signature."""
    message, _, line = note.partition("\n\n")
    dash, name, signature = line.removesuffix("\n").split(" ")
    signed = base64.b64decode(signature, validate=True)
    if (dash, name) != ("\u2014", message.partition("\n")[0]) or base64.b64encode(signed).decode() != signature:
        raise ValueError(f"{name} signs what is not its own, or in no way that it does")
    return message + "\n", signed


def read_note(note: str, keys: list[Key]) -> tuple[int, bytes]:
    message, signature = read_signed(note)
    name, size, root = message.splitlines()
    key = next((each for each in keys if each.signed(name, message, signature)), None)
    if key is None or name != key.name:
        raise ValueError(f"the signature of checkpoint {size} does not hold")
    if not key.above < int(size) <= key.until:
        raise ValueError(f"checkpoint {size} is signed by key {key.version}, which does not sign those")
    return int(size), base64.b64decode(root)


def main() -> int:
    if any(each.startswith("-") for each in sys.argv[1:]) or len(sys.argv) > 2:
        print(f"{__doc__}\nUsage: python3 verify.py [FOLDER], the one that it is in where none is named.")  # noqa: T201
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    try:
        events, checkpoints = check(folder)
    except WRONG as error:
        print(f"BAD: {error}")  # noqa: T201
        return 1
    print(f"good: {events} events under {checkpoints} signed checkpoints")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
