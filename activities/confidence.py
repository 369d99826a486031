"""Before anything is generated: what the passages say to the question, and whether that is enough for the tenant."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from activities.resources import Resources
from helios.knowledge.confidence import confidence, look_into, without_answer
from helios.llm.base import Generator, Prompt
from helios.offline import OfflineGenerator, courtesy_of


async def looked_into(resources: Resources, prompt: Prompt) -> tuple[Prompt, float | None]:
    """The prompt with its selection, and how probably, 0..1, an answer is right; None where nothing is asked."""
    if courtesy_of(prompt) is not None:
        return prompt, None
    prompt = await asyncio.to_thread(_look, resources, prompt)
    support = prompt.selection.support if prompt.selection else 0.0
    return prompt, round(confidence(support, prompt.language), 4)


def is_unsure(confidence: float | None, least: float) -> bool:
    """Whether the tenant, who wants `least`, would rather ask back."""
    return confidence is not None and confidence < least


def asked_back(prompt: Prompt) -> tuple[Generator, Prompt]:
    """Who asks what is meant, or offers a person, and of what: no model is asked."""
    return OfflineGenerator(), without_answer(prompt)


def _look(resources: Resources, prompt: Prompt) -> Prompt:
    vector = resources.encoder.embed([prompt.question])[0]
    return look_into(replace(prompt, question_vector=vector), resources.encoder, resources.intents)
