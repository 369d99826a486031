"""A draft that waits for a person: whole, cleaned, and never sent where nobody may send it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from temporalio.exceptions import ApplicationError

from activities import checking
from activities.answer import Answer, draft_record
from activities.deciding import deliver_decision
from activities.generation import _write
from activities.opening import DRAFT
from activities.reading import read_thread
from activities.resources import Resources
from activities.review import Gate, Standard
from helios.crypto import Keys
from helios.database import Database
from helios.detection.output import Context
from helios.detection.wording import Wording
from helios.keyring import Keyring
from helios.llm.base import Finished, Prompt, TextDelta
from helios.llm.prompting import MARKERS
from schema.steps import ConversationRef, Generate, TurnRef, Understanding
from tests.caller import Api

PASSAGES = ("Sending money abroad costs 5 dollars.",)
CARD = "4111 1111 1111 1111"


async def written(text: str, encode: Any = None) -> Answer:
    """What a model's words become, told one by one; `encode` asks the trained heads."""
    answer_context = Context(PASSAGES, language="en", prompt_markers=MARKERS, wording=encode and Wording(encode))

    async def stream(_: Any) -> AsyncIterator[Any]:
        for word in text.split(" "):
            yield TextDelta(f"{word} ")
        yield Finished("scripted", 1, 0, 1, True)

    scripted = SimpleNamespace(local=False, stream=stream)
    resources = cast(Resources, SimpleNamespace(generators={"scripted": scripted}))
    ref = TurnRef(uuid4(), uuid4(), 1)
    prompt = Prompt("Bank", "en", "Hello", None, (), ())
    answer = Answer(ref, uuid4(), 1, 1, prompt, Gate(Standard(answer_context, "en", 1)), 0, streams=False)
    work = Generate(ref, "scripted", Understanding(1, "begun"))
    keys = cast(Keys, SimpleNamespace(fingerprint=lambda *_: b""))
    await _write(resources, keys, work, answer)
    record = draft_record(keys, work, answer)
    assert record["reasons"] == (list(answer.refusal.reasons) if answer.refusal else [])
    return answer


async def test_no_word_is_lost_behind_the_window_that_was_held() -> None:
    said = "Sending money costs 7 dollars. I would not do it now, wait. Not today. Ask again."
    answer = await written(said)
    assert answer.refusal is not None
    assert answer.refusal.action == "hold"
    assert answer.withheld.split() == said.split()


async def test_whoever_approves_reads_what_would_be_sent() -> None:
    answer = await written(
        f"It costs 7 dollars. [1][4] See ![a](https://evil.test/p.png) and [b](https://evil.test/x), use {CARD} or "
        "write to bob@evil.test for \u202e05\u202c more of it."
    )
    assert answer.refusal is not None
    assert answer.refusal.reasons[0] == "output.figure"
    for gone in ("evil.test", CARD, "\u202e", "[4]", "!["):
        assert gone not in answer.withheld, answer.withheld
    assert "[1]" in answer.withheld
    assert {"CARD", "EMAIL_ADDRESS"} & answer.gate.redacted


async def test_what_may_never_be_sent_blocks_a_draft_that_was_held_before() -> None:
    answer = await written(f"It costs 7 dollars. {MARKERS[0]} That is all.")
    assert answer.refusal is not None
    assert answer.refusal.action == "block"
    assert {"output.figure", "output.prompt_marker"} <= set(answer.refusal.reasons)


async def test_draft_is_kept_clean_also_where_the_check_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(_: str) -> Any:
        raise RuntimeError("no encoder")

    said = f"You can order one in the app. Use {CARD} for it."
    answer = await written(said, down)
    assert answer.refusal is not None
    assert answer.refusal.reasons == (checking.CHECK_FAILED,)
    assert answer.withheld.strip() == said.replace(CARD, "[card ending 1111]")

    def no_cleaning(*_: Any) -> Any:
        raise RuntimeError("no mask")

    monkeypatch.setattr(checking, "cleaned", no_cleaning)
    assert (await written(said, down)).withheld == ""


async def approve(api: Api, database: Database, keyring: Keyring, tenant_id: UUID, draft: str) -> str:
    """What the customer of an escalation with this draft gets when it is approved."""
    customer = await (await api.customer()).open()
    await customer.say("How do I block my card?")
    async with database.tenant(tenant_id) as connection:
        keys = await keyring.conversation(tenant_id, UUID(customer.conversation))
        thread = await read_thread(connection, ConversationRef(tenant_id, UUID(customer.conversation)))
        escalation_id = uuid4()
        escalation = SimpleNamespace(
            id=escalation_id, turn=1, language="en", conversation_id=thread.id, draft_citations=[],
            draft_ct=keys.seal_text(draft, DRAFT, escalation_id),
        )  # fmt: skip
        decision = SimpleNamespace(id=uuid4(), action="approve", actor_id=uuid4())
        message_id, _ = await deliver_decision(connection, keys, thread, escalation, decision)
    said = {each["id"]: each["content"] for each in await customer.messages()}
    return cast(str, said[str(message_id)])


@pytest.mark.parametrize(
    "draft", [MARKERS[0], "I am a real human, you know.", "We guarantee that you get your money back."]
)
async def test_nobody_can_approve_what_no_person_may_write(
    api: Api, database: Database, keyring: Keyring, tenant_id: UUID, draft: str
) -> None:
    with pytest.raises(ApplicationError) as refused:
        await approve(api, database, keyring, tenant_id, f"Thank you. {draft}")
    assert refused.value.type == "blocked_by_policy"


async def test_a_figure_is_the_approvers_to_know_and_a_picture_is_not(
    api: Api, database: Database, keyring: Keyring, tenant_id: UUID
) -> None:
    draft = f"It costs 7 dollars. ![a](https://evil.test/p.png) Use {CARD} now."
    sent = await approve(api, database, keyring, tenant_id, draft)
    assert " ".join(sent.split()) == "It costs 7 dollars. a Use [card ending 1111] now."
