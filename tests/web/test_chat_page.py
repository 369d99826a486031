"""The chat while the connection, the server or the answer breaks: nothing is lost, doubled or left behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from playwright.async_api import Page, expect

from tests.web.chat_page import ChatPage
from tests.web.fake_api import FakeApi


@pytest.fixture
async def chat(page: Page, api_url: str) -> ChatPage:
    return await ChatPage(page, api_url).open()


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.02)


async def test_a_message_is_answered_with_words_as_they_come(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("What does cash cost abroad?")
    api.stage("retrieval")
    await expect(chat.status).to_have_text("Looking it up…")
    api.stage("generation")
    api.delta("m1", 1, "It costs ")
    await expect(chat.answers).to_contain_text("It costs")
    await expect(chat.answers).to_have_attribute("data-state", "streaming")
    api.delta("m1", 2, "3.50 dollars.")
    api.complete("m1", "It costs 3.50 dollars.")
    await expect(chat.answers.locator(".text")).to_have_text("It costs 3.50 dollars.")
    await expect(chat.answers).to_have_attribute("data-state", "complete")
    await expect(chat.status).to_have_count(0)


@pytest.mark.parametrize("size", [1, 7])
async def test_a_stream_in_crumbs_is_the_same_stream(page: Page, api: FakeApi, size: int) -> None:
    """Chunks end inside of lines and of characters."""
    api.chunk_bytes = size
    chat = await ChatPage(page, api.url).open()
    await chat.sent("Grüße 👋")
    api.delta("m1", 1, "Übergröße 👋🏽 ")
    api.delta("m1", 2, "שלום")
    api.complete("m1", "Übergröße 👋🏽 שלום")
    await expect(chat.answers.locator(".text")).to_have_text("Übergröße 👋🏽 שלום")


async def test_a_cut_stream_resumes_after_the_last_event(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Hello")
    for n in range(1, 9):
        api.delta("m1", n, f"{n} ")
        await expect(chat.answers).to_contain_text(f"{n}")
        offset = api.events[-1][0]
        api.cut()
        connected = len(api.called("GET", "/events"))
        await until(lambda seen=connected: len(api.called("GET", "/events")) > seen)  # type: ignore[misc]
        assert api.called("GET", "/events")[-1].headers["last-event-id"] == offset
    api.complete("m1", "1 2 3 4 5 6 7 8")
    await expect(chat.answers.locator(".text")).to_have_text("1 2 3 4 5 6 7 8")
    await expect(chat.answers).to_have_count(1)


async def test_events_that_come_twice_change_nothing(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Hello")
    api.delta("m1", 1, "One. ")
    api.delta("m1", 2, "Two. ")
    for _, type_, data in list(api.events):
        api.emit(type_, data)
    api.delta("m1", 3, "Three.")
    await expect(chat.answers.locator(".text")).to_have_text("One. Two. Three.")
    api.complete("m1", "One. Two. Three.")
    for _, type_, data in list(api.events):
        api.emit(type_, data)
    api.delta("m2", 1, "Next.")
    await expect(chat.answers.locator(".text")).to_have_text(["One. Two. Three.", "Next."])
    await expect(chat.notices).to_have_count(1)
    await expect(chat.said).to_have_count(1)


async def test_another_attempt_replaces_the_words_of_the_one_that_died(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Hello")
    api.delta("m1", 1, "The dead worker said ")
    await expect(chat.answers).to_contain_text("dead worker")
    api.reset("m1", attempt=2)
    await expect(chat.answers).to_have_count(0)
    api.delta("m1", 2, "and goes on saying", attempt=1)
    api.delta("m1", 1, "The other one ", attempt=2)
    api.delta("m1", 2, "answers.", attempt=2)
    await expect(chat.answers.locator(".text")).to_have_text("The other one answers.")
    api.complete("m1", "The other one answers.")
    await expect(chat.answers).to_have_attribute("data-state", "complete")
    await expect(chat.answers.locator(".text")).to_have_text("The other one answers.")


async def test_words_of_a_new_attempt_never_join_those_of_an_old_one(chat: ChatPage, api: FakeApi) -> None:
    """The reset itself was lost."""
    await chat.sent("Hello")
    api.delta("m1", 1, "Old. ")
    api.delta("m1", 1, "New.", attempt=2)
    await expect(chat.answers.locator(".text")).to_have_text("New.")


async def test_what_was_taken_back_leaves_no_trace(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Hello")
    api.delta("m1", 1, "Something that must not stay.")
    await expect(chat.answers).to_have_count(1)
    api.reset("m1", attempt=2)
    api.complete("m2", "A person checks this first.", outcome="held")
    await expect(chat.answers.locator(".text")).to_have_text("A person checks this first.")
    assert "must not stay" not in await chat.log.inner_text()
    await expect(chat.answers.locator(".thumb")).to_have_count(0)


async def test_the_completed_message_wins_over_lost_words(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Hello")
    api.delta("m1", 1, "Begin ")
    api.delta("m1", 3, "end.")
    api.complete("m1", "Begin, middle, end.")
    api.delta("m1", 4, " And more.")
    api.say("Done.", turn=0)
    await expect(chat.notices).to_have_count(2)
    await expect(chat.answers.locator(".text")).to_have_text("Begin, middle, end.")


async def test_a_short_loss_is_not_mentioned_and_a_longer_one_is(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Hello")
    api.fail("GET", "/events", 503)
    api.cut()
    await until(lambda: len(api.called("GET", "/events")) >= 3)
    assert await chat.connection.count() == 0
    assert await chat.spoken.get_by_text("Reconnecting").count() == 0

    api.fail("GET", "/events", 503, times=1_000)
    lost_at = time.monotonic()
    api.cut()
    await expect(chat.connection).to_have_text("Reconnecting…")
    assert time.monotonic() - lost_at >= 1.9
    api.faults.clear()
    api.delta("m1", 1, "Back.")
    await expect(chat.answers).to_contain_text("Back.", timeout=20_000)
    await expect(chat.connection).to_have_count(0)


async def test_tries_come_apart_while_the_server_is_away(chat: ChatPage, api: FakeApi) -> None:
    api.fail("GET", "/events", 503, times=1_000)
    before = len(api.called("GET", "/events"))
    api.cut()
    await asyncio.sleep(4)
    assert 2 <= len(api.called("GET", "/events")) - before <= 7


async def test_a_stream_waits_as_long_as_it_is_told(chat: ChatPage, api: FakeApi) -> None:
    api.fail("GET", "/events", 429, headers={"Retry-After": "2"})
    before = len(api.called("GET", "/events"))
    api.cut()
    await until(lambda: len(api.called("GET", "/events")) == before + 2)
    refused, taken = api.called("GET", "/events")[-2:]
    assert taken.at - refused.at >= 2


async def test_the_server_goes_away_in_the_middle_and_comes_back(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Hello")
    api.delta("m1", 1, "Half ")
    await expect(chat.answers).to_contain_text("Half")
    await api.stop()
    bubble = await chat.say("Are you there?")
    await expect(bubble).to_have_attribute("data-state", "waiting")
    await expect(bubble).to_contain_text("We'll send it as soon as we can.")
    await api.start()
    await expect(bubble).to_have_attribute("data-state", "sent", timeout=20_000)
    api.reset("m1", attempt=2)
    api.delta("m1", 1, "Whole.", attempt=2)
    api.complete("m1", "Whole.")
    await expect(chat.answers.locator(".text")).to_have_text("Whole.", timeout=20_000)
    assert [message["content"] for message in api.messages if message["role"] == "customer"] == [
        "Hello",
        "Are you there?",
    ]


async def test_an_answer_that_got_lost_makes_no_second_message(chat: ChatPage, api: FakeApi) -> None:
    api.fail("POST", "/messages", 503, lose_answer=True, headers={"Retry-After": "1"})
    bubble = await chat.say("Only once, please")
    await expect(bubble).to_contain_text("We'll send it as soon as we can.")
    await expect(bubble).to_have_attribute("data-state", "sent")
    sent = api.called("POST", "/messages")
    assert len(sent) == 2
    assert sent[0].body == sent[1].body
    api.complete("m1", "Once.")
    await expect(chat.answers).to_have_count(1)
    await expect(chat.said).to_have_count(1)


async def test_too_many_messages_wait_their_time_in_order(chat: ChatPage, api: FakeApi) -> None:
    api.fail("POST", "/messages", 429, headers={"Retry-After": "2"}, detail="Too many messages. Wait a moment.")
    first = await chat.say("First")
    second = await chat.say("Second")
    third = await chat.say("Third")
    await expect(first).to_contain_text("Too many messages. Wait a moment.")
    for bubble in (first, second, third):
        await expect(bubble).to_have_attribute("data-state", "sent")
    calls = api.called("POST", "/messages")
    assert calls[1].at - calls[0].at >= 2
    assert [call.body["content"] for call in calls] == ["First", "First", "Second", "Third"]
    assert len({call.body["client_message_id"] for call in calls}) == 3


async def test_a_refused_text_says_why_and_can_be_edited(chat: ChatPage, api: FakeApi) -> None:
    api.fail("POST", "/messages", 422, detail="The message holds characters that can't be stored.")
    bubble = await chat.say("Bad text")
    await expect(bubble).to_have_attribute("data-state", "failed")
    await expect(bubble).to_contain_text("Not sent. The message holds characters that can't be stored.")
    await bubble.get_by_role("button", name="Edit").click()
    await expect(chat.said).to_have_count(0)
    await expect(chat.input).to_have_value("Bad text")
    await expect(chat.input).to_be_focused()


async def test_what_was_not_sent_is_sent_again_under_its_id(chat: ChatPage, api: FakeApi) -> None:
    api.fail("POST", "/messages", 403, detail="Not now.", code="forbidden")
    bubble = await chat.say("Try me")
    await expect(bubble).to_contain_text("Not sent. Not now.")
    await chat.sent("Something else")
    await bubble.get_by_role("button", name="Try again").click()
    await expect(bubble).to_have_attribute("data-state", "sent")
    calls = [call.body for call in api.called("POST", "/messages") if call.body["content"] == "Try me"]
    assert len(calls) == 2
    assert calls[0] == calls[1]
    await expect(chat.said.locator("p")).to_have_text(["Something else", "Try me"])


async def test_a_token_that_ended_is_replaced_without_a_word(chat: ChatPage, api: FakeApi) -> None:
    api.refused_tokens = {"token-1"}
    await chat.sent("Hello")
    assert api.called("POST", "/messages")[-1].headers["authorization"] == "Bearer token-2"
    api.cut()
    await until(lambda: len(api.called("GET", "/events")) == 2)
    api.delta("m1", 1, "Still here.")
    await expect(chat.answers).to_contain_text("Still here.")
    assert api.called("GET", "/events")[-1].headers["authorization"] == "Bearer token-2"


async def test_a_stream_that_ends_with_its_token_goes_on_with_the_next_without_a_word(
    chat: ChatPage, api: FakeApi
) -> None:
    await chat.sent("Hello")
    api.refused_tokens = {"token-1"}
    api.emit("error", {"status": 401, "code": "unauthenticated", "detail": "The access token has ended."})
    api.cut()
    await until(lambda: len(api.called("GET", "/events")) >= 2 and len(api.tokens) == 2)
    api.delta("m1", 1, "Still here.")
    await expect(chat.answers).to_contain_text("Still here.")
    await expect(chat.page.get_by_text("The access token has ended.")).to_have_count(0)


async def test_a_token_is_replaced_before_it_ends(page: Page, api: FakeApi) -> None:
    api.token_lasts_s = 2
    chat = await ChatPage(page, api.url).open()
    assert api.tokens == ["token-1"]
    await page.wait_for_timeout(1_700)
    await chat.sent("Hello")
    assert api.tokens == ["token-1", "token-2"]


async def test_no_token_ever_stands_in_an_address(page: Page, api: FakeApi) -> None:
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    chat = await ChatPage(page, api.url).open()
    await chat.sent("Hello")
    assert any("/events" in address for address in addresses)
    assert not [address for address in addresses if "token" in address]


async def test_a_refresh_takes_up_the_conversation_where_it_was(chat: ChatPage, api: FakeApi) -> None:
    api.mask = {"My card is 4111 1111 1111 1111": "My card is ****"}
    await chat.sent("Hello")
    api.complete("m1", "Good day.")
    await chat.sent("My card is 4111 1111 1111 1111")
    api.delta("m2", 1, "Half ")
    await expect(chat.answers).to_have_count(2)
    await chat.page.reload()
    await expect(chat.panel).to_be_visible()
    await expect(chat.said.locator("p")).to_have_text(["Hello", "My card is ****"])
    await expect(chat.answers.locator(".text")).to_have_text(["Good day.", "Half"])
    await chat.page.wait_for_timeout(600)
    api.complete("m2", "Half and half.")
    await expect(chat.answers.locator(".text")).to_have_text(["Good day.", "Half and half."])
    assert len(api.called("POST", "/v1/conversations")) == 1
    # What was said before the refresh is not read out again.
    await expect(chat.spoken).to_contain_text("Half and half.")
    assert "Good day." not in await chat.spoken.inner_text()


async def test_what_was_masked_on_the_way_is_masked_on_screen(chat: ChatPage, api: FakeApi) -> None:
    api.mask = {"My card is 4111 1111 1111 1111": "My card is ****"}
    bubble = await chat.sent("My card is 4111 1111 1111 1111")
    await expect(bubble).to_have_count(1)
    api.say("We removed a card number from your message.")
    await expect(chat.said.locator("p")).to_have_text("My card is ****")
    assert "4111" not in await chat.log.inner_text()


async def test_a_conversation_that_is_gone_makes_place_for_a_new_one(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Hello")
    api.forget()
    api.cut()
    await chat.page.reload()
    await expect(chat.notices).to_have_count(1)
    await expect(chat.said).to_have_count(0)
    await chat.sent("Hello again")


async def test_opening_twice_or_in_trouble_makes_one_conversation(page: Page, api: FakeApi) -> None:
    api.fail("POST", "/v1/conversations", 503, lose_answer=True, headers={"Retry-After": "1"})
    chat = await ChatPage(page, api.url).open()
    await chat.sent("Hello")
    calls = api.called("POST", "/v1/conversations")
    assert len(calls) == 2
    assert calls[0].headers["idempotency-key"] == calls[1].headers["idempotency-key"]
    assert len(api.created_by) == 1


async def test_what_is_written_before_the_conversation_stands_is_sent_when_it_does(page: Page, api: FakeApi) -> None:
    api.fail("POST", "/v1/conversations", 503, headers={"Retry-After": "3"})
    chat = ChatPage(page, api.url)
    await page.goto(chat.url)
    await chat.launcher.click()
    bubble = await chat.say("I could not wait")
    await expect(chat.connection).to_have_text("Connecting…")
    await expect(bubble).to_have_attribute("data-state", "sent")
    await expect(chat.connection).to_have_count(0)


async def test_nothing_is_asked_of_the_server_before_the_chat_is_opened(page: Page, api: FakeApi) -> None:
    asked = len(api.calls)
    await page.goto(f"{api.url}/chat")
    await expect(page.locator("helios-chat button.launcher")).to_be_visible()
    await page.wait_for_load_state("networkidle")
    assert not [call for call in api.calls[asked:] if call.path.startswith(("/v1/", "/demo/"))]


async def test_a_stopped_answer_stays_as_it_was(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Tell me everything")
    api.stage("generation")
    api.delta("m1", 1, "Once upon a time")
    await chat.chat.get_by_role("button", name="Stop").click()
    await until(lambda: len(api.called("POST", "/stop")) == 1)
    api.complete("m1", "Once upon a time", outcome="stopped")
    await expect(chat.answers.locator(".text")).to_have_text("Once upon a time")
    await expect(chat.chat.get_by_role("button", name="Stop")).to_have_count(0)


async def test_an_action_that_does_not_succeed_says_why(chat: ChatPage, api: FakeApi) -> None:
    api.fail("POST", "/escalate", 409, detail="A person is already on the way.", code="conflict")
    await chat.chat.get_by_role("button", name="Talk to a person").click()
    await expect(chat.chat.get_by_role("alert")).to_contain_text("A person is already on the way.")
    await expect(chat.chat.get_by_role("button", name="Talk to a person")).to_be_enabled()


async def test_feedback_survives_a_failure_and_is_given_once(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Hello")
    api.complete("m1", "Good day.")
    api.fail("POST", "/feedback", 503, lose_answer=True, headers={"Retry-After": "0"})
    await chat.answers.get_by_role("button", name="This helped").click()
    await until(lambda: len(api.called("POST", "/feedback")) == 2)
    first, second = api.called("POST", "/feedback")
    assert first.body == second.body == {"rating": 5, "helpful": True, "message_id": "m1"}
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    await expect(chat.spoken).to_contain_text("Thank you for telling us.")
    await expect(chat.answers.get_by_role("button", name="This helped")).to_have_attribute("aria-pressed", "true")
