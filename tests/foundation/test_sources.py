"""Code is told apart by a hash of its files."""

from __future__ import annotations

from pathlib import Path

from helios.sources import sources_hash

FOLDERS = ("code", "more")


def test_names_and_contents_count_and_what_python_makes_of_them_does_not(tmp_path: Path) -> None:
    for folder in FOLDERS:
        (tmp_path / folder / "__pycache__").mkdir(parents=True)
    seen = [sources_hash(*FOLDERS, project=tmp_path)]
    for name, content in (("code/a.py", "1"), ("code/a.py", "2"), ("more/b.md", "2"), ("more/c.md", "")):
        (tmp_path / name).write_text(content)
        seen.append(sources_hash(*FOLDERS, project=tmp_path))
    assert len(set(seen)) == 5
    (tmp_path / "code" / "__pycache__" / "a.cpython-311.pyc").write_text("compiled")
    assert sources_hash(*FOLDERS, project=tmp_path) == seen[-1]


def test_the_projects_own_code_has_one() -> None:
    assert sources_hash("workflows") != sources_hash("workflows", "activities")
