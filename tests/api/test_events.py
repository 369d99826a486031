"""Nothing changes without its event: every operation that writes is done once, and what it left in the log is read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pyotp
import pytest

from helios import invitations
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.identity import resets
from helios.keyring import Keyring
from tests.analytics.gaps import ask, look
from tests.api.operations import Operation, operations
from tests.api.signing import bearer, signed_in
from tests.caller import Api, Customer
from tests.embedders.embedding_server import EmbeddingServer, failing
from tests.knowledge_editing import ingested, submit
from tests.making import SUITE
from tests.neighbour import PASSWORD, Neighbour, make_neighbour

ROLES = ("admin", "supervisor", "agent", "knowledge_approver", "compliance_officer")
WRITING = {str(each): each for each in operations() if each.method != "GET"}
EXCEPTED = {
    "POST /v1/knowledge/search": "reads",
    "POST /v1/redaction-rules/try": "reads",
    "POST /codec/encode": "reads",
    "POST /codec/decode": "reads, and what it shows is an event all the same: test_codec.py",
    "POST /codec/session": "sets a cookie",
    "POST /v1/auth/stream-tickets": "a ticket of 30 s in Valkey",
    "POST /v1/auth/sso/link": "needs a provider to sign in with: test_sso.py",
    "POST /v1/auth/sso/token": "needs a provider to sign in with: test_sso.py",
    "POST /v1/auth/sso/logout": "needs a provider to sign in with: test_sso.py",
    "POST /v1/conversations/{conversation_id}/stop": "ends a turn that runs, whose own event says `stopped`",
}
"""What needs no event, or cannot be done here, and why."""
TOLD_WITHIN_S = 30.0
FIRST = '"1"'
"""The version of settings that nobody has changed."""
BY_STEPS = {
    "turn.completed": "deliver",
    "escalation.opened": "open_escalation",
    "escalation.claimed": "apply_claim",
    "escalation.decided": "apply_decision",
    "ticket.opened": "deliver",
    "intents.trained": "train_intents",
    "knowledge.ingested": "finish_ingestion",
    "evaluation.done": "evaluate_next",
    "privacy_request.done": "write_export",
    "knowledge.follow_up_done": "tell_conversations",
    "conversation.corrected": "correct_conversation",
    "embedder.switched": "switch_embedder",
    "knowledge_gap.found": "group_questions",
    "knowledge_gap.solved": "look_for_answers",
}
"""What steps of workflows leave behind that the walk sets off, by the event."""
NONE = UUID(int=0)
EVENTS = """
    SELECT id, action FROM audits
    WHERE tenant_id = ANY($1) AND id > $2 AND actor_type <> 'system' AND action NOT LIKE 'access.%' ORDER BY id
"""
"""What is done behind a request is the system's, and the access log is no record of a change."""
OF_ACTIONS = "SELECT DISTINCT action FROM audits WHERE tenant_id = ANY($1) AND action = ANY($2)"


@dataclass(slots=True)
class Walk:
    """`silent`: what was done and left no event. `last`: the newest event that was read."""

    bank: Neighbour
    api: Api
    operator: Api
    log: asyncpg.Connection
    tenants: list[UUID]
    """Whose logs are read."""
    done: set[str] = field(default_factory=set)
    silent: list[str] = field(default_factory=list)
    last: UUID = NONE

    async def do(self, label: str, by: str | dict[str, str] = "admin", /, body: Any = None, **ids: Any) -> Any:
        """As somebody of that role, or with these headers. Returns the answer's JSON, if it is that."""
        operation: Operation = WRITING[label]
        headers = await self.staff(by) if isinstance(by, str) else by
        await self.new_events()
        answer = await self.api.http.request(
            operation.method, operation.fill({name: str(each) for name, each in ids.items()}),
            headers={"If-Match": FIRST, **headers}, json=body if body is not None or operation.body is None else {},
        )  # fmt: skip
        assert answer.status_code < 300, (label, answer.status_code, answer.text)
        read: Any = answer.json() if "json" in answer.headers.get("content-type", "") else None
        if label == "POST /v1/tenants":
            self.tenants.append(UUID(read["id"]))
        self.done.add(label)
        if not await self.told():
            self.silent.append(label)
        return read

    async def told(self) -> bool:
        """Whether an event came; soon at the latest, where a worker or what follows the answer writes it."""
        until = time.monotonic() + TOLD_WITHIN_S
        while not await self.new_events():
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.02)
        return True

    async def staff(self, role: str) -> dict[str, str]:
        return await (self.operator if role == "platform_admin" else self.api).staff(role)

    async def all_of(self, actions: Collection[str]) -> set[str]:
        """Those of these events that came, whoever wrote them: workers go on behind the walk."""
        until = time.monotonic() + TOLD_WITHIN_S
        while True:
            rows = await self.log.fetch(OF_ACTIONS, self.tenants, list(actions))
            found = {str(row["action"]) for row in rows}
            if found == set(actions) or time.monotonic() > until:
                return found
            await asyncio.sleep(0.05)

    async def new_events(self) -> list[str]:
        found = await self.log.fetch(EVENTS, self.tenants, self.last)
        self.last = found[-1]["id"] if found else self.last
        return [row["action"] for row in found]


