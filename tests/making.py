"""Makes what operations are about, by the public API, and waits until it is at rest."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from tests.caller import Api


async def done_replay(api: Api, admin: dict[str, str]) -> str:
    """One that is done."""
    made = (await api.http.post("/v1/policies/replay", json={"version": 1, "turns": 1}, headers=admin)).json()
    async with asyncio.timeout(30):
        while (await api.http.get(f"/v1/policies/replays/{made['id']}", headers=admin)).json()["status"] == "running":
            await asyncio.sleep(0.1)
    return str(made["id"])


async def cleaned_change(api: Api, admin: dict[str, str]) -> str:
    """A change to the local embedder, which asks nobody: it is in force, and nothing more comes of it."""
    changes = "/v1/knowledge/embedder-changes"
    made = (await api.http.post(changes, json={"embedder": "local"}, headers=admin)).json()
    async with asyncio.timeout(60):
        while (await api.http.get(f"{changes}/{made['id']}", headers=admin)).json()["cleaned_at"] is None:
            await asyncio.sleep(0.1)
    return str(made["id"])


SUITE = "name: {name}\ncases:\n  - {{name: fee, message: What is the fee?, expect: {{outcome: declined}}}}\n"


async def added_suite(api: Api, admin: dict[str, str], name: str | None = None) -> str:
    """A suite with one case, under a name of its own."""
    body = {"document": SUITE.format(name=name or f"s{uuid4().hex}")}
    return await created(api, admin, "/v1/evaluations/suites", body)


async def done_evaluation(api: Api, admin: dict[str, str]) -> str:
    """A run that is done."""
    asked = {"suite_id": await added_suite(api, admin), "draft": {}}
    made = (await api.http.post("/v1/evaluations/runs", json=asked, headers=admin)).json()
    async with asyncio.timeout(60):
        while (await api.http.get(f"/v1/evaluations/runs/{made['id']}", headers=admin)).json()["status"] == "running":
            await asyncio.sleep(0.1)
    return str(made["id"])


async def looked_at_sitemap(api: Api, admin: dict[str, str]) -> str:
    """One that was looked at, and is not again for a day."""
    url = f"https://{uuid4().hex}.example/sitemap.xml"
    made = (await api.http.post("/v1/knowledge/sitemaps", json={"url": url}, headers=admin)).json()
    async with asyncio.timeout(60):
        while True:
            listed = (await api.http.get("/v1/knowledge/sitemaps", headers=admin)).json()["items"]
            if next(each for each in listed if each["id"] == made["id"])["checked_at"]:
                return str(made["id"])
            await asyncio.sleep(0.1)


async def running_ticket(api: Api, admin: dict[str, str]) -> str:
    """A ticket whose clock runs, and whose agent has a draft: nothing of it changes by itself any more."""
    customer = await (await api.customer()).open()
    said = await customer.say("There is a charge of 240 dollars on my card that I did not make.")
    assert said.json()["outcome"] == "escalated", said.text
    escalation = f"/v1/escalations/{(await customer.get()).json()['escalation_id']}"
    async with asyncio.timeout(30):
        while True:
            asked = (await api.http.get(escalation, headers=admin)).json()
            ticket = (await api.http.get(f"/v1/tickets/{asked['tickets'][0]['id']}", headers=admin)).json()
            if asked["draft"] and ticket["clock_started_at"]:
                return str(ticket["id"])
            await asyncio.sleep(0.1)


async def drafted(api: Api, admin: dict[str, str], drafts: int) -> str:
    """The number of the newest of that many drafts."""
    bodies = {
        "/v1/policies": {"situations": [{"number": 6, "queue": "ombudsman"}]},
        "/v1/redaction-rules": {"kinds": [{"kind": "EMAIL", "operator": "mask"}]},
    }
    asked = list(bodies.items()) * drafts
    answers = [await api.http.post(path, json=body, headers=admin) for path, body in asked]
    assert all(answer.status_code == 201 for answer in answers), answers[-1].text
    return str(answers[-1].json()["version"])


async def privacy_things(api: Api, admin: dict[str, str]) -> dict[str, str]:
    """A request that nobody has verified, a hold, and the record of somebody who was erased."""
    held, gone = await api.customer(), await (await api.customer()).open()
    asked = {"kind": "erasure", "customer_id": held.id}
    erased = {"kind": "erasure", "customer_id": gone.id, "verification": {"method": "document"}}
    made = await created(api, admin, "/v1/privacy/requests", erased)
    async with asyncio.timeout(60):
        while (await api.http.get(f"/v1/privacy/requests/{made}", headers=admin)).json()["status"] != "done":
            await asyncio.sleep(0.1)
    records = await api.http.get("/v1/privacy/records", params={"customer_id": gone.id}, headers=admin)
    return {
        "request_id": await created(api, admin, "/v1/privacy/requests", asked),
        "hold_id": await created(api, admin, "/v1/privacy/legal-holds", {"customer_id": held.id, "matter": "A case"}),
        "record_id": records.json()["items"][0]["id"],
        "customer_id": held.id,
    }


async def created(api: Api, admin: dict[str, str], path: str, body: dict[str, Any]) -> str:
    answer = await api.http.post(path, json=body, headers=admin)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])
