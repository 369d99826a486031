from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from activities.masking import without_personal_data
from activities.resources import Resources
from helios.crypto import TenantKeys
from helios.detection.known_spans import KnownSpans
from helios.detection.spans import Span
from helios.rules.redaction import SHIPPED, Applied, Redaction, made
from helios.rules.redaction_document import RedactionDocument

TEXTS = ["Oda Bjørnstad owes me money", "please write to oda@example.com, Oda Bjørnstad is my friend"]


@dataclass
class Tagged:
    """Stands for a worker's resources: only the tagger is asked, and what it said before is known."""

    asked: list[str] = field(default_factory=list)
    known_spans: KnownSpans = field(default_factory=KnownSpans)

    def find_names(self, text: str) -> list[Span]:
        self.asked.append(text)
        start = text.index("Oda Bjørnstad")
        return [Span(start, start + 13, "PERSON", 0.9)]


def applied(redaction: Redaction = SHIPPED) -> Applied:
    return Applied(redaction=redaction, keys=TenantKeys(UUID(int=1), {1: b"k" * 32}))


async def read_by(generators: list[str]) -> tuple[list[str], list[str]]:
    resources = Tagged()
    texts = await without_personal_data(cast(Resources, cast(Any, resources)), TEXTS, "en", generators, applied())
    return texts, resources.asked


async def test_a_model_outside_reads_tokens_and_equal_names_are_one() -> None:
    texts, _ = await read_by(["openai", "offline"])
    assert texts == ["<PERSON_1> owes me money", "please write to <EMAIL_1>, <PERSON_1> is my friend"]


async def test_what_stays_in_the_house_costs_no_pass_of_the_encoder() -> None:
    texts, asked = await read_by(["offline"])
    assert asked == []
    assert "oda@example.com" not in texts[1]


async def test_what_was_read_in_an_earlier_turn_is_not_read_again() -> None:
    resources = Tagged()
    for _ in range(2):
        texts = await without_personal_data(cast(Resources, cast(Any, resources)), TEXTS, "en", ["openai"], applied())
        assert texts[0] == "<PERSON_1> owes me money"
    assert resources.asked == TEXTS


async def test_a_tenants_rules_say_how_each_kind_is_taken_out() -> None:
    rules = {
        "kinds": [{"kind": "EMAIL", "operator": "mask"}, {"kind": "PERSON", "operator": "hash"}],
        "patterns": [{"kind": "MOTIVE", "pattern": "my friend", "operator": "encrypt"}],
    }
    resources, use = Tagged(), applied(made(2, RedactionDocument.model_validate(rules)))
    texts = await without_personal_data(cast(Resources, cast(Any, resources)), TEXTS, "en", ["openai"], use)
    name = texts[0].removesuffix(" owes me money")
    assert re.fullmatch(r"<PERSON_[0-9a-f]{16}>", name)
    assert texts[1].startswith(f"please write to [email address removed], {name} is <MOTIVE:")
    assert not any(each in "".join(texts) for each in ("Oda", "oda@", "friend"))
