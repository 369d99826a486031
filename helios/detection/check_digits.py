"""Checks of numbers that python-stdnum does not know, each after its issuer's published rule.

Every function takes the writing in lower case and says whether it holds.
"""

from __future__ import annotations

import datetime as dt
from itertools import cycle

from stdnum import bitcoin as _bitcoin
from stdnum import luhn
from stdnum import verhoeff as _verhoeff
from stdnum.fi import hetu as _hetu
from stdnum.iso7064 import mod_11_10
from stdnum.th import pin
from stdnum.us import itin

_DOCUMENT_WEIGHTS = (7, 3, 1)  # ICAO 9303, part 3


def digits_of(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def medicare(text: str) -> bool:
    """Australia's Medicare card: the ninth digit checks the first eight."""
    digits = [int(character) for character in digits_of(text)]
    return sum(w * d for w, d in zip((1, 3, 7, 9, 1, 3, 7, 9), digits, strict=False)) % 10 == digits[8]


def dea(text: str) -> bool:
    """Registration of the US Drug Enforcement Administration: the last digit checks the other six."""
    digits = [int(character) for character in text[2:]]
    return (sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


def practice(text: str) -> bool:
    """Germany's number of a medical practice begins with a region of the statutory physicians."""
    return 1 <= int(text[:2]) <= 99 and text[2:] != "0000000"


def kvnr(text: str) -> bool:
    """Germany's health insurance number: the letter as two digits, then weights 1 and 2 in turn (GKV)."""
    digits = f"{ord(text[0]) - 96:02d}{text[1:-1]}"
    total = sum(sum(divmod(int(digit) * weight, 10)) for digit, weight in zip(digits, cycle((1, 2)), strict=False))
    return total % 10 == int(text[-1])


def lanr(text: str) -> bool:
    """Germany's number of a physician: the seventh digit checks the first six with weights 4 and 9 (KBV)."""
    total = sum(int(digit) * weight for digit, weight in zip(text[:6], cycle((4, 9)), strict=False))
    return -total % 10 == int(text[6])


def document(text: str) -> bool:
    """German passports and identity cards: eight characters and a check digit with weights 7, 3 and 1."""
    values = (int(character, 36) for character in text[:8])
    return sum(v * w for v, w in zip(values, cycle(_DOCUMENT_WEIGHTS), strict=False)) % 10 == int(text[8])


def rvnr(text: str) -> bool:
    """Germany's pension insurance number: weights 2 1 2 5 7 1 2 1 2 1 2 1 over the letter as two digits (VKVV)."""
    compact = text.replace(" ", "")
    if not (1 <= int(compact[4:6]) <= 12 or int(compact[4:6]) == 0) or not 1 <= int(compact[2:4]) <= 81:
        return False
    digits = f"{compact[:8]}{ord(compact[8]) - 96:02d}{compact[9:11]}"
    weights = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)
    total = sum(sum(divmod(int(digit) * weight, 10)) for digit, weight in zip(digits, weights, strict=True))
    return total % 10 == int(compact[11])


def korean_resident(text: str) -> bool:
    """Korea's resident and foreigner numbers: a day of birth and, before October 2020, a region up to 95."""
    digits = digits_of(text)
    century = 2000 if digits[6] in "3478" else 1900
    try:
        dt.date(century + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
    except ValueError:
        return False
    return int(digits[7:9]) <= 95


def thai(text: str) -> bool:
    """Thailand's personal number: python-stdnum's check, and a province that exists."""
    digits = digits_of(text)
    return len(digits) == 13 and pin.is_valid(digits) and int(digits[1:3]) in _THAI_PROVINCES


_THAI_PROVINCES = frozenset(
    (*range(10, 28), *range(30, 50), *range(50, 59), *range(60, 68), *range(70, 78), *range(80, 87), *range(90, 97))
) - {28, 29, 59, 68, 69, 78, 79, 87, 88, 89, 97, 98, 99}  # fmt: skip


def verhoeff(text: str) -> bool:
    return bool(_verhoeff.is_valid(text))


def bitcoin(text: str) -> bool:
    """Base58 with a checksum, or bech32 and bech32m (BIP 173, BIP 350); ``text`` in the case in which it is written."""
    if not text.lower().startswith("bc1"):
        return bool(_bitcoin.is_valid(text))
    values = [3, 3, 0, 2, 3]  # "bc", expanded
    values += [_BECH32.find(character) for character in text.lower()[3:]]
    if min(values) < 0:
        return False
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATORS):
            check ^= generator if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)


_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def german_tax(text: str) -> bool:
    """Germany's tax number of a person: ISO 7064 mod 11, 10 (BZSt). Which digits may repeat is not asked."""
    digits = digits_of(text)
    return len(set(digits)) > 1 and bool(mod_11_10.is_valid(digits))


def hetu(text: str) -> bool:
    """Finland's personal identity code, temporary ones included."""
    return bool(_hetu.is_valid(text.upper(), allow_temporary=True))


def korean_business(text: str) -> bool:
    """Korea's business registration number: weights 1 3 7 1 3 7 1 3 5, and the tens of the last product."""
    digits = [int(character) for character in digits_of(text)]
    total = sum(digit * weight for digit, weight in zip(digits, (1, 3, 7, 1, 3, 7, 1, 3, 5), strict=False))
    return -(total + digits[8] * 5 // 10) % 10 == digits[9]


def south_african(text: str) -> bool:
    """South Africa's identity number: a day of birth, citizen, resident or refugee, and Luhn."""
    month, day = int(text[2:4]), int(text[4:6])
    return 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1] and text[10] in "012" and bool(luhn.is_valid(text))


_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def npi(text: str) -> bool:
    """The US National Provider Identifier: Luhn with the prefix 80840 (45 CFR 162)."""
    return len(set(text)) > 2 and bool(luhn.is_valid("80840" + text))


def american_passport(text: str) -> bool:
    """Nine digits, or a letter and eight."""
    return len(text) == 9


def one_hyphen_or_valid(text: str) -> bool:
    """An ITIN in one of its usual writings, or with one of its two hyphens."""
    return text.count("-") < 2 or bool(itin.is_valid(text))


def even_hyphens(text: str) -> bool:
    """A Medicare beneficiary identifier is written with both hyphens or with none."""
    return text.count("-") in (0, 2)


def british_plate(text: str) -> bool:
    """A plate's age identifier: since 2001 02–29 and 51–79, before then a single letter."""
    compact = text.replace(" ", "").replace("-", "")
    if len(compact) == 7 and compact[:2].isalpha() and compact[2:4].isdigit():
        return 2 <= int(compact[2:4]) <= 29 or 51 <= int(compact[2:4]) <= 79
    return True
