"""What holds for the code as a whole, read from its syntax."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("streams", "tests", "benchmarks", "deploy")
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 40
STAGES = ("join", "sample", "summarize", "window")

ENGINES = {"faust", "aiokafka", "clickhouse_connect", "chdb", "asyncio", "threading", "multiprocessing", "subprocess"}
OUTSIDE = {"os", "time", "datetime", "logging", "random", "secrets", "uuid", "pathlib", "io", "socket", "sys", "shutil"}
OUTER = {"streams.codecs", "streams.runtime", "streams.sinks", "streams.pipeline", "streams.cli", "streams.demo"}
OUTER |= {"streams.analyze", "streams.report", "streams.cli_analyze", "streams.cli_experiments", "streams.cli_report"}
OUTER |= {"streams.cli_plan", "streams.cli_alerts", "streams.alerts", "streams.cli_changes", "streams.cli_offline"}
OUTER |= {"streams.gateway", "streams.cli_gateway"}
OUTER |= {"streams.privacy", "streams.cli_privacy"}
CLOCKS_AND_DICE = {"now", "utcnow", "today", "random", "default_rng"}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def files(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if ".venv" not in path.parts)  # contestants have environments of their own


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Modules and names that a file imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_any(tree: ast.Module, forbidden: set[str]) -> list[str]:
    return [name for name in imported(tree) if any(f"{name}.".startswith(f"{module}.") for module in forbidden)]


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def public(body: Iterable[ast.stmt]) -> Iterator[Definition]:
    """Public functions and classes, and the public methods of these."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def broad_handlers(tree: ast.Module) -> Iterator[ast.ExceptHandler]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = [] if node.type is None else list(ast.walk(node.type))
            names = {part.id for part in caught if isinstance(part, ast.Name)}
            if node.type is None or names & {"Exception", "BaseException"}:
                yield node


def test_the_folders_are_read() -> None:
    """There are files to look at: the core has its stages, and every folder has something."""
    core = files("streams/core")

    assert len(core) >= 35
    assert all(files(folder) for folder in FOLDERS)
    assert {f"{stage}.py" for stage in STAGES} <= {path.name for path in core}


def test_the_core_is_pure() -> None:
    """The core imports no engine, no I/O, no clock and no dice, and nothing from around it."""
    found = {name_of(path): imports_any(parse(path), ENGINES | OUTSIDE | OUTER) for path in files("streams/core")}

    assert {name: imports for name, imports in found.items() if imports} == {}


def test_the_core_asks_no_clock_and_draws_no_numbers() -> None:
    """The core reads no attribute like `datetime.now` or `numpy.random`, and opens and prints nothing."""
    found = []
    for path in files("streams/core"):
        nodes = list(ast.walk(parse(path)))
        used = {node.attr for node in nodes if isinstance(node, ast.Attribute)} & CLOCKS_AND_DICE
        called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        found += [f"{name_of(path)}: {name}" for name in used | called & {"open", "print", "input", "exec", "eval"}]

    assert found == []


def test_files_are_short() -> None:
    """No file is longer than 400 lines."""
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files(*FOLDERS)}

    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FILE} == {}


def test_functions_are_short() -> None:
    """No function is longer than 40 lines, its docstring aside."""
    lengths = {f"{name_of(path)}: {f.name}": lines_of(f) for path in files(*FOLDERS) for f in functions(parse(path))}

    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FUNCTION} == {}


def test_no_handler_catches_everything() -> None:
    """There is no bare `except`, and none of `Exception` or `BaseException`."""
    found = [f"{name_of(path)}:{h.lineno}" for path in files("streams") for h in broad_handlers(parse(path))]

    assert found == []


def test_what_is_public_in_the_core_is_documented() -> None:
    """Every module of the core, and every public function, class and method in it, has a docstring."""
    trees = {name_of(path): parse(path) for path in files("streams/core")}
    nodes = [(name, node) for name, tree in trees.items() for node in (tree, *public(tree.body))]

    assert [f"{name}: {getattr(node, 'name', '')}" for name, node in nodes if ast.get_docstring(node) is None] == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_one_word(stage: str) -> None:
    """A stage's word names its file and its tests, and the first page says it."""
    assert (ROOT / "streams/core" / f"{stage}.py").is_file()
    assert (ROOT / "tests/core" / f"test_{stage}.py").is_file()
    assert stage in (ast.get_docstring(parse(ROOT / "streams/pipeline.py")) or "")


def test_nothing_is_mocked() -> None:
    """Nothing imports `unittest.mock` or `mock`: tests use the real parts."""
    mocks = {"unittest", "mock", "pytest_mock"}

    assert [name_of(path) for path in files(*FOLDERS) if imports_any(parse(path), mocks)] == []


def test_every_test_states_its_fact() -> None:
    """Every test function has a docstring."""
    tests = [(path, f) for path in files("tests") for f in parse(path).body if isinstance(f, ast.FunctionDef)]
    named = [(path, f) for path, f in tests if f.name.startswith("test_")]

    assert len(named) >= 400
    assert [f"{name_of(path)}: {f.name}" for path, f in named if ast.get_docstring(f) is None] == []


@pytest.mark.parametrize(
    ("source", "finds"),
    [
        ("import os.path", True),
        ("from os import path", True),
        ("def f():\n    import time", True),
        ("from streams.sinks import buffer", True),
        ("from streams import sinks", True),
        ("import osmium\nfrom streams.core import time", False),
    ],
)
def test_imports_are_found_wherever_they_are(source: str, finds: bool) -> None:
    """The check above sees every form of import, and no other module with such a beginning."""
    assert bool(imports_any(ast.parse(source), ENGINES | OUTSIDE | OUTER)) == finds


@pytest.mark.parametrize("caught", ["", " Exception", " (ValueError, Exception) as e", " BaseException"])
def test_broad_handlers_are_found(caught: str) -> None:
    """The check above sees every way to catch everything, and lets what is named pass."""
    assert len(list(broad_handlers(ast.parse(f"try:\n    f()\nexcept{caught}:\n    pass")))) == 1
    assert list(broad_handlers(ast.parse("try:\n    f()\nexcept ValueError:\n    pass"))) == []
