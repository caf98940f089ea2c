"""No model is stuck: three days after the last fault a better version is live, if good data are there.

With default settings, replicas above 0, nothing suspended or pinned, and nothing that waits for a person. `make test`
plays few schedules, `make test-deep` 10,000; only events, the operator's own alarms and new reports cause passes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import seed as seeded
from hypothesis import strategies as st

from tests.builders import merged
from tests.faults.life import FAULTS, Life
from tests.faults.profiles import DEEP, each_seed, schedules

DAYS = timedelta(days=3)
CHECKS: list[dict[str, Any]] = [
    {"drift": {"check": {"schedule": each, "data": {"uri": "s3://bikes/live/*.parquet"}}}}
    for each in ("0 * * * *", "0 */6 * * *", "0 3 * * *")
]
ANALYSIS: dict[str, Any] = {"rollout": {"steps": [{"weight": 50}], "analysis": {"interval": "5m"}}}
SPECS: list[dict[str, Any]] = [
    {},
    *CHECKS,
    {"rollout": {"steps": [{"weight": 50, "hold": "5m"}]}},
    ANALYSIS,
    merged(ANALYSIS, CHECKS[0]),
]
SCHEDULE = st.lists(st.tuples(st.sampled_from(FAULTS), st.sampled_from([1, 5, 20])), min_size=1, max_size=5)


def play_schedule(spec: dict[str, Any], faults: Sequence[tuple[str, int]]) -> Life:
    """AssertionError if no better version is live three days after the last fault."""
    life = Life(spec)
    for fault, hours in faults:
        life.begin(fault)
        life.goes_on(timedelta(hours=hours))
        life.end()
    live, since = life.live, life.cluster.now
    life.goes_on(DAYS, until=lambda: life.live > live)
    assert life.live > live, (since, life.status)
    return life


@each_seed
@pytest.mark.timeout(0)
def test_no_model_is_stuck(seed: int, counted: Callable[[Counter[str]], None]) -> None:
    happened: Counter[str] = Counter()

    @seeded(seed)
    @schedules(share=1.0 if DEEP else 0.05)
    @given(st.sampled_from(SPECS), SCHEDULE)
    def check(spec: dict[str, Any], faults: list[tuple[str, int]]) -> None:
        life = play_schedule(spec, faults)
        happened.update(life.happened + life.operator.client.faults)
        happened["schedules without a stuck model"] += 1

    check()
    counted(happened)
