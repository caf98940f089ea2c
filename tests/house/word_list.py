"""Lists words that a reader would have to decode, with what to write instead: `python -m tests.house.word_list`."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.stage import ROOT

TEXT: tuple[tuple[str, str], ...] = (
    (r"mend(s|ed|ing)?", "fix"),
    (r"anew", "again"),
    (r"for ever", "forever"),
    (r"nobody|whoever|who(m|se)soever", "no one, any"),
    (r"told", "reported, message, result"),
    (r"hindrances?|hinder(s|ed|ing)?", "blocker, blocks"),
    (r"lead(s|ing)? (the )?requests", "routes traffic to"),
    (r"(came|comes?|coming) to nothing", "failed or was rejected"),
    (r"outcome stands|open no more", "is final"),
    (r"(its|his|her|their|last) words?", "its message, its result"),
    (r"(stand|stands|stood|standing) by", "standby"),
    (r"ails|ailing", "unhealthy"),
    (r"(?<!there )(?<!There )(is|are|was|were) no (?!longer\b|more\b|one\b|better\b)\w+", "is not a …, does not exist"),
    (r"(is|are|was|were) none", "does not exist, is not one"),
)
"""Words of prose, as regular expressions, and what to write instead."""

PARTS = {
    "anew": "again",
    "ailing": "unhealthy",
    "ails": "unhealthy",
    "hindrance": "blocker",
    "hinders": "blocks",
    "mend": "fix",
    "mended": "fixed",
    "mends": "fixes",
    "nobody": "no_one",
    "told": "message, reported, written, or the name of the thing",
    "whoever": "any",
}
"""Words that no name may hold, and what to write instead."""

NAMES = {
    "actor": "executor",
    "beyond": "exceeded_limit, novelty, or the name of the thing",
    "books": "the name of what is counted",
    "found": "the name of the thing",
    "held": "the name of the thing",
    "looked": "details",
    "said": "message, or the name of the thing",
    "sorryerror": "CommandError",
    "surveyor": "Sampler",
    "teller": "StatusWriter",
    "triage": "assess_reports",
    "unanswered": "JobFailure",
}
"""Whole names, and what to write instead."""

FOLDERS = ("operator", "trainer", "kubectl", "docs", "manifests", "charts", "gitops", ".github")
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".json", ".tpl", ".txt", ".lua", ".svg"}
_TEXT = tuple((re.compile(rf"\b({pattern})\b"), instead) for pattern, instead in TEXT)


class Finding(NamedTuple):
    """A word that is to be replaced."""

    path: str
    line: int
    word: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: '{self.word}'; write: {self.instead}"


def in_text(path: str, text: str) -> Iterator[Finding]:
    """Every listed word of the prose, in any case; None of Python is not the word none."""
    for number, line in enumerate(text.splitlines(), start=1):
        lowered = re.sub(r"\b[A-Z]", lambda letter: letter[0].lower(), line.replace("None", ""))
        for pattern, instead in _TEXT:
            yield from (Finding(path, number, match[0], instead) for match in pattern.finditer(lowered))


def in_names(path: str, code: str) -> Iterator[Finding]:
    """Every name that the code defines and that is, or holds, a listed word."""
    for name, number in definitions(ast.parse(code)):
        plain = name.strip("_")
        if plain.lower() in NAMES:
            yield Finding(path, number, name, NAMES[plain.lower()])
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).lower().split("_")
        yield from (Finding(path, number, name, PARTS[word]) for word in words if word in PARTS)


def definitions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names of functions, classes, arguments, variables and attributes, with their lines."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno


def files() -> Iterator[Path]:
    """What is checked: the documents of the root, the folders of the project, and the tests."""
    yield from ROOT.glob("*.md")
    for folder in (*FOLDERS, "tests"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def findings(path: Path) -> Iterator[Finding]:
    """What is to be replaced in one file. Tests are checked for their names; their texts may quote anything."""
    place = path.relative_to(ROOT)
    is_test = place.parts[0] == "tests"
    if path.suffix in SUFFIXES and not is_test:
        yield from in_text(str(place), path.read_text(encoding="utf-8"))
    if path.suffix == ".py":
        yield from in_names(str(place), path.read_text(encoding="utf-8"))


def main() -> int:
    """Prints every finding."""
    replaced = [finding for path in sorted(files()) for finding in findings(path)]
    for finding in replaced:
        print(finding)
    return 1 if replaced else 0


if __name__ == "__main__":
    sys.exit(main())
