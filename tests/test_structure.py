"""The edges of the house, its names and its sizes. Fast: nothing is started."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helios.settings import PROJECT
from tests.source import files, imports, modules, texts, tree

LAYERS = {"activities", "api", "benchmarks", "deploy", "evals", "helios", "schema", "tests", "workflows", "worker"}
MAY_IMPORT = {
    "schema": set[str](),
    "helios": {"schema"},
    "activities": {"helios", "schema"},
    "workflows": {"activities.signatures", "schema"},
    "api": {"helios", "schema"},
    "deploy": {"helios"},
    "worker": {"activities", "helios", "schema", "workflows"},
}
"""Besides itself. What stands outside (tests, benchmarks, evaluations) may look at everything."""
COMMANDS_START = {"api", "benchmarks", "evals", "worker", "workflows"}
"""What `python -m helios` runs besides."""
HEAVY = {"onnx", "onnxruntime", "llama_index", "openai", "anthropic", "tokenizers", "torch"}

# `llama-index-workflows` installs a package `workflows` too; a module of ours with one of its names would hide its own.
NAMES_OF_LLAMA_INDEX_WORKFLOWS = {
    *("client", "collect", "context", "decorators", "errors", "events", "handler", "plugins", "protocol"),
    *("representation", "resource", "retry_policy", "runtime", "server", "testing", "types", "utils", "workflow"),
}
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc"}

FILE_LINES_MAX, FUNCTION_LINES_MAX = 400, 60
LEFT_FOR_LATER = re.compile("|".join((r"\bTO" + r"DO\b", r"\bFIX" + "ME", r"\bXX" + r"X\b", r"\bHA" + r"CK\b")))
UNFINISHED = re.compile("Not" + "ImplementedError|" + r"\bfor " + r"now\b|not yet " + "implemented", re.IGNORECASE)
OF_A_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|Users|home/[a-z]\w*)/")
OF_A_REGISTRY = re.compile(r"\b(?:pypi\.org|files\.pythonhosted\.org|registry\.npmjs\.org|conda\.anaconda\.org)\b")

MAY_READ_THE_ENVIRONMENT = {
    "helios/settings.py": "the one place for settings",
    "helios/embedded/supervisor.py": "gives its environment to its children",
}
MAY_READ_IT_OUTSIDE = {"tests", "benchmarks"}
"""They pass an environment on to the processes that they start."""


def layer(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


def test_no_layer_imports_what_it_should_not_know() -> None:
    wrong = []
    for path, module in modules():
        if layer(path) not in MAY_IMPORT:
            continue
        allowed = MAY_IMPORT[layer(path)] | (COMMANDS_START if path.is_relative_to("helios/commands") else set())
        for line, name in imports(module):
            inside = name.split(".")[0]
            known = {inside, ".".join(name.split(".")[:2])} & (allowed | {layer(path)})
            if inside in LAYERS and not known:
                wrong.append(f"{path}:{line} imports {name}")
    assert not wrong, wrong


def test_what_workflows_know_of_activities_is_light() -> None:
    """They import the signatures; those bring nothing of ours but the wire types."""
    ours = {name for _, name in imports(tree(Path("activities/signatures.py"))) if name.split(".")[0] in LAYERS}
    assert {name.split(".")[0] for name in ours} == {"schema"}


@pytest.mark.parametrize("module", ["api.app", "workflows.conversation", "schema.tables"])
def test_heavy_libraries_stay_out(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "", f"{module} loads {ran.stdout.strip()}"


def test_no_module_takes_a_name_of_llama_indexs_workflows() -> None:
    ours = {
        path.relative_to("workflows").parts[0].removesuffix(".py") for path in files() if path.parts[0] == "workflows"
    }
    assert not ours & NAMES_OF_LLAMA_INDEX_WORKFLOWS
    assert "extend_path" in (PROJECT / "workflows" / "__init__.py").read_text()


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [path for path in files() if {part.split(".")[0] for part in path.parts} & NAMES_THAT_SAY_NOTHING]


def test_files_are_short() -> None:
    long = {
        str(path): text.count("\n")
        for path, text in texts()
        if path.suffix in (".py", ".js") and "versions" not in path.parts and text.count("\n") > FILE_LINES_MAX
    }
    assert not long, f"more than {FILE_LINES_MAX} lines: {long}"


def test_functions_are_short() -> None:
    long = [
        f"{path}:{function.lineno} {function.name}"
        for path, module in modules()
        if "versions" not in path.parts
        for function in functions(module)
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert not long, f"more than {FUNCTION_LINES_MAX} lines: {long}"


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def test_nothing_is_left_for_later() -> None:
    left = []
    for path, text in texts():
        for number, line in enumerate(text.splitlines(), 1):
            if LEFT_FOR_LATER.search(line) or (path.suffix in (".py", ".js", ".sh") and UNFINISHED.search(line)):
                left.append(f"{path}:{number} {line.strip()[:80]}")
    assert not left, left


def test_no_exception_of_any_kind_is_swallowed() -> None:
    wrong = [
        f"{path}:{node.lineno}"
        for path, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and all(isinstance(each, (ast.Pass, ast.Continue)) for each in node.body)
    ]
    assert not wrong, wrong


def test_the_environment_is_read_in_one_place() -> None:
    readers = {
        str(path)
        for path, module in modules()
        if path.parts[0] not in MAY_READ_IT_OUTSIDE
        for node in ast.walk(module)
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"))
        or (isinstance(node, ast.Name) and node.id in ("environ", "getenv"))
    }
    assert readers <= set(MAY_READ_THE_ENVIRONMENT), readers - set(MAY_READ_THE_ENVIRONMENT)


def test_nothing_names_a_machine_or_a_registry() -> None:
    here = f"{PROJECT.parent}/"
    found = [
        f"{path}:{number} {line.strip()[:80]}"
        for path, text in texts()
        if path.name != "test_structure.py"
        for number, line in enumerate(text.splitlines(), 1)
        if OF_A_MACHINE.search(line) or OF_A_REGISTRY.search(line) or (len(here) > 5 and here in line)
    ]
    assert not found, found
