import subprocess
import sys
from itertools import pairwise

import pytest

from helios.knowledge.chunking import CHUNK_WORDS, OVERLAP_WORDS, chunk_text, sections
from helios.settings import PROJECT

LONG = " ".join(f"Sentence number {n} says that fee number {n} is {n}.50 dollars a month." for n in range(40))


def test_a_chunk_keeps_its_heading_and_never_mixes_two_sections() -> None:
    chunks = chunk_text("Opening words.\n\n## Fees\nIt costs 5 dollars.\n\n## Time\nIt takes a day.\n")
    assert [(c.heading, c.text, c.position) for c in chunks] == [
        ("", "Opening words.", 0),
        ("Fees", "It costs 5 dollars.", 1),
        ("Time", "It takes a day.", 2),
    ]


def test_a_long_section_is_cut_at_sentences_with_little_overlap() -> None:
    chunks = chunk_text(f"## Fees\n{LONG}")
    assert len(chunks) > 2
    for chunk in chunks:
        assert len(chunk.text.split()) <= CHUNK_WORDS
        assert chunk.text.startswith("Sentence number")
        assert chunk.text.endswith("a month.")
    for before, after in pairwise(chunks):
        repeated = [sentence for sentence in after.sentences if sentence in before.sentences]
        assert len(repeated) * 12 <= OVERLAP_WORDS
    told = [sentence for chunk in chunks for sentence in chunk.sentences]
    assert list(dict.fromkeys(told)) == [
        f"Sentence number {n} says that fee number {n} is {n}.50 dollars a month." for n in range(40)
    ]


def test_every_sentence_stands_in_its_chunk_in_order() -> None:
    chunks = chunk_text(f"Intro. More.\n\n## List\nYou need:\n- a passport, e.g. a US one.\n- a form.\n\n{LONG}")
    for chunk in chunks:
        place = 0
        for sentence in chunk.sentences:
            place = chunk.text.index(sentence, place) + 1


def test_markdown_becomes_plain_text() -> None:
    (section,) = sections("Tap **Cards** in [the app](https://example.com), *then*\n`Freeze`.\n\nNew line.\n* item")
    assert section.text == "Tap Cards in the app, then Freeze.\nNew line.\n* item"


def test_an_empty_section_gives_no_chunk() -> None:
    assert [c.heading for c in chunk_text("## Empty\n\n## Full\nText here.")] == ["Full"]
    assert chunk_text("") == []


@pytest.mark.parametrize("order", ["import workflows, llama_index.core", "import llama_index.core, workflows"])
def test_our_workflows_and_llama_indexs_live_in_one_process(order: str) -> None:
    """llama-index-workflows installs a top-level package `workflows` too: see workflows/__init__.py."""
    code = f"{order}; import workflows.context, workflows; print(workflows.__file__)"
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(PROJECT / "workflows" / "__init__.py")


def test_llama_index_is_imported_only_when_a_text_is_cut() -> None:
    code = "import sys, helios.knowledge.embedding, helios.offline; print('llama_index' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_rows_of_a_table_keep_their_lines() -> None:
    table = "Fees:\n\n| Account | Fee |\n|---|:-:|\n| Basic | 3 dollars |\n| Student | none |\n"
    assert sections(table)[0].text == "Fees:\nAccount | Fee\nBasic | 3 dollars\nStudent | none"
