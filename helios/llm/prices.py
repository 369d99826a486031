"""What tokens cost: list prices of the providers' standard tier, for the cost that is kept with each turn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from helios.llm.base import Finished

AS_OF = "2026-11-06"
"""When the table was last compared with the providers' price pages."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input: Decimal
    cached_input: Decimal
    output: Decimal
    cache_write: Decimal
    """For tokens written to the provider's cache; the input price where the provider does not charge for it."""


def _price(input_: str, cached: str, output: str, cache_write: str | None = None) -> Price:
    return Price(Decimal(input_), Decimal(cached), Decimal(output), Decimal(cache_write or input_))


PRICES: dict[str, Price] = {
    # https://developers.openai.com/api/docs/pricing            input   cached   output
    "gpt-6-sol": _price("2", "0.20", "10", "2.50"),
    "gpt-6-luna": _price("0.10", "0.01", "0.50", "0.125"),
    "gpt-5.6-sol": _price("4", "0.40", "20"),
    "gpt-5.6-terra": _price("2", "0.20", "12"),
    "gpt-5.6-luna": _price("0.20", "0.02", "1.20"),
    "gpt-5.5": _price("5", "0.50", "30"),
    "gpt-5.4": _price("2.50", "0.25", "15"),
    "gpt-5.4-mini": _price("0.75", "0.075", "4.50"),
    "gpt-5.4-nano": _price("0.20", "0.02", "1.25"),
    "gpt-5.2": _price("1.75", "0.175", "14"),
    "gpt-5.1": _price("1.25", "0.125", "10"),
    "gpt-5": _price("1.25", "0.125", "10"),
    "gpt-5-mini": _price("0.25", "0.025", "2"),
    "gpt-5-nano": _price("0.05", "0.005", "0.40"),
    "gpt-4.1": _price("2", "0.50", "8"),
    "gpt-4.1-mini": _price("0.40", "0.10", "1.60"),
    "gpt-4.1-nano": _price("0.10", "0.025", "0.40"),
    "gpt-4o": _price("2.50", "1.25", "10"),
    "gpt-4o-mini": _price("0.15", "0.075", "0.60"),
    "o4-mini": _price("1.10", "0.275", "4.40"),
    # https://platform.claude.com/docs/en/about-claude/pricing; cache writes of five minutes
    "claude-opus-5-5": _price("4", "0.20", "20", "5"),
    "claude-opus-5": _price("5", "0.50", "25", "6.25"),
    "claude-opus-4-8": _price("5", "0.50", "25", "6.25"),
    "claude-opus-4-7": _price("5", "0.50", "25", "6.25"),
    "claude-opus-4-6": _price("5", "0.50", "25", "6.25"),
    "claude-opus-4-5": _price("5", "0.50", "25", "6.25"),
    "claude-sonnet-5-5": _price("2", "0.10", "10", "2.50"),
    "claude-sonnet-5": _price("2", "0.20", "10", "2.50"),
    "claude-sonnet-4-6": _price("3", "0.30", "15", "3.75"),
    "claude-sonnet-4-5": _price("3", "0.30", "15", "3.75"),
    # Prompts up to 100,000 tokens; ours are far below.
    "claude-haiku-5-5": _price("0.10", "0.01", "0.50", "0.125"),
    "claude-haiku-4-5": _price("1", "0.10", "5", "1.25"),
}

_SNAPSHOT = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2}|latest)$")


def cost_micro_usd(model: str, finished: Finished) -> int | None:
    """The list price of an answer in millionths of a US dollar; 0 for the offline generator, None if unknown.

    `model` may be a snapshot such as gpt-5-mini-2025-08-07. Dollars per million tokens are micro-dollars per token.
    """
    if model.startswith("offline"):
        return 0
    price = PRICES.get(model) or PRICES.get(_SNAPSHOT.sub("", model))
    if price is None:
        return None
    fresh = max(finished.input_tokens - finished.cached_input_tokens - finished.cache_write_tokens, 0)
    cost = (
        fresh * price.input
        + finished.cached_input_tokens * price.cached_input
        + finished.cache_write_tokens * price.cache_write
        + finished.output_tokens * price.output
    )
    return int(cost.to_integral_value(ROUND_HALF_UP))
