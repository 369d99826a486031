import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios.knowledge.sentences import sentence_pieces, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It costs 2.50 dollars. Then go on.", ["It costs 2.50 dollars.", "Then go on."]),
        ("Ask Dr. Smith or Mrs. Jones. They know.", ["Ask Dr. Smith or Mrs. Jones.", "They know."]),
        ("See e.g. Section 3. Then stop.", ["See e.g. Section 3.", "Then stop."]),
        ("The U.S. Treasury agrees. J. Smith too.", ["The U.S. Treasury agrees.", "J. Smith too."]),
        ("We open at 9 a.m. Monday is busy.", ["We open at 9 a.m.", "Monday is busy."]),
        ("The limit is 10. You can change it.", ["The limit is 10.", "You can change it."]),
        ("It ends in 2026. Then we write.", ["It ends in 2026.", "Then we write."]),
        ('He said "stop." Then he left.', ['He said "stop."', "Then he left."]),
        ("Really? Yes! Fine.", ["Really?", "Yes!", "Fine."]),
        ("Es gilt ab dem 15. Januar. Dann nicht.", ["Es gilt ab dem 15. Januar.", "Dann nicht."]),
        ("Bis zum 3. Werktag. Das gilt z. B. hier.", ["Bis zum 3. Werktag.", "Das gilt z. B. hier."]),
        ("Sie kostet 2,50 Euro bzw. Dollar. Gut.", ["Sie kostet 2,50 Euro bzw. Dollar.", "Gut."]),
        ("Vive en EE. UU. desde 2020. ¿Y usted?", ["Vive en EE. UU. desde 2020.", "¿Y usted?"]),
        ("Llame al Sr. Pérez. ¡Gracias!", ["Llame al Sr. Pérez.", "¡Gracias!"]),
        ("هل البطاقة مفقودة؟ اتصل بنا.", ["هل البطاقة مفقودة؟", "اتصل بنا."]),
        ("1. Open the app.\n2. Choose Cards.\n- Freeze it", ["Open the app.", "Choose Cards.", "Freeze it"]),
        ("One line\nAnother line", ["One line", "Another line"]),
        ("", []),
        ("   \n ", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert list(split_sentences(text)) == sentences


@given(st.text(alphabet=st.sampled_from("aB1 .!?\n-(\"')é؟z.B."), max_size=80))
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(sentence_pieces(text)) == text


@given(st.text(max_size=60))
def test_no_sentence_is_empty_or_has_outer_space(text: str) -> None:
    for sentence in split_sentences(text):
        assert sentence == " ".join(sentence.split()) != ""
