"""The demo bank's articles and the offline evaluation suites agree with each other."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
KNOWLEDGE = ROOT / "helios/demo_bank/knowledge"
INTENTS = ROOT / "helios/demo_bank/intents.yaml"
SUITES = ROOT / "evals/suites"
CATEGORIES = {"cards", "transfers", "disputes", "fees", "fraud", "accounts", "loans", "privacy"}
TRANSLATED = {
    "sending-money-abroad",
    "basic-account-fees",
    "lost-or-stolen-card",
    "unauthorised-charges",
    "card-replacement",
    "atm-fees",
    "opening-hours-and-contact",
    "domestic-transfers",
    "phishing",
    "closing-an-account",
    "pin-change",
    "data-access",
}


def read_article(path: Path) -> tuple[dict[str, Any], str]:
    _, front_matter, body = path.read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front_matter), body.strip()


ARTICLES = {path.relative_to(KNOWLEDGE).as_posix(): read_article(path) for path in sorted(KNOWLEDGE.glob("*/*.md"))}


def article_words(body: str) -> list[str]:
    return re.sub(r"^#+ ", "", body, flags=re.M).split()


def figures(body: str, language: str) -> Counter[str]:
    """Every number of a text in one notation: English separators, hours of a 24-hour day."""
    if language == "en":
        body = re.sub(r"\b(\d{1,2}) pm\b", lambda hour: str(int(hour[1]) % 12 + 12), body)
        thousands, decimal = ",", "."
    else:
        thousands, decimal = ".", ","
    numbers = re.findall(r"\d+(?:[.,]\d+)*", body)
    return Counter(re.sub(rf"\{thousands}(?=\d{{3}})", "", number).replace(decimal, ".") for number in numbers)


def load_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ARTICLES)
def test_front_matter_is_complete(name: str) -> None:
    meta, body = ARTICLES[name]
    language, slug = name.removesuffix(".md").split("/")
    expected = {"title", "visibility", "language", "category", "tags", "effective"}
    public = meta["visibility"] == "public"
    assert set(meta) == expected | ({"url"} if public else set())
    assert meta["visibility"] in {"public", "internal"}
    assert meta["language"] == language
    assert meta["category"] in CATEGORIES
    assert meta["tags"]
    assert all(isinstance(tag, str) for tag in meta["tags"])
    assert str(meta["effective"]) == "2026-01-01"
    assert not public or meta["url"] == f"/help/{slug}"
    assert meta["title"].startswith("Internal:") is not public
    assert slug.startswith("internal-") is not public
    assert 2 <= len(re.findall(r"^## \S", body, flags=re.M)) <= 3


def test_articles_have_the_promised_size() -> None:
    sizes = {name: len(article_words(body)) for name, (_, body) in ARTICLES.items()}
    assert {name: size for name, size in sizes.items() if name.startswith("en/") and not 120 <= size <= 260} == {}
    # German compounds and Spanish articles make the same text shorter or longer.
    assert {name: size for name, size in sizes.items() if not 110 <= size <= 300} == {}


def test_there_are_enough_articles_of_each_kind() -> None:
    english = [meta for name, (meta, _) in ARTICLES.items() if name.startswith("en/")]
    assert len(english) >= 64
    assert sum(meta["visibility"] == "internal" for meta in english) >= 8
    assert {meta["category"] for meta in english if meta["visibility"] == "public"} == CATEGORIES


def test_the_same_twelve_articles_exist_in_three_languages() -> None:
    for language in ("de", "es"):
        assert {path.stem for path in (KNOWLEDGE / language).glob("*.md")} == TRANSLATED
    for slug in TRANSLATED:
        assert ARTICLES[f"en/{slug}.md"][0]["visibility"] == "public"


@pytest.mark.parametrize("language", ["de", "es"])
@pytest.mark.parametrize("slug", sorted(TRANSLATED))
def test_a_translation_has_the_figures_of_the_english_article(slug: str, language: str) -> None:
    english_meta, english = ARTICLES[f"en/{slug}.md"]
    meta, body = ARTICLES[f"{language}/{slug}.md"]
    assert figures(body, language) == figures(english, "en")
    assert meta["category"] == english_meta["category"]
    assert set(re.findall(r"[\w.]+@[\w.]+\w", body)) == set(re.findall(r"[\w.]+@[\w.]+\w", english))
    assert body.count("\n## ") == english.count("\n## ")


def test_nothing_is_said_twice() -> None:
    titles = [(meta["language"], meta["title"]) for meta, _ in ARTICLES.values()]
    assert [title for title, count in Counter(titles).items() if count > 1] == []
    bodies = [body for _, body in ARTICLES.values()]
    assert len(set(bodies)) == len(bodies)


def test_every_contact_is_fictional() -> None:
    for name, (_, body) in ARTICLES.items():
        assert not re.search(r"\b\d{3}-(?!555-01)\d{3}-\d{4}\b", body), name
        assert all(domain == "meridian.example" for domain in re.findall(r"@([\w.]+\w)", body)), name


def test_public_articles_hold_nothing_of_the_internal_ones() -> None:
    public = "\n".join(body for meta, body in ARTICLES.values() if meta["visibility"] == "public")
    for marker in (
        r"risk score",
        r"extension 70\d\d",
        r"lock code",
        r"Lantern",
        r"goodwill refund",
        r"\bcode [A-Z]\w+",
    ):
        assert not re.search(marker, public), marker


@pytest.mark.parametrize("row", load_yaml(SUITES / "offline_answers.yaml"), ids=lambda row: row["question"])
def test_a_suite_question_is_answered_by_its_article(row: dict[str, Any]) -> None:
    assert set(row) == {"question", "slug", "must_contain", "language"}
    meta, body = ARTICLES[f"{row['language']}/{row['slug']}.md"]
    assert meta["visibility"] == "public"
    assert row["must_contain"]
    assert [phrase for phrase in row["must_contain"] if phrase not in body] == []


def test_the_suites_have_the_promised_size_and_no_question_twice() -> None:
    answers = load_yaml(SUITES / "offline_answers.yaml")
    outside = load_yaml(SUITES / "outside.yaml")
    assert Counter(row["language"] for row in answers) == {"en": 88, "de": 6, "es": 6}
    assert len(outside) == 50
    questions = [row["question"].casefold() for row in answers + outside]
    assert len(set(questions)) == 150


def test_intents_are_balanced_and_disjoint() -> None:
    intents: dict[str, list[str]] = load_yaml(INTENTS)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", intent) for intent in intents)
    assert len(intents["out_of_scope"]) == 86
    sizes = {intent: len(examples) for intent, examples in intents.items() if intent != "out_of_scope"}
    assert len(sizes) >= 24
    assert {intent: size for intent, size in sizes.items() if not 20 <= size <= 25} == {}
    utterances = Counter(example.casefold() for examples in intents.values() for example in examples)
    assert [utterance for utterance, count in utterances.items() if count > 1] == []
