"""The glossary's names exist in the code."""

from __future__ import annotations

import re

import pytest

from tests.stage import ROOT

ROWS = re.findall(r"^\| (.+?) \| (.+) \| (.+) \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
FILES = [path for part in ("operator", "trainer", "kubectl") for path in (ROOT / part).rglob("*.py")]
CODE = "\n".join(path.read_text() for path in FILES) + (ROOT / "docs" / "api.md").read_text()
WORDS = {word: names for word, _, names in ROWS if word not in ("word", "---")}


def test_the_glossary_is_long_enough_and_has_no_word_twice() -> None:
    assert len(WORDS) > 30
    assert len(WORDS) == len([word for word, _, _ in ROWS if word not in ("word", "---")])


@pytest.mark.parametrize("word", WORDS)
def test_the_name_of_each_word_exists(word: str) -> None:
    names = re.findall(r"`([^`]+)`", WORDS[word])
    assert names
    assert not [name for name in names if not exists(name)]


def exists(name: str) -> bool:
    """Whether a file or folder has this path, or all words of the name are in the code or the API."""
    if "/" in name:
        parts = name.rstrip("/")
        return any(f"/{parts}" in str(path) for path in FILES)
    return all(re.search(rf"\b{part}\b", CODE) for part in re.findall(r"\w+", name))
