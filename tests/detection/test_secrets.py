import random
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helios.detection import cards, secrets

VISA, MASTERCARD, SERIES_2, AMEX = "4111111111111111", "5555555555554444", "2223003122003222", "378282246310005"
LONG = "6212345678901234569"[:18] + next(d for d in "0123456789" if cards.luhn("6212345678901234569"[:18] + d))
UNITS = [
    "4",
    "41",
    "4 ",
    "4111 ",
    "pin ",
    "password is ",
    "code is ",
    "cvv the my ",
    "aa11",
    "e\u0301",
    "４ ",
    "[",
    "one ",
]
SPOKEN = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def grouped(digits: str, separator: str) -> str:
    return separator.join(digits[i : i + 4] for i in range(0, len(digits), 4))


WRITINGS = {
    "plain": VISA,
    "spaces": grouped(VISA, " "),
    "hyphens": grouped(MASTERCARD, "-"),
    "dots": grouped(VISA, "."),
    "slashes": grouped(VISA, "/"),
    "commas": grouped(VISA, ", "),
    "no-break spaces": grouped(VISA, "\u00a0"),
    "thin spaces": grouped(VISA, "\u2009"),
    "en dashes": grouped(VISA, "–"),
    "lines": grouped(VISA, "\n"),
    "windows lines": grouped(VISA, "\r\n"),
    "zero-width": "\u200b".join(VISA),
    "soft hyphens": "\u00ad".join(VISA),
    "word joiners": grouped(VISA, "\u2060"),
    "one by one": " ".join(VISA),
    "pairs": " ".join(VISA[i : i + 2] for i in range(0, 16, 2)),
    "uneven": "41-1111 111111 1111",
    "series 2": SERIES_2,
    "amex": AMEX,
    "amex grouped": "3782 822463 10005",
    "diners": "30569309025904",
    "visa 13": "4222222222222",
    "nineteen digits": LONG,
    "full width": "".join(chr(0xFF10 + int(d)) for d in VISA),
    "arabic-indic": "".join(chr(0x0660 + int(d)) for d in VISA),
    "devanagari": "".join(chr(0x0966 + int(d)) for d in VISA),
    "words": " ".join(SPOKEN[int(d)] for d in VISA),
    "words with commas": ", ".join(SPOKEN[int(d)] for d in MASTERCARD),
    "words, some": "four one 11 1111 one one one one 1111",
    "doubles": "four triple one double one double one double one double one double one double one",
    "tens": "forty one eleven eleven eleven eleven eleven eleven eleven",
    "german words": "vier " + " ".join(["eins"] * 15),
    "spanish words": "cuatro " + " ".join(["uno"] * 15),
    "letters for digits": "41ll 1ll1 1111 1111",
    "french words": "quatre " + " ".join(["un"] * 15),
    "turkish words": "dört " + " ".join(["bir"] * 15),
    "arabic words": "أربعة " + " ".join(["واحد"] * 15),
    "marked up": "**4111** `1111` _1111_ '1111'",
    "written-out spaces": grouped(VISA, "&nbsp;"),
    "line breaks of a page": grouped(VISA, "<br/>"),
    "cells of a page": grouped(VISA, "</td> <td>"),
    "with expiry": VISA + " 12/27 ",
    "glued to words": "card" + VISA + "thanks",
    "after plus": "+" + VISA,
}


@pytest.mark.parametrize("written", WRITINGS.values(), ids=WRITINGS)
def test_card_number_is_masked_and_keeps_its_last_four(written: str) -> None:
    masked = secrets.mask(f"Hi, my card is {written}, please help")
    assert masked.labels == ("CARD",)
    assert "[card ending " in masked.text
    assert masked.text.startswith("Hi, my card is")
    assert masked.text.endswith("please help")
    assert sum(character.isdigit() for character in masked.text.partition("]")[0]) == 4


def test_issuer_does_not_matter_behind_the_word_card() -> None:
    assert secrets.mask("my card number is 122000000000003 ok").text == "my card number is [card ending 0003] ok"
    assert secrets.mask("reference 122000000000003").labels == ()


