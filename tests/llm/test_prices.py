"""The cost that is kept with each turn."""

from __future__ import annotations

import datetime

import pytest

from helios.llm.base import Finished
from helios.llm.prices import AS_OF, PRICES, cost_micro_usd
from helios.settings import Settings


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        # 600 fresh + 300 cached + 100 written to the cache + 200 out
        ("gpt-5-mini", 600 * 0.25 + 300 * 0.025 + 100 * 0.25 + 200 * 2),
        ("gpt-5-mini-2025-08-07", 600 * 0.25 + 300 * 0.025 + 100 * 0.25 + 200 * 2),
        ("claude-haiku-4-5-20251001", 600 * 1 + 300 * 0.1 + 100 * 1.25 + 200 * 5),
        ("offline-extractive-1", 0),
        ("llama-3-at-home", None),
        ("gpt-5-mini-turbo", None),
    ],
)
def test_cost_in_millionths_of_a_dollar(model: str, expected: float | None) -> None:
    finished = Finished(model, input_tokens=1000, output_tokens=200, cached_input_tokens=300, cache_write_tokens=100)
    cost = cost_micro_usd(model, finished)
    assert cost == expected if expected is None else cost == pytest.approx(expected, abs=0.5)


def test_more_cached_than_read_costs_no_less_than_nothing() -> None:
    assert cost_micro_usd("gpt-5-mini", Finished("gpt-5-mini", 10, 0, 100)) == 3  # 2.5, rounded half up


def test_the_table_is_sane() -> None:
    assert datetime.date.fromisoformat(AS_OF)
    for price in PRICES.values():
        assert 0 < price.cached_input < price.input <= price.cache_write < price.output


def test_the_default_models_have_a_price() -> None:
    settings = Settings()
    assert {settings.openai_model, settings.anthropic_model} <= set(PRICES)