@pytest.fixture
async def walk(
    stack: Stack, database: Database, keyring: Keyring, operator: Api, admin: asyncpg.Connection
) -> AsyncIterator[Walk]:
    bank = await make_neighbour(database, keyring.root, ROLES)
    async with bank.api(stack.servers.api_url) as api:
        yield Walk(bank, api, operator, admin, [bank.tenant_id])


async def test_every_operation_that_writes_leaves_an_event(
    walk: Walk, database: Database, keyring: Keyring, lab: EmbeddingServer
) -> None:
    versions = await _handed_in(walk)
    await _gap(walk)
    await _account(walk, database, keyring)
    await _staff(walk)
    await _rules(walk)
    await _intents(walk)
    await _evaluations(walk)
    await _conversation(walk)
    await _ticket(walk)
    await _privacy(walk)
    await _tenant(walk)
    await _knowledge(walk, versions)
    await _embedder(walk, lab)
    assert walk.silent == []
    assert await walk.all_of(BY_STEPS) == BY_STEPS.keys()
    assert walk.done == WRITING.keys() - EXCEPTED.keys()


async def _account(walk: Walk, database: Database, keyring: Keyring) -> None:
    """Of somebody who is invited, and at last forgets the password."""
    tenant, email = walk.bank.tenant_id, f"{uuid4().hex}@bank.example"
    async with database.tenant(tenant) as connection:
        keys = await keyring.tenant(tenant)
        invited = await invitations.create(connection, keys, email=email, roles=["agent"], actor=("system", None))
    made = {"invitation": invited.token, "display_name": "Nora New", "password": PASSWORD}
    await walk.do("POST /v1/auth/register", {}, made)
    known = {"tenant": walk.bank.slug, "email": email, "password": PASSWORD}
    signed = await walk.do("POST /v1/auth/login", {}, known)
    signed = await walk.do("POST /v1/auth/refresh", {}, {"refresh_token": signed["refresh_token"]})
    me = bearer(signed["access_token"])
    other = (await walk.api.http.post("/v1/auth/login", json=known)).json()
    await walk.do("DELETE /v1/auth/sessions/{session_id}", me, session_id=await _other_session(walk, me))
    changed = {"current_password": PASSWORD, "new_password": f"{PASSWORD} again"}
    await walk.do("POST /v1/auth/password/change", me, changed)
    secret = (await walk.do("POST /v1/auth/mfa/totp", me, {}))["secret"]
    codes = await walk.do("POST /v1/auth/mfa/totp/confirm", me, {"otp": pyotp.TOTP(secret).at(int(time.time()))})
    off = {"otp": codes["recovery_codes"][0]}
    await walk.do("DELETE /v1/auth/mfa/totp", me, off)
    await walk.do("POST /v1/auth/password/reset-request", {}, {"tenant": walk.bank.slug, "email": email})
    async with database.tenant(tenant) as connection:
        user = UUID((await walk.api.http.get("/v1/auth/me", headers=me)).json()["id"])
        token = await resets.create(connection, tenant, user)
    await walk.do("POST /v1/auth/logout", me)
    await walk.do("POST /v1/auth/password/reset", {}, {"token": token, "new_password": PASSWORD})
    other = (await walk.api.http.post("/v1/auth/login", json=known)).json()
    await walk.do("POST /v1/auth/logout-all", bearer(other["access_token"]))


