"""Handing in sources: ingestion that can be watched, duplicates, failures, files, lists."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from helios.database import Database
from tests.api.problems import assert_problem
from tests.caller import Api
from tests.knowledge_editing import SOURCES, decide, ingested, path, publish, search, submit

ARTICLE = """The Quokka savings plan pays 2.25 percent interest a year on balances up to 9,000 dollars.

## Opening it
You open the Quokka savings plan in the app under Savings. It takes 3 minutes.

## Closing it
You can close the Quokka savings plan at any time. The balance is paid out on the next business day.
"""


async def test_a_text_is_accepted_at_once_and_then_waits_for_review(api: Api) -> None:
    version = await submit(api, ARTICLE, tags=["savings"], category="savings")
    assert (version["status"], version["version"]) == ("ingesting", 1)
    done = await ingested(api, version)
    assert done["status"] == "pending_review"
    assert done["progress"]["step"] == "done"
    assert done["progress"]["chunks_done"] == done["progress"]["chunks_total"] == 3
    assert done["content"].startswith("The Quokka savings plan")
    assert (done["tags"], done["language"], done["visibility"]) == (["savings"], "en", "public")


async def test_nothing_of_it_is_found_before_it_is_approved(api: Api) -> None:
    word = f"Zorilla{uuid4().hex[:8]}"
    version = await ingested(api, await submit(api, f"The {word} account costs 4 dollars a month."))
    editor = await api.staff("knowledge_editor")
    assert not [each for each in await search(api, word, headers=editor) if word in each["text"]]
    assert (await decide(api, version, "approve")).status_code == 200
    assert word in (await search(api, word, headers=editor))[0]["text"]


async def test_the_same_content_again_is_no_new_version(api: Api) -> None:
    body = {"title": f"Numbat {uuid4().hex[:8]}", "text": "The Numbat card costs 3 dollars a year."}
    editor = await api.staff("knowledge_editor")
    first = await api.http.post(SOURCES, json=body, headers=editor)
    again = await api.http.post(SOURCES, json=body, headers=editor)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["source_id"] == first.json()["source_id"]
    assert (first.json()["duplicate"], again.json()["duplicate"]) == (False, True)


async def test_what_is_unchanged_is_not_encoded_again(api: Api) -> None:
    first = await ingested(api, await submit(api, ARTICLE))
    changed = ARTICLE.replace("3 minutes", "4 minutes")
    same = {"title": first["title"], "source_id": first["source_id"]}
    second = await ingested(api, await submit(api, changed, **same))
    assert second["version"] == 2
    assert second["progress"]["chunks_reused"] == 2
    assert second["progress"]["chunks_done"] == 3


async def test_a_slug_names_the_source_whose_next_version_it_is(api: Api) -> None:
    slug = f"bilby-{uuid4().hex[:8]}"
    first = await submit(api, "The Bilby loan has no fee.", slug=slug)
    second = await submit(api, "The Bilby loan has a fee of 5 dollars.", slug=slug)
    other = await submit(api, "Das Bilby-Darlehen hat keine Gebühr.", slug=slug, language="de")
    assert (second["source_id"], second["version"]) == (first["source_id"], 2)
    assert other["source_id"] != first["source_id"]


@pytest.mark.parametrize(
    ("content", "code"), [("# Only headings\n## No text\n", "empty"), ("MZ\x90\x00\x03\x00", "not_text")]
)
async def test_a_file_without_text_fails_with_a_code_and_leaves_nothing(
    api: Api, database: Database, tenant_id: Any, content: str, code: str
) -> None:
    files = {"file": (f"{uuid4().hex}.md", content.encode("latin-1"))}
    answer = await api.http.post(SOURCES, files=files, headers=await api.staff("knowledge_editor"))
    failed = await ingested(api, answer.json())
    assert (failed["status"], failed["failure"]["code"], failed["content"]) == ("failed", code, "")
    assert_problem(await decide(api, failed, "approve"), code="version_conflict")
    where = {"t": tenant_id, "s": failed["source_id"]}
    async with database.tenant(tenant_id) as connection:
        left = await connection.execute(
            text("SELECT count(*) FROM chunks WHERE tenant_id = :t AND source_id = :s"), where
        )
        assert left.scalar_one() == 0


async def test_a_file_is_uploaded_as_a_form(api: Api) -> None:
    page = "<html><head><title>x</title><script>bad()</script></head><body><h1>Dingo fees</h1><p>The Dingo account "
    page += "costs 7 dollars.</p><table><tr><th>Card</th><td>2 dollars</td></tr></table></body></html>"
    name = f"dingo-fees-{uuid4().hex[:8]}"
    answer = await api.http.post(
        SOURCES,
        files={"file": (f"{name}.html", page.encode())},
        data={"visibility": "internal", "tags": "fees, dingo"},
        headers=await api.staff("knowledge_editor"),
    )
    assert answer.status_code == 202, answer.text
    done = await ingested(api, answer.json())
    assert (done["title"], done["visibility"], done["tags"]) == (name.replace("-", " "), "internal", ["fees", "dingo"])
    assert "# Dingo fees" in done["content"]
    assert "Card | 2 dollars" in done["content"]
    assert "bad()" not in done["content"]


async def test_files_of_other_kinds_are_refused(api: Api) -> None:
    editor = await api.staff("knowledge_editor")
    answer = await api.http.post(SOURCES, files={"file": ("run.exe", b"MZ")}, headers=editor)
    assert_problem(answer, code="unsupported_media_type")
    answer = await api.http.post(SOURCES, files={"file": ("fees.pdf", b"MZ")}, headers=editor)
    (error,) = assert_problem(answer, 422, code="invalid_request")["errors"]
    assert error == {"pointer": "/file/content", "detail": "is not the kind of file that its name says"}


@pytest.mark.parametrize(
    "body",
    [
        {"title": "No text"},
        {"title": "Both", "text": "x", "file": {"name": "a.md", "content": "eA=="}},
        {"title": "Not base64", "file": {"name": "a.md", "content": "!!"}},
        {"title": "Past", "text": "x", "expires_at": "2020-01-01T00:00:00Z"},
        {"title": "A number", "text": "x", "expires_at": 1_900_000_000},
        {"title": "No zone", "text": "x", "effective_at": "2027-01-01T00:00:00"},
        {"title": "Address", "text": "x", "url": "javascript:alert(1)"},
    ],
)
async def test_what_cannot_be_is_refused(api: Api, body: dict[str, Any]) -> None:
    answer = await api.http.post(SOURCES, json=body, headers=await api.staff("knowledge_editor"))
    assert_problem(answer, code="invalid_request")


async def test_a_card_number_in_a_document_is_masked_before_it_is_kept(
    api: Api, database: Database, tenant_id: Any
) -> None:
    version = await ingested(api, await submit(api, "Never write 4111 1111 1111 1111 into an e-mail."))
    assert "4111 1111 1111 1111" not in version["content"]
    where = {"t": tenant_id, "s": version["source_id"]}
    async with database.tenant(tenant_id) as connection:
        kept = await connection.execute(
            text("SELECT original_ct IS NULL FROM knowledge_versions WHERE tenant_id = :t AND source_id = :s"), where
        )
        assert kept.scalar_one(), "the original is gone once its text was taken out"


async def test_sources_are_listed_by_what_they_are(api: Api) -> None:
    tag = f"tag-{uuid4().hex[:8]}"
    version = await publish(api, "The Wombat bond runs for 2 years.", tags=[tag])
    approver = await api.staff("knowledge_approver")
    for asked, found in (
        ({}, 1),
        ({"status": "published"}, 1),
        ({"status": "failed"}, 0),
        ({"visibility": "internal"}, 0),
    ):
        answer = await api.http.get(SOURCES, params={"tag": tag, **asked}, headers=approver)
        assert len(answer.json()["items"]) == found, asked
    source = (await api.http.get(f"{SOURCES}/{version['source_id']}", headers=approver)).json()
    assert (source["published_version"], source["newest_status"], source["tags"]) == (1, "published", [tag])


async def test_customers_neither_hand_in_nor_read(api: Api) -> None:
    customer = await api.customer()
    assert_problem(await api.http.get(SOURCES, headers=customer.headers), code="forbidden")
    assert_problem(
        await api.http.post(SOURCES, json={"title": "x", "text": "x"}, headers=customer.headers), code="forbidden"
    )


async def test_a_deleted_source_is_gone_for_everybody(api: Api) -> None:
    word = f"Potoroo{uuid4().hex[:8]}"
    version = await publish(api, f"The {word} account has no fee.")
    approver = await api.staff("knowledge_approver")
    where = f"{SOURCES}/{version['source_id']}"
    assert_problem(await api.http.delete(where, headers=await api.staff("knowledge_editor")), code="forbidden")
    assert (await api.http.delete(where, headers=approver)).status_code == 204
    for gone in (where, path(version), f"{path(version)}/diff"):
        assert_problem(await api.http.get(gone, headers=approver), code="not_found")
    assert not [each for each in await search(api, word, headers=approver) if word in each["text"]]
