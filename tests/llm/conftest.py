"""Prompts and generators for the tests of the providers, aimed at the local provider server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from helios.llm.base import Passage, PastMessage, Prompt
from helios.llm.remote import SdkGenerator
from helios.settings import Settings
from tests.llm.provider_server import ProviderServer, provider_server
from tests.llm.provider_wire import Provider

FAKE_KEY = "sk-SECRET-KEY-0123456789"


def passage(text: str = "Replacing a card costs 5 euros. It takes 3 days.", title: str = "Lost cards") -> Passage:
    """A passage with a made-up id."""
    return Passage(
        chunk_id=UUID(int=1), source_id=UUID(int=2), version=3, title=title, text=text, language="en", score=0.8
    )


def make_prompt(**changed: Any) -> Prompt:
    """A prompt with one passage, and the fields that a test names."""
    fields: dict[str, Any] = {
        "bank_name": "Demo Bank",
        "language": "en",
        "question": "SECRET-WORDS: what does a new card cost?",
        "question_vector": None,
        "passages": (passage(),),
        "history": (PastMessage("customer", "Hello"), PastMessage("assistant", "Hello. How can I help? [2]")),
    }
    return Prompt(**{**fields, **changed})


def make_settings(server: ProviderServer | None = None, **changed: Any) -> Settings:
    """Settings with fake keys and short waits, aimed at a server."""
    fields: dict[str, Any] = {
        "openai_api_key": SecretStr(FAKE_KEY),
        "openai_base_url": server.openai_base_url if server else None,
        "anthropic_api_key": SecretStr(FAKE_KEY),
        "anthropic_base_url": server.anthropic_base_url if server else None,
        "llm_first_token_timeout_s": 5.0,
        "llm_idle_timeout_s": 5.0,
    }
    return Settings(**{**fields, **changed})


def make_generator(provider: Provider, settings: Settings) -> SdkGenerator:
    """A provider's generator without a breaker."""
    if provider == "openai":
        from helios.llm.openai import openai_generator

        return openai_generator(settings)
    from helios.llm.anthropic import anthropic_generator

    return anthropic_generator(settings)


@pytest.fixture
async def server() -> AsyncIterator[ProviderServer]:
    """A provider server of the test's own."""
    async with provider_server() as state:
        yield state


@pytest.fixture(params=["openai", "anthropic"])
def provider(request: pytest.FixtureRequest) -> Provider:
    """Each provider in turn."""
    name: Provider = request.param
    return name
