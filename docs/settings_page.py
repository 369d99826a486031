"""Makes docs/settings.md from helios/settings.py: `python -m docs.settings_page > docs/settings.md`."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import AliasChoices, SecretStr

from helios.settings import PROJECT, Settings

SOURCE = PROJECT / "helios" / "settings.py"
HEAD = """# Settings

Every setting is an environment variable, read once when a process starts. This page is made from
`helios/settings.py` by `python -m docs.settings_page > docs/settings.md`; a test compares them.

`make up` needs none of them: it finds ports, makes keys and passwords, and gives its processes the rest.
"""


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    section: str
    help: str


def fields() -> Iterator[Field]:
    """The settings in the order of the source, with the comment above as section and the docstring below as help."""
    text = SOURCE.read_text(encoding="utf-8")
    lines = text.splitlines()
    (settings,) = (each for each in ast.parse(text).body if isinstance(each, ast.ClassDef))
    section = ""
    for node, following in zip(settings.body, [*settings.body[1:], None], strict=True):
        above = re.fullmatch(r"    # (.+)", lines[node.lineno - 2])
        section = above[1] if above else section
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield Field(node.target.id, section.partition(".")[0], _docstring(following))


def _docstring(node: ast.stmt | None) -> str:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return " ".join(str(node.value.value).split()) if is_text else ""  # type: ignore[union-attr]


def variable(name: str) -> str:
    alias = Settings.model_fields[name].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"HELIOS_{name.upper()}"


def default(name: str) -> str:
    value: Any = Settings.model_fields[name].get_default()
    if isinstance(value, SecretStr) or value is None or value in ("", ()):
        return ""
    shown = str(value).replace(f"{PROJECT}/", "")
    return f"`{shown.lower() if isinstance(value, bool) else shown}`"


def page() -> str:
    written, section = [HEAD], ""
    for field in fields():
        if field.section != section:
            section = field.section
            written.append(f"\n## {section}\n\n| variable | default | meaning |\n| --- | --- | --- |\n")
        meaning = field.help.replace("|", "\\|")
        written.append(f"| `{variable(field.name)}` | {default(field.name)} | {meaning} |\n")
    return "".join(written)


if __name__ == "__main__":
    sys.stdout.write(page())
