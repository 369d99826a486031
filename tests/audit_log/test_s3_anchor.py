"""Checkpoints in a bucket with object lock: signed requests, locked objects, and nothing that can be hidden."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from helios.audit_log.anchors import anchor_of
from helios.audit_log.s3 import S3Anchor, S3Error, Signer
from helios.settings import Settings
from tests.audit_log.s3_server import Bucket, bucket

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # of AWS's own documentation
KEY_ID = "AKIAIOSFODNN7EXAMPLE"


@pytest.fixture
def held() -> Iterator[Bucket]:
    with bucket("bank-audit", KEY_ID, SECRET, "eu-central-1") as running:
        yield running


def anchor(held: Bucket, **other: Any) -> S3Anchor:
    where = {
        "audit_anchor_s3_url": f"{held.url}/{held.name}/helios/log",
        "audit_anchor_s3_region": held.region,
        "audit_anchor_s3_key_id": KEY_ID,
        "audit_anchor_s3_secret": SECRET,
    }
    made = anchor_of(Settings(**{**where, **other}))
    assert isinstance(made, S3Anchor)
    return made


def test_a_request_is_signed_as_aws_documents_it() -> None:
    """GET Object in "Examples: Signature Calculations in AWS Signature Version 4"."""
    signed = Signer(KEY_ID, SECRET, "us-east-1").sign(
        "GET", "examplebucket.s3.amazonaws.com", "/test.txt", "", {"range": "bytes=0-9"}, b"",
        datetime(2013, 5, 24, tzinfo=UTC),
    )  # fmt: skip
    signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert signed["authorization"].endswith(f"Signature={signature}")


async def test_checkpoints_are_locked_and_read_again_in_their_order(held: Bucket) -> None:
    tenant, other = uuid4(), uuid4()
    held.page = 2
    notes = [f"helioscs/audit/{tenant}\n{size}\nümlaut/+=\n" for size in (9, 10, 3, 7, 8)]
    for note in notes:
        await anchor(held).add(tenant, note)
    await anchor(held).add(other, "another's")
    await anchor(held).add(tenant, "an erasure", "erasures")
    assert await anchor(held).notes(tenant) == notes
    assert await anchor(held).notes(tenant, "erasures") == ["an erasure"]
    assert await anchor(held).notes(uuid4()) == []
    for key, body, lock in held.versions[:5]:
        assert key.startswith(f"helios/log/{tenant}/")
        assert body.decode() in notes
        assert lock["x-amz-object-lock-mode"] == "COMPLIANCE"
        until = datetime.fromisoformat(lock["x-amz-object-lock-retain-until-date"])
        assert timedelta(days=2_556) < until - datetime.now(UTC) < timedelta(days=2_558)


async def test_a_delete_marker_or_an_object_put_over_another_hides_nothing(held: Bucket) -> None:
    tenant = uuid4()
    await anchor(held).add(tenant, "one\n")
    key, *_ = held.versions[0]
    held.hidden.add(key)
    held.versions.append((key, b"forged", {}))
    assert await anchor(held).notes(tenant) == ["one\n"]
    held.versions.append((f"helios/log/{tenant}/no note", b"", {}))
    assert await anchor(held).notes(tenant) == ["one\n", "no note of ours\n"]


@pytest.mark.parametrize(
    ("says", "other"),
    [
        ([(503, b"<Error><Code>SlowDown</Code></Error>")], {}),
        ([(200, b"<html>")], {}),
        ([(200, b"<ListBucketResult/>")], {}),
        ([], {"audit_anchor_s3_secret": "of somebody else"}),
        ([], {"audit_anchor_s3_region": "us-east-1"}),
        ([], {"audit_anchor_s3_url": "http://127.0.0.1:1/bank-audit"}),
    ],
)
async def test_a_bucket_that_fails_is_an_error_without_the_secret(
    held: Bucket, says: list[tuple[int, bytes]], other: dict[str, Any]
) -> None:
    """As a missing anchor, never as an empty one: that would verify against nothing."""
    held.says = says
    with pytest.raises(S3Error) as failed:
        await anchor(held, **other).notes(uuid4())
    assert SECRET not in str(failed.value)