async def _other_session(walk: Walk, me: dict[str, str]) -> str:
    sessions = (await walk.api.http.get("/v1/auth/sessions", headers=me)).json()["items"]
    return str(next(each["id"] for each in sessions if not each["current"]))


async def _staff(walk: Walk) -> None:
    invited = await walk.do("POST /v1/users", "admin", {"email": f"{uuid4().hex}@x.example", "roles": ["agent"]})
    await walk.do("DELETE /v1/invitations/{invitation_id}", invitation_id=invited["id"])
    someone = walk.bank.users["knowledge_approver"]
    await walk.api.http.post("/v1/auth/mfa/totp", headers=await signed_in(walk.api, "knowledge_approver"))
    await walk.do("POST /v1/users/{user_id}/mfa/reset", "admin", {}, user_id=someone)
    await walk.do("PATCH /v1/users/{user_id}", "admin", {"display_name": "Nora Other"}, user_id=someone)
    for verb in ("deactivate", "activate"):
        await walk.do(f"POST /v1/users/{{user_id}}/{verb}", user_id=someone)
    await walk.do("DELETE /v1/users/{user_id}", user_id=someone)
    await walk.do("POST /v1/users/{user_id}/restore", user_id=someone)
    key = await walk.do("POST /v1/api-keys", "admin", {"name": "mine", "scopes": ["customer_tokens"]})
    await walk.do("DELETE /v1/api-keys/{api_key_id}", api_key_id=key["id"])


async def _rules(walk: Walk) -> None:
    """Drafts by the one, decisions by another."""
    differing = {
        "policies": {"situations": [{"number": 6, "queue": "ombudsman"}]},
        "redaction-rules": {"kinds": [{"kind": "EMAIL", "operator": "mask"}]},
    }
    for rules, body in differing.items():
        # Without overrides a draft takes back what was published.
        for decision, asked in (("publish", body), ("reject", {})):
            version = (await walk.do(f"POST /v1/{rules}", "admin", asked))["version"]
            await walk.do(f"POST /v1/{rules}/{{version}}/{decision}", "compliance_officer", {}, version=version)
        published = version - 1
        second = (await walk.do(f"POST /v1/{rules}", "admin", {}))["version"]
        await walk.do(f"POST /v1/{rules}/{{version}}/publish", "compliance_officer", {}, version=second)
        await walk.do(f"POST /v1/{rules}/{{version}}/rollback", "compliance_officer", {}, version=published)
    await walk.do("POST /v1/policies/replay", "admin", {"version": second, "turns": 1})


async def _intents(walk: Walk) -> None:
    """A version that a worker has trained, and one that is taken back while it is."""
    intents = [{"name": name, "examples": [f"{name} {n}" for n in "abcde"]} for name in ("fees", "trees")]
    body, decide = {"base": "none", "intents": intents}, "POST /v1/intents/{version}"
    first, second = [(await walk.do("POST /v1/intents", "admin", body))["version"] for _ in range(2)]
    await walk.do(f"{decide}/reject", "compliance_officer", {}, version=second)
    async with asyncio.timeout(120):
        while (await _read(walk, f"/v1/intents/{first}"))["status"] == "draft":
            await asyncio.sleep(0.1)
    forced = {"force": True, "note": "A trial."}
    await walk.do(f"{decide}/publish", "compliance_officer", forced, version=first)
    await walk.do(f"{decide}/rollback", "compliance_officer", {}, version=1)


async def _evaluations(walk: Walk) -> None:
    """A suite that a worker runs, and its end."""
    path = "POST /v1/evaluations/suites"
    suite = await walk.do(path, "admin", {"document": SUITE.format(name="fees")})
    run = await walk.do("POST /v1/evaluations/runs", "admin", {"suite_id": suite["id"], "draft": {}})
    async with asyncio.timeout(60):
        while (await _read(walk, f"/v1/evaluations/runs/{run['id']}"))["status"] == "running":
            await asyncio.sleep(0.1)
    await walk.do("DELETE /v1/evaluations/suites/{suite_id}", "admin", suite_id=suite["id"])


