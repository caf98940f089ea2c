"""What only `make test-deep` plays: minutes of killing."""

from __future__ import annotations

from tests.faults.profiles import DEEP

collect_ignore = [] if DEEP else ["test_kills.py"]
