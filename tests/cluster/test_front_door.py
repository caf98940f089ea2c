"""The rest of the repository uses this package only through what `tests.cluster` exports."""

import ast
from pathlib import Path

from tests import cluster

ROOT = Path(__file__).parents[2]
FILES = [
    file
    for folder in ("operator", "trainer", "kubectl", "tests", "docs")
    for file in (ROOT / folder).rglob("*.py")
    if Path(__file__).parent not in file.parents
]


def imported(file: Path) -> set[str]:
    """The dotted names that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_only_the_front_door_is_imported() -> None:
    exported = {f"tests.cluster.{name}" for name in cluster.__all__}
    wrong = {file: {name for name in imported(file) if name.startswith("tests.cluster.")} - exported for file in FILES}
    assert not {str(file.relative_to(ROOT)): names for file, names in wrong.items() if names}
