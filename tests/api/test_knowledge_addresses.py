"""Handing in addresses: what is taken, what is refused, and what becomes of a page that cannot be reached."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.api.problems import assert_problem
from tests.caller import Api
from tests.knowledge_editing import SOURCES, ingested

SITEMAPS = "/v1/knowledge/sitemaps"


async def test_an_address_becomes_a_version_that_tells_how_its_fetching_ended(api: Api) -> None:
    """No name of `.example` has an address (RFC 6761)."""
    url, editor = f"https://{uuid4().hex}.example/fees", await api.staff("knowledge_editor")
    first = await api.http.post(SOURCES, json={"url": url}, headers=editor)
    assert (first.status_code, first.json()["status"], first.json()["title"]) == (202, "ingesting", url)
    done = await ingested(api, first.json())
    assert (done["status"], done["failure"]["code"]) == ("failed", "unreachable")
    again = await api.http.post(SOURCES, json={"url": url}, headers=editor)
    assert (again.status_code, again.json()["source_id"]) == (200, first.json()["source_id"])


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://[::1]/", "http://2130706433/", "http://bank.example:22/"])
@pytest.mark.parametrize("route", [SOURCES, SITEMAPS])
async def test_an_address_that_is_not_public_is_refused_at_once(api: Api, route: str, url: str) -> None:
    refused = await api.http.post(route, json={"url": url}, headers=await api.staff("knowledge_editor"))
    assert_problem(refused, 422, code="invalid_request")
    assert refused.json()["errors"][0]["pointer"] == "/url"


async def test_a_sitemap_is_listed_until_it_is_removed(api: Api) -> None:
    editor = await api.staff("knowledge_editor")
    made = await api.http.post(SITEMAPS, json={"url": f"https://{uuid4().hex}.example/map.xml"}, headers=editor)
    assert made.status_code == 202
    listed = (await api.http.get(SITEMAPS, headers=editor)).json()["items"]
    assert made.json()["id"] in [each["id"] for each in listed]
    removed = await api.http.delete(f"{SITEMAPS}/{made.json()['id']}", headers=editor)
    assert removed.status_code == 204
    gone = await api.http.delete(f"{SITEMAPS}/{made.json()['id']}", headers=editor)
    assert_problem(gone, 404, code="not_found")
