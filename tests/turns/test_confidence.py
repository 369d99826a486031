"""A tenant that would rather ask back than be wrong, on the real stack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.caller import Api


async def set_least(api: Api, tenant_id: UUID, least: float | None) -> httpx.Response:
    admin, path = await api.staff("admin"), f"/v1/tenants/{tenant_id}/settings"
    version = (await api.http.get(path, headers=admin)).headers["etag"]
    return await api.http.patch(path, json={"confidence_least": least}, headers={**admin, "If-Match": version})


@pytest.fixture
async def careful(api: Api, tenant_id: UUID) -> AsyncIterator[Api]:
    """The demo bank, sure of nothing."""
    assert (await set_least(api, tenant_id, 0.99)).status_code == 200
    yield api
    assert (await set_least(api, tenant_id, None)).status_code == 200


async def reply_to(api: Api, question: str) -> dict[str, Any]:
    customer = await (await api.customer()).open()
    reply: dict[str, Any] = (await customer.say(question)).json()["reply"]
    return reply


async def test_an_answer_tells_how_probably_it_is_right(api: Api) -> None:
    sure = await reply_to(api, "What does it cost to send money abroad?")
    unsure = await reply_to(api, "What is the capital of France?")
    assert 0.7 < sure["confidence"] < 1
    assert unsure["confidence"] == 0
    assert (await reply_to(api, "Hello!"))["confidence"] is None


async def test_below_the_tenants_least_the_customer_is_asked_what_is_meant(careful: Api) -> None:
    reply = await reply_to(careful, "What does it cost to send money abroad?")
    assert reply["outcome"] == "answered"
    assert "Sending money abroad" in reply["content"]
    assert "Is it about" in reply["content"]
    assert (reply["confidence"], reply["citations"]) == (0, [])


async def test_who_is_asked_back_twice_is_offered_a_person(careful: Api) -> None:
    customer = await (await careful.customer()).open()
    for question in ("What does it cost to send money abroad?", "How do I block my card?"):
        await customer.say(question)
    notices = [each["content"] for each in await customer.messages() if each["role"] == "system"]
    assert any("person" in notice or "colleague" in notice for notice in notices[1:]), notices


async def test_a_greeting_is_answered_however_careful_the_tenant_is(careful: Api) -> None:
    assert "Is it about" not in (await reply_to(careful, "Good morning"))["content"]


@pytest.mark.parametrize("least", [-0.1, 1.1, "half"])
async def test_a_least_that_is_no_share_is_refused(api: Api, tenant_id: UUID, least: Any) -> None:
    assert (await set_least(api, tenant_id, least)).status_code == 422