HARMLESS = """
Call me on +49 1511 2345678 or on 0049 30 901820
my number is (212) 555-0134, the other is 212-555-0187
+1 415 555 0132 is my mobile
IBAN DE89 3704 0044 0532 0130 00
GB29NWBK60161331926819 is the account
pay ES91 2100 0418 4502 0005 1332 please
Order 20240115103045 of 2024-01-15 10:30:45
the reference is 1234567890123456
case 0000000000000000
I paid 1,250.00 and then 3,999.99 on 12/05/2024
2024-03-01 1200.00 2024-03-02 1300.00 2024-03-03 900.00
tracking 1Z999AA10123456784
I have one card and two accounts, three loans and four kids
pages 12 14 16 18 20 22 24 26
my PIN does not work
I set my pin in 2019
what is a CVV? I was charged 250 dollars
how do I change the PIN of my card
my password is not working
my password is wrong again
the password was changed yesterday
zip code is 90210
sort code 123456
error code 4031 appears
the promo code is SAVE2024
a code of conduct from 2021
I never got the verification code
my password does not work, I tried 3 times
mon code postal est 75011
le code de sécurité de ma carte est illisible
j'ai changé mon code secret en 2019
mon mot de passe est bloqué depuis hier
j'ai payé 1250 euros avec le code promo SOLDES
meine Postleitzahl ist 10115
mein Passwort ist falsch
Der Code wurde um 10:30 verschickt
die Bankleitzahl 10070000 stimmt
mi código postal es 28013
el código de error es 4031
mi contraseña es incorrecta
me cobraron 1200 pesos con mi pin
الرمز البريدي هو 11564
رقم الطلب 482913
كلمة المرور لا تعمل
كلمة المرور هي خاطئة
غيرت الرقم السري في 2019
posta kodu 34349
hata kodu 4031 görünüyor
şifrem çalışmıyor
şifremi 2019 yılında değiştirdim
doğrulama kodu gelmedi
the security code on my card is unreadable
""".strip().splitlines()


@pytest.mark.parametrize("text", HARMLESS)
def test_look_alikes_are_left_alone(text: str) -> None:
    assert secrets.mask(text) == secrets.Masked(text, ())


