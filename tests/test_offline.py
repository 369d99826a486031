import re
from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5

import pytest
import yaml

from evals.answers import calibration
from evals.answers.bank import Bank, demo_bank
from helios.knowledge.confidence import confidence
from helios.knowledge.evidence import SIGNS, SUPPORT_SIGNS, weights_of
from helios.knowledge.extraction import Selection, select_sentences
from helios.knowledge.query import MAX_PARTS
from helios.llm.base import Finished, Generator, Passage, PastMessage, Prompt, TextDelta
from helios.models.intent import IntentClassifier
from helios.offline import OfflineGenerator
from helios.settings import PROJECT, settings

NO_ANSWER = yaml.safe_load((PROJECT / "helios" / "offline_texts.yaml").read_text(encoding="utf-8"))["texts"]


@pytest.fixture(scope="module")
def bank() -> Bank:
    return demo_bank()


@pytest.fixture(scope="module")
def generator(bank: Bank) -> OfflineGenerator:
    return OfflineGenerator(bank.encoder, intents=IntentClassifier.load(settings(), bank.encoder))


async def answer(generator: Generator, prompt: Prompt) -> tuple[str, Finished]:
    pieces = [piece async for piece in generator.stream(prompt)]
    *deltas, last = pieces
    assert isinstance(last, Finished)
    assert all(isinstance(delta, TextDelta) and delta.text for delta in deltas)
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)), last


@pytest.mark.parametrize(
    ("language", "question", "facts"),
    [
        ("en", "How much does it cost to send money abroad?", ["0.5 percent", "40 dollars"]),
        ("en", "What does sending money abroad cost and how long does it take?", ["0.5 percent", "business day"]),
        ("en", "My card was stolen, what should I do?", ["1-800-555-0111"]),
        ("en", "What interest do savings accounts pay?", ["3.10 percent"]),
        ("en", "Do you offer statements in braille?", ["braille"]),
        ("en", "the restaurant charged me twice!", ["under Dispute"]),
        ("en", "is my money insured if the bank goes bust?", ["250,000 dollars"]),
        ("en", "How many branches do you have?", ["42 branches"]),
        ("de", "Was kostet eine Überweisung ins Ausland und wie lange dauert sie?", ["0,5 Prozent", "Geschäftstag"]),
        ("de", "Meine Karte wurde gestohlen, was soll ich tun?", ["1-800-555-0111"]),
        ("es", "¿Cuánto cuesta enviar dinero al extranjero?", ["0,5 por ciento"]),
        ("es", "¿Cómo bloqueo mi tarjeta?", ["1-800-555-0111"]),
    ],
)
async def test_an_answer_holds_the_fact(
    bank: Bank, generator: OfflineGenerator, language: str, question: str, facts: list[str]
) -> None:
    text, finished = await answer(generator, bank.prompt(question, language))
    assert finished.supported
    for fact in facts:
        assert fact in text


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("en", "What is the capital of France?"),
        ("en", "Do you sell bitcoin?"),
        ("en", "Does Meridian Bank offer pet insurance?"),
        ("en", "What is the salary of a branch manager?"),
        ("en", "Which airline miles do I earn with the card?"),
        ("en", "Write me a poem about the sea"),
        ("de", "Wie wird das Wetter morgen?"),
        ("de", "Verkauft ihr Kryptowährungen?"),
        ("es", "¿Venden criptomonedas?"),
        ("tr", "Yarın hava nasıl olacak?"),
    ],
)
async def test_what_nothing_supports_is_declined_in_the_customers_language(
    bank: Bank, generator: OfflineGenerator, language: str, question: str
) -> None:
    text, finished = await answer(generator, bank.prompt(question, language))
    assert not finished.supported
    assert text == NO_ANSWER[language]["no_answer"].format(bank="Meridian Bank")
    assert "Meridian Bank" in text


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "ar", "tr", "ja"])
async def test_without_passages_the_answer_is_no(generator: OfflineGenerator, language: str) -> None:
    prompt = Prompt("Meridian Bank", language, "How do I block my card?", None, (), ())
    text, finished = await answer(generator, prompt)
    assert not finished.supported
    assert text == NO_ANSWER.get(language, NO_ANSWER["en"])["no_answer"].format(bank="Meridian Bank")


