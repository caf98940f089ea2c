"""How many schedules are played: few in `make test`, many in `make test-deep`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

DEEP = bool(os.environ.get("DEEP"))
SCHEDULES = int(os.environ.get("SCHEDULES") or (10_000 if DEEP else 300))


def schedules(share: float = 1.0, steps: int = 25 if DEEP else 15) -> settings:
    """That many schedules, each of so many steps; always the same in `make test`, random in `make test-deep`."""
    return settings(
        max_examples=max(1, int(SCHEDULES * share)),
        stateful_step_count=steps,
        deadline=None,
        derandomize=not DEEP,
        database=None,
        print_blob=True,
        phases=[Phase.generate],  # to shrink what takes so long would take longer than to read it
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