SECRETS = [
    ("my cvv is 123", "CVV", "123"),
    ("CVV: 4321 ok", "CVV", "4321"),
    ("CVC2 987", "CVV", "987"),
    ("the three digits on the back are 456", "CVV", "456"),
    ("cvv one two three", "CVV", "one two three"),
    ("123 is my cvv", "CVV", "123"),
    ("Die Prüfnummer lautet 345", "CVV", "345"),
    ("el código de seguridad es 678", "CVV", "678"),
    ("My PIN is 1234", "PIN", "1234"),
    ("pin: 9 8 7 6", "PIN", "9 8 7 6"),
    ("I changed my PIN to 445566", "PIN", "445566"),
    ("4321 is my pin", "PIN", "4321"),
    ("Meine PIN lautet 2468", "PIN", "2468"),
    ("mi pin es 1357", "PIN", "1357"),
    ("my password is hunter2", "PASSWORD", "hunter2"),
    ("my online banking password is Blue-Sky!9", "PASSWORD", "Blue-Sky!9"),
    ("password: sunshine", "PASSWORD", "sunshine"),
    ("password for my account is sunshine and it fails", "PASSWORD", "sunshine"),
    ("My password is purple monkey dishwasher. Why?", "PASSWORD", "monkey"),
    ("mein Passwort ist Geheim123", "PASSWORD", "Geheim123"),
    ("mi contraseña es perro123", "PASSWORD", "perro123"),
    ("my one-time code is 482913", "ONE_TIME_CODE", "482913"),
    ("the code they texted me is 482 913", "ONE_TIME_CODE", "482 913"),
    ("OTP 991827", "ONE_TIME_CODE", "991827"),
    ("the verification code I got: G-449210", "ONE_TIME_CODE", "449210"),
    ("my passcode is 8842", "ONE_TIME_CODE", "8842"),
    ("Bestätigungscode: 773311", "ONE_TIME_CODE", "773311"),
    ("my password hunter2 is refused", "PASSWORD", "hunter2"),
    ("Meine PIN ist vier sieben eins eins", "PIN", "vier"),
    ("Die Prüfziffer hinten ist 123", "CVV", "123"),
    ("Ich habe den Code 482913 per SMS bekommen", "ONE_TIME_CODE", "482913"),
    ("Die SMS-TAN lautet 482 913", "ONE_TIME_CODE", "482 913"),
    ("Mon code confidentiel est 4711", "PIN", "4711"),
    ("le cryptogramme visuel, c'est 123", "CVV", "123"),
    ("Les 3 derniers chiffres au dos sont 987", "CVV", "987"),
    ("le code que j'ai reçu par SMS est 482 913", "ONE_TIME_CODE", "482 913"),
    ("mon mot de passe est Soleil77!", "PASSWORD", "Soleil77"),
    ("mdp : soleil et je ne peux pas entrer", "PASSWORD", "soleil"),
    ("mi número secreto es 4711", "PIN", "4711"),
    ("Here: 4-7-1-1 (that's the PIN)", "PIN", "4-7-1-1"),
    ("the secret number of my card: 4711", "PIN", "4711"),
    ("meine Kartengeheimzahl 4711", "PIN", "4711"),
    ("PIN👉4711", "PIN", "4711"),
    ("el código que recibí es 482913", "ONE_TIME_CODE", "482913"),
    ("senha: abc12345", "PASSWORD", "abc12345"),
    ("my api key is sk-abcdef0123456789abcdef", "PASSWORD", "abcdef0123456789"),
    ("we use AKIAIOSFODNN7EXAMPLE for it", "PASSWORD", "IOSFODNN7"),
    ("my card is 4111 1111 and then 1111 1111", "CARD", "1111"),
    ("el código de atrás es 123", "CVV", "123"),
    ("el código que me llegó al móvil es 482913", "ONE_TIME_CODE", "482913"),
    ("الرقم السري هو ٤٧١١", "PIN", "٤٧١١"),
    ("رمز الأمان هو ١٢٣", "CVV", "١٢٣"),
    ("رمز التحقق الذي وصلني هو 482913", "ONE_TIME_CODE", "482913"),
    ("كلمة المرور Shams77!", "PASSWORD", "Shams77"),
    ("كلمة السر هي شمس", "PASSWORD", "شمس"),
    ("Şifrem 4711", "PIN", "4711"),
    ("kartımın güvenlik kodu 123", "CVV", "123"),
    ("telefonuma gelen onay kodu 482913", "ONE_TIME_CODE", "482913"),
    ("parolam Gunes!99 ama girmiyor", "PASSWORD", "Gunes!99"),
    ("%B4111111111111111^DOE/JANE^27121010000000000?", "TRACK_DATA", "4111111111111111"),
    (";4111111111111111=27121010000000000?", "TRACK_DATA", "4111111111111111"),
]


@pytest.mark.parametrize(("text", "label", "secret"), SECRETS)
def test_secret_beside_its_cue_is_masked(text: str, label: str, secret: str) -> None:
    masked = secrets.mask(text)
    assert label in masked.labels
    assert secret not in masked.text


@pytest.mark.parametrize("rule", secrets._rules(), ids=lambda rule: rule.label)
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_every_cue_holds_a_sign_of_its_rule(rule: secrets._Rule, data: st.DataObject) -> None:
    """A rule is asked only where a sign of it stands: a cue without one would never be looked for."""
    cue = data.draw(st.from_regex(re.sub(r"\(\?<!.*?\)|\\b", "", rule.cue.pattern), fullmatch=True))
    assert any(sign in cue for sign in rule.signs), cue


def test_random_references_are_rarely_taken_for_cards() -> None:
    draw = random.Random(7)
    references = ["".join(draw.choices("0123456789", k=16)) for _ in range(5_000)]
    alarms = sum(bool(secrets.mask(f"reference {reference}").labels) for reference in references)
    assert alarms / len(references) <= 0.033


