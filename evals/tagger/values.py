"""Makes values for slots: people, places, companies and numbers as one locale writes them."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from helios.detection import tables

if TYPE_CHECKING:
    from faker import Generator

SHOUTED_CITY_SHARE, LOCAL_COUNTRY_SHARE, UNPADDED_DATE_SHARE = 0.2, 0.8, 0.5
_KIND = re.compile(r"\{(\w+)\}")
_FAKER = re.compile(r"\((own|english)\)(\w+)")
_LETTERS: Final = "ABCDEFGHJKLMNPRSTUVW"


class Maker:
    """``native``: the sentence is in the locale's language, and so are its countries and days."""

    def __init__(self, chance: random.Random, locale: str, *, native: bool = False) -> None:
        self._chance = chance
        self._native = native
        self._own: Any = _faker(locale)  # which makers it has, the locale says
        self._own.random = chance  # seeding each anew would take most of the time
        self._english: Any = _faker("en_US")
        self._english.random = chance

    def make(self, kind: str) -> str:
        """A value of a kind of values.yaml, or of one of the kinds that are more than a writing."""
        special = getattr(self, f"_{kind}", None)
        return special() if special is not None else self._write(kind)

    def _write(self, kind: str) -> str:
        form = self._chance.choice(_values()[kind])
        if named := _FAKER.fullmatch(form):
            return self._faked(named[1], named[2])
        pieces = _KIND.split(form)  # every second one is a kind
        return "".join(
            self.make(piece) if place % 2 else "".join(map(self._mark, piece)) for place, piece in enumerate(pieces)
        )

    def _mark(self, character: str) -> str:
        if character in "#%":
            return str(self._chance.randint(character == "%", 9))
        return self._chance.choice(_LETTERS) if character == "?" else character

    def _faked(self, whose: str, name: str) -> str:
        """What Faker makes; English where the locale has no such maker."""
        own = getattr(self._own, name, None) if whose == "own" else None
        made = str((own or getattr(self._english, name))())
        return made.replace("\n", ", ")

    def _word(self) -> str:
        return self._write("word").capitalize()

    def _job(self) -> str:
        return re.split("[,/]", self._write("job"))[0]

    def _city(self) -> str:
        city = self._write("city")
        return city.upper() if self._chance.random() < SHOUTED_CITY_SHARE else city

    def _country(self) -> str:
        local = self._native and self._chance.random() < LOCAL_COUNTRY_SHARE
        return self._write("local_country" if local else "country").split(" (")[0]

    def _nat(self) -> str:
        return self._chance.choice(_nationalities()).title()

    def _nats(self) -> str:
        adjective = self._nat()
        return adjective if adjective.endswith(("ese", "sh", "ch", "ss")) else adjective + "s"

    def _date(self) -> str:
        text = self._own.date_between("-80y", "today").strftime(self._chance.choice(_values()["dates"]))
        return str(text.lstrip("0") if self._chance.random() < UNPADDED_DATE_SHARE else text)

    def _datetime(self) -> str:
        return str(self._own.date_time().strftime("%Y-%m-%d %H:%M:%S"))

    def _year(self) -> str:
        return str(self._chance.randint(1930, 2026))

    def _weekday(self) -> str:
        return self._faked("own" if self._native else "english", "day_of_week")

    def _age(self) -> str:
        return str(self._chance.randint(5, 99))


@cache
def _faker(locale: str) -> Generator:
    from faker import Factory

    return Factory.create(locale)


@cache
def _values() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("values.yaml").read_text("utf-8"))
    return values


@cache
def _nationalities() -> tuple[str, ...]:
    return tuple(tables.load("places")["nationalities"].split())
