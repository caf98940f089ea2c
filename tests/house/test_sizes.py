"""Limits of size, and of names, that keep the code easy to read."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.stage import ROOT

MODULE_LINES = 250
FUNCTION_LINES = 40
MODULES_IN_FOLDER = 12
TEST_NAME = 60
LARGE_FOLDERS = {"operator/perennial_operator/core/api", "operator/perennial_operator/core/manifests"}
MODULES = sorted(path for folder in ("operator", "trainer", "kubectl") for path in (ROOT / folder).rglob("*.py"))

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, Function))


def place(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines(function: Function) -> int:
    first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
    return (function.end_lineno or first) - first + 1


def test_no_module_exceeds_250_lines() -> None:
    assert [place(path) for path in MODULES if len(path.read_text().splitlines()) > MODULE_LINES] == []


def test_no_function_exceeds_40_lines() -> None:
    long = [
        f"{place(path)}: {each.name}" for path in MODULES for each in functions(path) if lines(each) > FUNCTION_LINES
    ]
    assert long == []


def test_no_folder_has_more_than_12_modules() -> None:
    count = Counter(place(path.parent) for path in MODULES if path.name != "__init__.py")
    assert {folder for folder, modules in count.items() if modules > MODULES_IN_FOLDER} <= LARGE_FOLDERS


def test_no_function_is_named_as_its_module() -> None:
    assert [place(path) for path in MODULES for each in functions(path) if each.name == path.stem] == []


def test_names_of_tests_are_short() -> None:
    tests = sorted((ROOT / "tests").rglob("*.py"))
    names = (each.name for path in tests for each in functions(path))
    assert [name for name in names if name.startswith("test_") and len(name) > TEST_NAME] == []
