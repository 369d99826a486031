"""What a model is given to answer with, and what its answer is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from activities.masking import without_personal_data
from activities.resources import Resources
from activities.review import Standard
from helios.detection.output import Context
from helios.detection.wording import Wording
from helios.llm.base import Passage, PastMessage, Prompt
from helios.llm.prompting import MARKERS
from helios.rules.policy import Policy
from helios.rules.redaction import Applied


@dataclass(frozen=True, slots=True)
class Asked:
    """What a turn asks, as it was said, with the passages that may be shown.

    generators    that may read it: for a model outside more is taken out
    link_domains  hosts that an answer may link to
    """

    bank_name: str
    language: str
    question: str
    past: Sequence[tuple[Literal["customer", "assistant"], str]]
    passages: tuple[Passage, ...]
    situations: tuple[int, ...]
    generators: Sequence[str]
    link_domains: tuple[str, ...]


async def prepare(resources: Resources, asked: Asked, policy: Policy, applied: Applied) -> tuple[Prompt, Standard]:
    """The prompt, without personal data, and the standard of the answer."""
    texts = [*(words for _, words in asked.past), asked.question]
    *said, question = await without_personal_data(resources, texts, asked.language, asked.generators, applied)
    history = tuple(PastMessage(role, words) for (role, _), words in zip(asked.past, said, strict=True))
    prompt = Prompt(asked.bank_name, asked.language, question, None, asked.passages, history)
    context = Context(
        passages=tuple(passage.text for passage in asked.passages),
        question=question,
        situations=asked.situations,
        allowed_link_domains=asked.link_domains,
        language=asked.language,
        names=(asked.bank_name,),
        same_language=any(passage.language == asked.language for passage in asked.passages),
        prompt_markers=MARKERS,
        wording=Wording(lambda sentence: resources.encoder.embed([sentence])[0]),
    )
    return prompt, Standard(context, asked.language, len(asked.passages), policy, applied.redaction)
