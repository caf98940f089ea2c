"""The tests of a mutant run in the order of their duration, the fastest only: most are killed within a second.

A mutant that only a longer test would kill counts as one that survives.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

DURATIONS = Path("mutmut-stats.json")
"""What mutmut has measured; it is there once the tests without a mutant have run."""

MOST = 400
"""So many tests are tried; the longer ones are plays that reach every rule."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = json.loads(DURATIONS.read_text())["duration_by_test"] if DURATIONS.exists() else {}
    items.sort(key=lambda item: known.get(item.nodeid, 0.0))
    if "__mutmut_" in os.environ.get("MUTANT_UNDER_TEST", ""):
        del items[MOST:]