async def test_each_sentence_is_in_the_passage_that_its_number_names(bank: Bank, generator: OfflineGenerator) -> None:
    questions = ["How do I close my account?", "What is the fee for cash from another bank's machine?", "card stolen"]
    for question in questions:
        prompt = bank.prompt(question)
        text, finished = await answer(generator, prompt)
        assert finished.supported
        quotes = re.findall(r"(.+?) \[(\d+)\](?: |$)", text)
        assert " ".join(f"{quote} [{number}]" for quote, number in quotes) == text
        for quote, number in quotes:
            assert quote in prompt.passages[int(number) - 1].sentences


async def test_the_same_prompt_has_the_same_answer_word_for_word(bank: Bank, generator: OfflineGenerator) -> None:
    prompt = bank.prompt("How do I dispute a card payment?")
    pieces = [piece async for piece in generator.stream(prompt)]
    assert len(pieces) > 10  # it streams
    assert pieces == [piece async for piece in generator.stream(prompt)]


async def test_a_follow_up_is_answered_about_what_was_asked_before(bank: Bank, generator: OfflineGenerator) -> None:
    history = (PastMessage("customer", "How do I stop a cheque?"), PastMessage("assistant", "In the app. [1]"))
    text, finished = await answer(generator, bank.prompt("And what does it cost?", history=history))
    assert finished.supported
    assert "15 dollars" in text


async def test_no_fact_is_told_twice(bank: Bank, generator: OfflineGenerator) -> None:
    text, _ = await answer(generator, bank.prompt("What is the monthly fee of the Basic Account?"))
    assert text.count("3 dollars a month") == 1


@pytest.mark.parametrize(
    ("said", "kind"), [("Hi!", "greeting"), ("thanks a lot", "thanks"), ("Thank you, bye", "thanks")]
)
async def test_courtesy_is_returned_without_a_claim(
    bank: Bank, generator: OfflineGenerator, said: str, kind: str
) -> None:
    text, finished = await answer(generator, bank.prompt(said))
    assert finished.supported
    assert text == NO_ANSWER["en"][kind]
    assert "[" not in text


async def test_a_greeting_before_a_question_is_no_courtesy(bank: Bank, generator: OfflineGenerator) -> None:
    text, _ = await answer(generator, bank.prompt("Hi, how many branches do you have?"))
    assert "42 branches" in text


def test_a_sentence_that_leans_on_the_one_before_brings_it_along_or_is_left_out(bank: Bank) -> None:
    leaning = _passage(bank, "An express card can be ordered at once.", "It arrives within 2 business days.")
    prompt = _prompt(bank, "How long does an express card take to arrive?", leaning)
    assert [quote.sentence for quote in select_sentences(prompt, bank.encoder).quotes] == [0, 1]

    orphan = _passage(bank, "It arrives within 2 business days.", "Express cards cost 15 dollars.")
    prompt = _prompt(bank, "How long does an express card take to arrive?", orphan)
    assert all(quote.sentence == 1 for quote in select_sentences(prompt, bank.encoder).quotes)


def test_a_further_question_is_answered_with_the_kind_of_thing_that_it_asks_for(bank: Bank) -> None:
    wire = _passage(bank, "A wire costs 20 dollars.", "A wire can be sent in the app.", "A wire arrives within 2 days.")
    prompt = _prompt(bank, "What does a wire cost and how long does it take?", wire)
    assert {0, 2} <= {quote.sentence for quote in select_sentences(prompt, bank.encoder).quotes}


def test_the_weights_have_a_figure_for_each_sign() -> None:
    for language in ("en", "de"):
        weights = weights_of(language)
        assert len(weights.signs) == len(SIGNS)
        assert len(weights.support) == len(SUPPORT_SIGNS)
        assert weights.signs[SIGNS.index("cosine")] > 0


