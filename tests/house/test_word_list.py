"""The word list finds the words it names, and nothing else."""

from __future__ import annotations

import pytest

from tests.house.word_list import in_names, in_text


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("Names the field and the mend.", "mend"),
        ("Nobody waits.", "nobody"),
        ("It is told again.", "told"),
        ("the Service that leads the requests to it", "leads the requests"),
        ("This is no file.", "is no file"),
        ("its outcome stands", "outcome stands"),
        ("the pod's last words", "last words"),
    ],
)
def test_a_listed_word_is_reported_with_its_line(line: str, word: str) -> None:
    assert [(each.line, each.word) for each in in_text("a.md", f"first line\n{line}\n")] == [(2, word)]


@pytest.mark.parametrize(
    "line",
    [
        "I recommend a fix.",
        "There is no file; the old one is no longer there.",
        "    if model is None:",
        "Deferral the step and say what was found.",
        "Standby operators wait for the lease.",
    ],
)
def test_plain_words_are_not_reported(line: str) -> None:
    assert not list(in_text("a.md", line))


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("found = 1", "found"),
        ("def f(_told): pass", "_told"),
        ("class RouteHindrance: pass", "RouteHindrance"),
        ("def test_a_mended_route(): pass", "test_a_mended_route"),
        ("self.held = 1", "held"),
        ("import os as nobody", "nobody"),
    ],
)
def test_a_name_of_a_listed_word_is_reported(code: str, name: str) -> None:
    assert [each.word for each in in_names("a.py", code)] == [name]


@pytest.mark.parametrize("code", ["not_found = 1", "class NotFoundError(Exception): pass", "recommended = 1"])
def test_plain_names_are_not_reported(code: str) -> None:
    assert not list(in_names("a.py", code))
