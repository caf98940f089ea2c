"""Tests that kill processes run only in `make test-deep`: they take minutes."""

from __future__ import annotations

from tests.faults.profiles import DEEP

collect_ignore = [] if DEEP else ["test_kills.py"]
