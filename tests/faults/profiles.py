"""How many schedules are played, and which: few in `make test`, many in `make test-deep`, by the hundred.

`make test-deep SEEDS=37` plays one hundred again, `SEEDS=0-49` half of them, and `SEEDS=100-199` another 10,000.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

DEEP = bool(os.environ.get("DEEP"))
SCHEDULES = 100 if DEEP else 300
"""With each seed."""
_first, _, _last = (os.environ.get("SEEDS") or ("0-99" if DEEP else "0")).partition("-")
SEEDS = range(int(_first), int(_last or _first) + 1)
each_seed = pytest.mark.parametrize("seed", SEEDS)


def schedules(share: float = 1.0, steps: int = 25 if DEEP else 15) -> settings:
    """That many schedules, each of so many steps; the same ones for the same seed."""
    return settings(
        max_examples=max(1, int(SCHEDULES * share)),
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.generate],  # to shrink what takes so long would take longer than to read it
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
