"""The chat page as its visitor uses it."""

from __future__ import annotations

from playwright.async_api import Locator, Page, expect


class ChatPage:
    def __init__(self, page: Page, api_url: str) -> None:
        self.page = page
        self.url = f"{api_url}/chat"
        self.chat = page.locator("helios-chat")
        self.launcher = self.chat.locator("button.launcher")
        self.panel = self.chat.get_by_role("dialog")
        self.log = self.chat.get_by_role("log")
        self.input = self.chat.locator("textarea")
        self.said = self.chat.locator(".message.customer:visible")
        self.answers = self.chat.locator(".message.assistant:visible")
        self.notices = self.chat.locator(".message.system:visible")
        self.status = self.chat.locator(".status-text:visible")
        self.spoken = self.chat.locator("[aria-live=polite]")
        self.connection = self.chat.locator(".connection:visible")

    async def open(self) -> ChatPage:
        await self.page.goto(self.url)
        await self.launcher.click()
        await expect(self.notices).to_have_count(1)
        return self

    async def say(self, text: str) -> Locator:
        """Writes and sends; returns the bubble."""
        await self.input.fill(text)
        await self.input.press("Enter")
        return self.said.filter(has_text=text)

    async def sent(self, text: str) -> Locator:
        bubble = await self.say(text)
        await expect(bubble).to_have_attribute("data-state", "sent")
        return bubble
