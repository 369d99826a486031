from evals.drafts.generator import DISGUISES, drafts
from evals.drafts.section import leaking
from helios.detection import output

SEED, COUNT = 4, 800
LEAKS_MAX = 0.02  # a slip in a short word can make another word of it


def test_hardly_a_forbidden_phrase_leaves_however_it_is_disguised() -> None:
    found = list(drafts(COUNT, SEED))
    assert {draft.disguise for draft in found} == set(DISGUISES)
    leaked = leaking(found)
    assert not [draft.text for draft in leaked if "slip" not in draft.disguise and "filler" not in draft.disguise]
    assert len(leaked) <= LEAKS_MAX * COUNT, [draft.text for draft in leaked]


def test_same_seed_gives_the_same_drafts() -> None:
    assert list(drafts(50, SEED)) == list(drafts(50, SEED))


def test_lists_hold_only_while_their_situation_does() -> None:
    text = "We have waived the fee."
    assert output.check_whole(text, output.Context(language="en")).action == "release"
    assert output.check_whole(text, output.Context(situations=(10,), language="en")).action == "hold"
