"""Long passwords that nobody would think of are taken, whatever they are made of; the others are refused and taught."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from helios.identity.strength import ALONE_MIN, WITH_FACTOR_MIN, weaknesses, words_of
from helios.passwords import check_password, hash_password

MOST_COMMON = FREQUENCY_LISTS["passwords"][:3_000]
WORDS = words_of("meridian", "Meridian Bank", "noor.al-amin@meridian.example", "Noor Al-Amin")
GOOD = "six words that only you know"

# Of letters that do not repeat much: what repeats is predictable, however long.
ANY_UNICODE = st.text(st.characters(exclude_categories=["Cs"]), min_size=15, max_size=64).filter(
    lambda text: len(set(unicodedata.normalize("NFC", text).casefold())) >= 12 and len(text.split()) > 0
)


@settings(max_examples=400, deadline=None)
@given(ANY_UNICODE)
def test_any_unicode_of_15_to_64_characters_is_taken(password: str) -> None:
    if len(unicodedata.normalize("NFC", password)) >= ALONE_MIN:
        assert weaknesses(password) == []


@pytest.mark.parametrize("second_factor", [False, True])
def test_the_3000_most_common_are_refused(second_factor: bool) -> None:
    assert len(MOST_COMMON) == 3_000
    taken = [each for each in MOST_COMMON if not weaknesses(each, second_factor=second_factor)]
    taken += [each for each in MOST_COMMON if not weaknesses(each.upper(), second_factor=second_factor)]
    assert taken == []


def test_length_is_counted_in_characters_and_a_second_factor_lowers_it() -> None:
    assert weaknesses("zoß9Kqüw4é")[0].startswith(f"Use at least {ALONE_MIN} characters")
    assert weaknesses("zoß9Kqüw4é", second_factor=True) == []
    assert weaknesses("ü9Kqw4é", second_factor=True)[0].startswith(f"Use at least {WITH_FACTOR_MIN} characters")
    assert weaknesses("e\u0301" * 7 + "xyzqw") != []  # twelve characters, composed
    assert weaknesses("ab" * 129) != []


@pytest.mark.parametrize(
    "password",
    [
        *("0" * 15, "a" * 64, "abcabcabcabcabcabc", "123456789012345", "password1234567", "iloveyouiloveyou"),
        *("qwertyuiopasdfg", "Noor.Al-Amin.2026", "MeridianBank 2026", "meridianmeridianmeridian", "密码" * 12),
    ],
)
def test_what_is_predictable_is_refused_whatever_its_length(password: str) -> None:
    (taught,) = weaknesses(password, WORDS)
    assert taught.endswith(".")
    assert password not in taught


def test_a_weak_beginning_does_not_spoil_a_strong_rest() -> None:
    assert weaknesses("a" * 20 + GOOD) == []
    assert weaknesses(f"Meridian Bank: {GOOD}", WORDS) == []


def test_no_composition_is_asked_for() -> None:
    for password in (
        "correct horse battery staple",
        "ТОЛЬКО ЗАГЛАВНЫЕ БУКВЫ",
        "8301 5527 9046 1183 77",
        "🜁🜂🜃🜄🜍🜔🜚🜛🜠🜨🜩🝆🝐🝖🝣",
    ):
        assert weaknesses(password) == []


def test_judging_takes_little_time_whatever_is_judged() -> None:
    """Look-alike characters make zxcvbn take seconds for what is long."""
    began = time.process_time()
    weaknesses("4@8({[<369&#!1/|0$5+7%2" * 11)
    assert time.process_time() - began < 2


async def test_a_password_is_the_same_however_the_keyboard_composed_it() -> None:
    stored = await hash_password("Cafe\u0301 mit sieben Bäumen")
    assert await check_password("Caf\u00e9 mit sieben Ba\u0308umen", stored)
    assert not await check_password("Cafe mit sieben Baumen", stored)
