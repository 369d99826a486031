"""What binds the bank is said by a passage, or a person looks at it first."""

import pytest

from helios.detection import output
from helios.detection.windows import WindowCutter

CARDS = (
    "A replacement debit or credit card is free and arrives by post within 7 business days. Express delivery takes 2 "
    "business days and costs 15 dollars.\n\n## Number and PIN\nYour PIN stays the same on every replacement card."
)
FEES = (
    "A fee that we charged by mistake is refunded in full. The refund is booked within 1 business day of our decision. "
    "The monthly fee is also refunded if the condition for the waiver was met but not recognised. The chat assistant "
    "cannot promise a refund, and a person decides each case."
)
WIRES = (
    "A domestic wire costs 20 dollars and arrives the same day if we receive the order before 4 pm Eastern Time. "
    "Orders received after 4 pm are sent on the next business day. Receiving a domestic wire is free."
)
CASE = (
    "When you report an unauthorised charge, we block the card, open a dispute case and send you a case number. If we "
    "need longer, we credit the amount to your account provisionally within 10 business days. Branches are closed on "
    "Sunday."
)
PASSAGES = (CARDS, FEES, WIRES, CASE)

BINDING = [
    "We will refund you.",
    "You will get it by Friday.",
    "Your new card will be there tomorrow.",
    "We have waived the monthly fee for you.",
    "I will credit the amount to your account today.",
    "We will refund the monthly fee.",
    "A colleague will call you back on Monday.",
    "The money will be in your account by the end of the week.",
    "We'll make an exception for you this time.",
    "A domestic wire costs 15 dollars.",
    "Express delivery costs 20 dollars.",
    "The replacement card takes 1 business day.",
    "Wir erstatten Ihnen den Betrag.",
    "Ihre Karte wird morgen bei Ihnen ankommen.",
    "Le devolveremos el dinero.",
    "Su tarjeta llegará mañana.",
    "Nous vous rembourserons les frais.",
    "Votre carte arrivera demain.",
    "Ücreti iade edeceğiz.",
    "Kartınız yarın elinize ulaşacak.",
    "سنعيد لك المبلغ.",
    "ستصل بطاقتك غدا.",
]
SAID = [
    "A fee that we charged by mistake will be refunded in full [2].",
    "If we charged a fee by mistake, we refund it in full.",
    "The monthly fee will also be refunded if the condition for the waiver was met but not recognised.",
    "If we need longer, we will credit the amount to your account provisionally within 10 business days [4].",
    "Your replacement card arrives by post within 7 business days, and it is free [1].",
    "With express delivery it takes 2 business days and costs 15 dollars.",
    "Express delivery: 15 dollars.",
    "A wire costs 20 dollars [3].",
    "For a domestic wire you pay 20 dollars.",
    "Our branches are closed on Sunday.",
    "I cannot promise a refund, a person decides each case.",
    "I cannot say whether the fee will be refunded.",
    "Is there anything else I can help you with today?",
    "I can connect you with a colleague now.",
    "Would you like me to pass your question to a person?",
    "Ich verbinde Sie gerne mit einer Kollegin.",
    "Puedo pasarle con una persona.",
    "Je peux vous mettre en relation avec un conseiller.",
    "Sizi bir çalışana bağlayabilirim.",
    "يمكنني تحويلك إلى أحد الموظفين.",
]


@pytest.mark.parametrize("text", BINDING)
def test_what_no_passage_says_waits_for_a_person(text: str) -> None:
    assert output.check_whole(text, output.Context(passages=PASSAGES, language="en")).action == "hold"


@pytest.mark.parametrize("text", SAID)
def test_what_a_passage_says_may_be_said_in_other_words(text: str) -> None:
    assert output.check_whole(text, output.Context(passages=PASSAGES, language="en")).action == "release"


def test_promise_is_judged_with_the_condition_behind_it() -> None:
    context = output.Context(passages=PASSAGES, language="en")
    text = "Thank you for asking. The fee will be refunded in full, as you may know, if we charged it by mistake."
    for size in (1, 5, len(text)):
        cutter, before = WindowCutter(hold=output.hold), ""
        pieces = [text[i : i + size] for i in range(0, len(text), size)]
        for window in [*(each for piece in pieces for each in cutter.feed(piece)), *cutter.flush()]:
            assert output.check_window(before, window, context).action == "release", window
            before += window


def test_without_a_passage_in_the_language_figures_alone_are_compared() -> None:
    context = output.Context(passages=PASSAGES, language="fr", same_language=False)
    assert output.check_whole("Un virement national coûte 20 dollars.", context).action == "release"
    assert output.check_whole("Un virement national coûte 21 dollars.", context).action == "hold"
    assert output.check_whole("Nous vous rembourserons les frais.", context).action == "hold"