async def _read(walk: Walk, path: str) -> Any:
    return (await walk.api.http.get(path, headers=await walk.staff("admin"))).json()


async def _handed_in(walk: Walk) -> list[dict[str, Any]]:
    """Three versions of an article, which a worker reads while the walk goes on."""
    first = await walk.do("POST /v1/knowledge/sources", "admin", {"title": "Fees", "text": "The fee is 5 euros."})
    more = {"by": "admin", "source_id": first["source_id"], "title": "Fees"}
    return [first, *[await submit(walk.api, f"The fee is {fee} euros.", **more) for fee in (6, 7)]]


async def _gap(walk: Walk) -> None:
    """What nothing answers until the article is approved, which the walk does later."""
    await ask(walk.api, *["What is the fee?"] * 3)
    (gap,) = await look(walk.api, lambda gaps: [each["customers"] for each in gaps] == [3], by="admin")
    path = "/v1/analytics/knowledge-gaps/{gap_id}"
    await walk.do(f"POST {path}/draft", gap_id=gap["id"])
    await walk.do(f"PUT {path}/status", "admin", {"status": "open"}, gap_id=gap["id"])


async def _knowledge(walk: Walk, versions: list[dict[str, Any]]) -> None:
    sitemap = await walk.do("POST /v1/knowledge/sitemaps", "admin", {"url": f"https://{uuid4().hex}.example/s.xml"})
    await walk.do("DELETE /v1/knowledge/sitemaps/{sitemap_id}", sitemap_id=sitemap["id"])
    source = {"source_id": versions[0]["source_id"]}
    path = "POST /v1/knowledge/sources/{source_id}"
    for version, decision in zip(versions, ("approve", "reject", "approve"), strict=True):
        number = (await ingested(walk.api, version, by="admin"))["version"]
        decide = f"{path}/versions/{{number}}/{decision}"
        await walk.do(decide, "knowledge_approver", {}, number=number, **source)
    await walk.do("POST /v1/analytics/knowledge-gaps/refresh")
    await look(walk.api, lambda gaps: [each["status"] for each in gaps] == ["solved"], by="admin")
    # What rests on the newest is followed up when that is withdrawn.
    await (await (await walk.api.customer()).open()).say("What is the fee?")
    await walk.do(f"{path}/rollback", "knowledge_approver", **source)
    for what in ("withdraw", "follow-ups"):
        await walk.do(f"{path}/versions/{{number}}/{what}", "knowledge_approver", {}, number=3, **source)
    await walk.do("DELETE /v1/knowledge/sources/{source_id}", **source)


async def _embedder(walk: Walk, lab: EmbeddingServer) -> None:
    path = "POST /v1/knowledge/embedder-changes"
    lab.behave(failing(429, Retry_After="600"))
    waiting = await walk.do(path, "admin", {"embedder": "lab"})
    await walk.do(f"{path}/{{change_id}}/cancel", "admin", change_id=waiting["id"])
    lab.behave()
    await walk.do(path, "admin", {"embedder": "local"})


async def _conversation(walk: Walk) -> None:
    key = {"X-API-Key": str(walk.api.demo["api_key"])}
    signed = await walk.do("POST /v1/customer-tokens", key, {"external_id": uuid4().hex})
    customer = Customer(walk.api, signed["access_token"], signed["customer_id"])
    here = {"conversation_id": (await walk.do("POST /v1/conversations", customer.headers, {}))["id"]}
    customer.conversation = here["conversation_id"]
    path = "POST /v1/conversations/{conversation_id}"
    # First: an escalation that a turn has opened already would be this one, too.
    await walk.do(f"{path}/escalate", customer.headers, {}, **here)
    await walk.do(f"{path}/messages", customer.headers, {"content": "What are the fees?"}, **here)
    await walk.do(f"{path}/feedback", customer.headers, {"rating": 4}, **here)
    async with asyncio.timeout(30):
        while not (escalation := (await customer.get()).json().get("escalation_id")):
            await asyncio.sleep(0.05)
    there = "POST /v1/escalations/{escalation_id}"
    await walk.do(f"{there}/claim", "agent", {}, escalation_id=escalation)
    await walk.do(f"{there}/release", "agent", {}, escalation_id=escalation)
    to = {"agent_id": str(walk.bank.users["agent"])}
    await walk.do(f"{there}/assign", "supervisor", to, escalation_id=escalation)
    await walk.do(f"{there}/decision", "agent", {"action": "resolve"}, escalation_id=escalation)
    await walk.do(f"{path}/close", customer.headers, {}, **here)
    await walk.do("DELETE /v1/customer-tokens/{customer_id}", key, customer_id=customer.id)


