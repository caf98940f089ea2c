"""Each promise has a test that holds it."""

from __future__ import annotations

import ast
import re

from tests.stage import ROOT

PAGE = (ROOT / "docs" / "promises.md").read_text()
ROWS = [row for row in re.findall(r"^\| (.+) \| (.+) \|$", PAGE, re.MULTILINE) if row[0] not in ("promise", "---")]


def test_each_promise_names_a_test() -> None:
    assert len(ROWS) > 10
    assert not [promise for promise, tests in ROWS if not re.findall(r"`tests/[^`]+::\w+`", tests)]


def test_each_named_test_is_there() -> None:
    named = set(re.findall(r"`(tests/[^`]+)::(\w+)`", PAGE))
    assert not {f"{path}::{name}" for path, name in named if name not in functions(path)}


def functions(path: str) -> set[str]:
    """Every test of the file, and every other function that asserts, such as what a state machine holds to."""
    file = ROOT / path
    if not file.exists():
        return set()
    nodes = (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef))
    return {node.name for node in nodes if node.name.startswith("test_") or _asserts(node)}


def _asserts(node: ast.FunctionDef) -> bool:
    return any(isinstance(each, ast.Assert) for each in ast.walk(node))
