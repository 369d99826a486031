"""Makes the generators that `HELIOS_LLM` names. Which one is asked next is the workflow's decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import SecretStr

from helios.llm.base import Generator
from helios.llm.breaker import Breaker, GuardedGenerator
from helios.llm.remote import SdkGenerator
from helios.settings import Settings

if TYPE_CHECKING:
    from helios.models.embedder import TextEncoder
    from helios.models.intent import IntentClassifier

NAMES = ("openai", "anthropic", "offline")


class GeneratorConfigError(ValueError):
    """A generator cannot be made from the settings. The message names the variable to set, never a value of a key."""


def build(
    name: str, settings: Settings, encoder: TextEncoder | None = None, intents: IntentClassifier | None = None
) -> Generator:
    """The generator of that name; a remote one behind a breaker of this process. Raises GeneratorConfigError.

    `encoder` and `intents` are for the offline generator, which weighs the parts of a question with them.
    """
    check(name, settings)
    if name == "offline":
        from helios.offline import OfflineGenerator

        return OfflineGenerator(encoder, settings.offline_words_per_s, intents)
    breaker = Breaker(settings.llm_breaker_failures, settings.llm_breaker_open_s)
    return GuardedGenerator(_remote(name, settings), breaker)


def build_chain(
    settings: Settings, encoder: TextEncoder | None = None, intents: IntentClassifier | None = None
) -> tuple[Generator, ...]:
    """Every generator of the process's chain, in order. Raises GeneratorConfigError."""
    return tuple(build(name, settings, encoder, intents) for name in check_chain(settings))


def check_chain(settings: Settings) -> tuple[str, ...]:
    """The chain's names, if all of them can be made; loads nothing heavy. Raises GeneratorConfigError."""
    names = settings.generator_chain()
    if len(set(names)) != len(names):
        raise GeneratorConfigError("HELIOS_LLM names a generator twice")
    for name in names:
        check(name, settings)
    return names


def check(name: str, settings: Settings) -> None:
    """That the settings have what this generator needs. Raises GeneratorConfigError."""
    if name not in NAMES:
        raise GeneratorConfigError(f"HELIOS_LLM: unknown generator {name[:40]!r}; known are {', '.join(NAMES)}")
    if name == "openai":
        _require_key(settings.openai_api_key, "OPENAI_API_KEY", name)
    if name == "anthropic":
        _require_key(settings.anthropic_api_key, "ANTHROPIC_API_KEY", name)


def address_of(name: str, settings: Settings) -> tuple[str, ...]:
    """The generator, the server that it asks and the model: what makes its answers another's."""
    if name == "openai":
        return name, settings.openai_base_url or "", settings.openai_model
    if name == "anthropic":
        return name, settings.anthropic_base_url or "", settings.anthropic_model
    return (name,)


def _remote(name: str, settings: Settings) -> SdkGenerator:
    if name == "openai":
        from helios.llm.openai import openai_generator

        return openai_generator(settings)
    from helios.llm.anthropic import anthropic_generator

    return anthropic_generator(settings)


def _require_key(key: SecretStr, variable: str, name: str) -> None:
    value = key.get_secret_value().strip()
    if not value:
        raise GeneratorConfigError(
            f"{name} needs a key: set {variable} (any word for a server that asks for none), "
            f"or leave {name} out of HELIOS_LLM"
        )
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise GeneratorConfigError(f"{variable} holds characters that no key has: check how it was copied")
