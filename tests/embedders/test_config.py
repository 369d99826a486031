"""What an operator says of embedders: read strictly, handed on whole, and never shown where it is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from helios.embedders.config import EmbedderConfigError
from helios.embedders.openai import space_of
from helios.embedders.registry import build_embedders
from helios.settings import Settings

KEY = "sk-SECRET-KEY-0123456789"
REMOTE: dict[str, Any] = {"name": "lab", "model": "words", "dimension": 256, "api_key": KEY,
                          "base_url": "http://127.0.0.1:9/v1"}  # fmt: skip


def said(monkeypatch: pytest.MonkeyPatch, *embedders: dict[str, Any]) -> Settings:
    monkeypatch.setenv("HELIOS_EMBEDDERS", json.dumps(embedders))
    return Settings()


def test_they_are_read_from_the_environment_and_handed_on_with_their_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = said(monkeypatch, REMOTE)
    monkeypatch.setenv("HELIOS_EMBEDDERS", settings.environment()["HELIOS_EMBEDDERS"])
    assert Settings().embedders == settings.embedders
    assert settings.embedders[0].api_key.get_secret_value() == KEY
    assert KEY not in repr(settings)


@pytest.mark.parametrize("changed", [
    {"name": "local"}, {"name": "Lab"}, {"name": ""}, {"model": ""}, {"folder": "somewhere"}, {"dimension": None},
    {"dimension": 100}, {"unknown": 1}, {"pooling": "max"},
])  # fmt: skip
def test_what_is_wrong_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        said(monkeypatch, {**REMOTE, **changed})
    assert "embedders" in str(raised.value)
    assert KEY not in str(raised.value)


def test_two_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EmbedderConfigError, match="twice"):
        build_embedders(said(monkeypatch, REMOTE, REMOTE), lambda: pytest.fail("not needed"))


@pytest.mark.parametrize(("changed", "same"), [
    ({"base_url": "https://mirror.example/v1"}, True), ({"api_key": "another"}, True), ({"multilingual": False}, True),
    ({"model": "words-2"}, False), ({"dimension": 512}, False), ({"query_prefix": "query: "}, False),
    ({"chunk_prefix": "passage: "}, False), ({"name": "other"}, False),
])  # fmt: skip
def test_a_space_is_another_one_where_its_vectors_would_be(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], same: bool
) -> None:
    before, after = (space_of(said(monkeypatch, {**REMOTE, **each}).embedders[0]) for each in ({}, changed))
    assert (before == after) is same
