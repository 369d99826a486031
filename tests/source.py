"""The repository's own files, for the tests that hold its structure."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from helios.settings import PROJECT

TEXT = {".py", ".md", ".toml", ".yml", ".yaml", ".sh", ".js", ".css", ".html", ".ini", ".mako", ".json", ".svg", ""}


@cache
def files() -> tuple[Path, ...]:
    """What is committed or would be, relative to the project. Without Git, everything but hidden folders."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        found = {Path(name) for name in listed.stdout.split("\0") if name}
    else:
        found = {path.relative_to(PROJECT) for path in PROJECT.rglob("*")}
        found = {path for path in found if not any(part.startswith(".") for part in path.parts[:-1])}
    return tuple(sorted(path for path in found if (PROJECT / path).is_file()))


def texts(*folders: str) -> Iterator[tuple[Path, str]]:
    """Files that people write, with their text; those in `folders` only, if any are named."""
    for path in files():
        if path.suffix in TEXT and (not folders or path.parts[0] in folders):
            yield path, (PROJECT / path).read_text(encoding="utf-8", errors="replace")


def modules(*folders: str) -> list[tuple[Path, ast.Module]]:
    """Python files, parsed."""
    return [
        (path, tree(path)) for path in files() if path.suffix == ".py" and (not folders or path.parts[0] in folders)
    ]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((PROJECT / path).read_text(encoding="utf-8"), str(path))


def imports(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that is imported, wherever in the file, for types only as well."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide which layer they reach"
            yield from ((node.lineno, f"{node.module}.{each.name}") for each in node.names)


def constants(module: ast.Module) -> Iterator[str]:
    """Every string in a module that is not a docstring."""
    documented = {
        id(first.value)
        for node in ast.walk(module)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        for first in node.body[:1]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.value


def calls(module: ast.Module, name: str) -> Iterator[ast.Call]:
    """Calls of a function by its last name."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            if called == name:
                yield node