def test_headings_lead_ins_and_questions_are_never_an_answer(bank: Bank) -> None:
    passage = _passage(
        bank,
        "How do I block my card?",
        "To block your card you need:",
        "Blocking your card",
        "You block your card in the app under Cards.",
    )
    quotes = select_sentences(_prompt(bank, "How do I block my card?", passage), bank.encoder).quotes
    assert [quote.sentence for quote in quotes] == [3]


def test_a_passage_without_sentences_and_vectors_is_cut_and_encoded_here(bank: Bank) -> None:
    passage = _passage(bank, "You block your card in the app under Cards.")
    bare = replace(passage, sentences=(), sentence_vectors=None)
    prompt = _prompt(bank, "How do I block my card?", bare)
    assert select_sentences(prompt, bank.encoder) == select_sentences(
        _prompt(bank, "How do I block my card?", passage), bank.encoder
    )


def _passage(bank: Bank, *sentences: str) -> Passage:
    identity = uuid5(NAMESPACE_URL, sentences[0])
    vectors = bank.encoder.embed(sentences)
    return Passage(identity, identity, 1, "Cards", " ".join(sentences), "en", 0.8, None, sentences, vectors)


def _prompt(bank: Bank, question: str, *passages: Passage) -> Prompt:
    return Prompt("Meridian Bank", "en", question, bank.encoder.embed([question])[0], passages, ())


async def test_several_questions_are_answered_from_several_articles(bank: Bank, generator: OfflineGenerator) -> None:
    prompt = bank.prompt("What does a business account cost a month? How long do you keep recordings of phone calls?")
    text, finished = await answer(generator, prompt)
    assert finished.supported
    assert "15 dollars a month" in text
    assert "3 years" in text


@pytest.mark.parametrize(
    ("question", "which"),
    [
        ("What does a business account cost a month? Do you sell bitcoin?", "second"),
        ("Do you sell bitcoin? What does a business account cost a month?", "first"),
    ],
)
async def test_which_of_several_questions_has_no_answer_is_said(
    bank: Bank, generator: OfflineGenerator, question: str, which: str
) -> None:
    text, finished = await answer(generator, bank.prompt(question))
    assert finished.supported
    assert "15 dollars a month" in text
    assert text.endswith(NO_ANSWER["en"]["no_answer_part"].format(which=NO_ANSWER["en"][f"part_{which == 'second':d}"]))


@pytest.mark.parametrize("language", NO_ANSWER)
def test_as_many_questions_are_counted_as_a_message_may_have(language: str) -> None:
    counted = [NO_ANSWER[language][f"part_{place}"] for place in range(MAX_PARTS)]
    assert len(set(counted)) == MAX_PARTS
    assert "{which}" in NO_ANSWER[language]["no_answer_part"]


@pytest.mark.parametrize("language", sorted(NO_ANSWER))
async def test_what_comes_near_two_articles_is_asked_back(bank: Bank, language: str) -> None:
    """In every language that has texts, by the articles' titles; what nothing comes near is declined."""
    prompt = replace(bank.prompt("What does it cost to send money abroad?"), language=language)
    passages = tuple(replace(each, language=language) for each in prompt.passages)
    near = replace(prompt, passages=passages, selection=Selection((), 0.45))
    text, finished = await answer(OfflineGenerator(), near)
    assert not finished.supported
    assert passages[0].title in text
    far, _ = await answer(OfflineGenerator(), replace(near, selection=Selection((), 0.01)))
    assert far == NO_ANSWER[language]["no_answer"].format(bank=prompt.bank_name)


def test_confidence_grows_with_what_speaks_for_an_answer() -> None:
    for language in ("en", "de"):
        told = [confidence(support / 20, language) for support in range(21)]
        assert told == sorted(told)
        assert 0 <= told[0] < 0.05
        assert 0.95 < told[-1] <= 1


def test_confidence_says_how_many_answers_are_right(bank: Bank) -> None:
    """Of questions that no weight was learnt from. Measured: docs/answers.md."""
    told, right = calibration.told_and_right(bank)
    assert calibration.error(calibration.bins_of(told, right)) < 0.12
    assert told[right == 1].mean() - told[right == 0].mean() > 0.25
