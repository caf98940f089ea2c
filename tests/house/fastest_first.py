"""The tests of a mutant run in the order of their duration: most mutants are killed within a second."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

DURATIONS = Path("mutmut-stats.json")
"""What mutmut has measured; it is there once the tests without a mutant have run."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = json.loads(DURATIONS.read_text())["duration_by_test"] if DURATIONS.exists() else {}
    items.sort(key=lambda item: known.get(item.nodeid, 0.0))