@pytest.mark.parametrize("cut", range(1, 16))
@pytest.mark.parametrize("card", [VISA, MASTERCARD, SERIES_2])
def test_card_split_over_two_messages_is_caught(card: str, cut: int) -> None:
    first, second = f"here it is: {card[:cut]}", f"{card[cut:]} thanks"
    tail = secrets.digit_tail(secrets.mask(first).text)
    masked = secrets.mask(second, tail)
    assert masked.joined_digits == cut
    assert card[cut:] not in masked.text
    assert card[:cut] not in secrets.mask_tail(first, masked.joined_digits)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("card 4111 1111", "the other part: 1111 1111"),
        ("my card starts with 4111 1111", "and ends 1111 1111"),
        ("meine Karte beginnt mit 4111", "der Rest ist 1111 1111 1111"),
    ],
)
def test_a_card_with_words_between_its_halves_is_caught(first: str, second: str) -> None:
    masked = secrets.mask(second, secrets.digit_tail(first), first)
    assert "1111" not in masked.text
    assert "1111" not in secrets.mask_tail(first, masked.joined_digits)


def test_two_numbers_that_are_no_card_stay() -> None:
    said = "order number 1111 1111"
    assert secrets.mask(said, secrets.digit_tail("call me on 5550 1234"), "call me on 5550 1234").text == said


def test_card_sent_in_four_messages_is_caught_at_the_fourth() -> None:
    tail, masked = "", secrets.Masked("", ())
    for part in ("my card: 4111", "1111", "1111", "1111"):
        masked = secrets.mask(part, tail)
        tail = secrets.digit_tail(masked.text, tail)
    assert masked.joined_digits == 12
    assert "1111" not in masked.text


@pytest.mark.parametrize(
    ("announced", "told", "label"),
    [
        ("so my PIN is", "4711", "PIN"),
        ("and the CVV:", "123 of course", "CVV"),
        ("Mein Passwort ist", "Geheim1", "PASSWORD"),
        ("my password is", "sunshine", "PASSWORD"),
        ("le code que j'ai reçu", "482913", "ONE_TIME_CODE"),
        ("Şifrem", "4711", "PIN"),
        ("الرقم السري هو", "٤٧١١", "PIN"),
    ],
)
def test_secret_that_the_message_before_announces_is_masked(announced: str, told: str, label: str) -> None:
    masked = secrets.mask(told, previous=announced)
    assert masked.labels == (label,)
    assert masked.text.startswith("[")
    assert secrets.mask(told) == secrets.Masked(told, ())


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("I have forgotten my PIN", "1250 dollars are gone as well"),
        ("what is the code for", "opening hours"),
        ("my password is", "not working"),
        ("I called about my PIN and nobody answered", "4711 is my house"),
    ],
)
def test_message_behind_a_cue_that_holds_no_secret_is_left_alone(before: str, text: str) -> None:
    assert secrets.mask(text, previous=before) == secrets.Masked(text, ())


@pytest.mark.parametrize("text", ["thanks", "I paid 20 euros", "", "[card ending 1111]", "4111 is my order"])
def test_message_that_does_not_end_in_digits_has_no_tail(text: str) -> None:
    assert secrets.digit_tail(text) == ""


@given(st.text(alphabet=st.sampled_from("4415 -0.\n\u200b１pincvoder:is [],"), max_size=80))
@example("PIN is 1234 5678 9012")
@example("12 4111 1111 1111 1111 5")
@settings(max_examples=400, deadline=None)
def test_masking_twice_is_masking_once(text: str) -> None:
    once = secrets.mask(text).text
    assert secrets.mask(once) == secrets.Masked(once, ())


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(sorted(WRITINGS)))
@settings(max_examples=300, deadline=None)
def test_card_is_found_in_any_surroundings(before: str, after: str, name: str) -> None:
    masked = secrets.mask(f"{before} x {WRITINGS[name]} x {after}")
    assert "CARD" in masked.labels


@pytest.mark.parametrize("unit", UNITS)
def test_long_messages_take_linear_time(unit: str) -> None:
    took = {length: fastest((unit * length)[:length]) for length in (2_000, 16_000)}
    assert took[16_000] < 24 * took[2_000] + 0.01  # eight times the text; quadratic would be 64 times the time
    assert took[16_000] < 0.5


def fastest(text: str) -> float:
    """CPU seconds of the fastest of a few runs: the others shared the processor with somebody."""
    took = []
    for _ in range(4):
        began = time.process_time()
        secrets.mask(text)
        took.append(time.process_time() - began)
    return min(took)