async def _ticket(walk: Walk) -> None:
    customer = await (await walk.api.customer()).open()
    await customer.say("There is a charge of 240 dollars on my card that I did not make.")
    headers = await walk.staff("agent")
    escalation = f"/v1/escalations/{(await customer.get()).json()['escalation_id']}"
    ticket = (await walk.api.http.get(escalation, headers=headers)).json()["tickets"][0]["id"]
    clock = {"clock": "investigation", "reason": "A merchant has to answer."}
    longer = {**clock, "provisional_credit": True}
    await walk.do("POST /v1/tickets/{ticket_id}/extend", "agent", longer, ticket_id=ticket)
    await walk.do("POST /v1/tickets/{ticket_id}/meet", "agent", clock, ticket_id=ticket)
    await walk.do("POST /v1/tickets/{ticket_id}/resolve", "agent", {"reason": "Refunded."}, ticket_id=ticket)


async def _privacy(walk: Walk) -> None:
    four_eyes = {"privacy_four_eyes": True, "sso": {"issuer": "https://id.bank.example", "client_id": "helios"}}
    await walk.do("PATCH /v1/tenants/{tenant_id}/settings", "admin", four_eyes, tenant_id=walk.bank.tenant_id)
    await walk.do("PUT /v1/privacy/retention", "compliance_officer", {"books": 7})
    held, asks = await walk.api.customer(), await walk.api.customer()
    hold = await walk.do("POST /v1/privacy/legal-holds", "admin", {"customer_id": held.id, "matter": "A case"})
    for decision, by in (("confirm", "compliance_officer"), ("release", "admin")):
        await walk.do(f"POST /v1/privacy/legal-holds/{{hold_id}}/{decision}", by, {}, hold_id=hold["id"])
    asked = {"kind": "access", "customer_id": asks.id}
    path = "POST /v1/privacy/requests"
    request = await walk.do(path, "admin", asked)
    await walk.do(f"{path}/{{request_id}}/verify", "admin", {"method": "document"}, request_id=request["id"])
    await walk.do(f"{path}/{{request_id}}/approve", "compliance_officer", {}, request_id=request["id"])
    request = await walk.do(path, "admin", {**asked, "customer_id": held.id})
    await walk.do(f"{path}/{{request_id}}/refuse", "admin", {"reason": "withdrawn"}, request_id=request["id"])
    await walk.do("POST /v1/audit/exports", "compliance_officer", {})


async def _tenant(walk: Walk) -> None:
    made = await walk.do("POST /v1/tenants", "platform_admin", {"slug": f"t{uuid4().hex[:12]}", "name": "New Savings"})
    here = {"tenant_id": made["id"]}
    path = "/v1/tenants/{tenant_id}"
    await walk.do(f"PATCH {path}", "platform_admin", {"name": "Newer Savings"}, **here)
    await walk.do(f"POST {path}/admins", "platform_admin", {"email": "first@new.example"}, **here)
    bank = {"tenant_id": walk.bank.tenant_id}
    await walk.do(f"PUT {path}/sso/client-secret", "admin", {"client_secret": "s" * 32}, **bank)
    await walk.do(f"DELETE {path}/sso/client-secret", "admin", **bank)
    await walk.do(f"POST {path}/suspend", "platform_admin", {}, **here)
    await walk.do(f"POST {path}/resume", "platform_admin", {}, **here)
    await walk.do(f"DELETE {path}", "platform_admin", **here)
    await walk.do(f"POST {path}/restore", "platform_admin", {}, **here)
