"""No model is stuck: three days after the last fault a better version is live, if good data are there.

With default settings, replicas above 0, nothing suspended or pinned, and nothing that waits for a person. `make test`
plays few schedules, `make test-deep` 10,000; only the operator's own alarms and new reports cause passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial_operator.core import names
from perennial_operator.core.api.values import as_text
from perennial_operator.core.world import JobState
from tests.builders import merged
from tests.faults.profiles import DEEP, schedules
from tests.simulation.play import Play, a_play
from tests.simulation.results import REFUSED, TRAINED, checked, trained, validated
from tests.simulation.storage import DOWN

DAYS = timedelta(days=3)
CHECKS = ["0 * * * *", "0 */6 * * *", "0 3 * * *"]
SPECS: list[dict[str, Any]] = [
    {},
    *({"drift": {"check": {"schedule": each, "data": {"uri": "s3://bikes/live/*.parquet"}}}} for each in CHECKS),
    {"rollout": {"steps": [{"weight": 50, "hold": "5m"}]}},
]
FAULTS = [
    "refused",
    "store away",
    "worse",
    "timeout",
    "lost",
    "no memory",
    "killed",
    "never starts",
    "pods crash",
    "pods refuse",
    "ledger away",
    "recipe",
    "operator away",
]
SCHEDULE = st.lists(st.tuples(st.sampled_from(FAULTS), st.sampled_from([1, 5, 20])), max_size=5)
EDITS = [{"model": {"parameters": {"fit_intercept": each}}} for each in (False, True)]


class Life:
    """One model, its data and its trouble; time goes on."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.play: Play = a_play(**spec)
        self.faults = self.reports = 0
        self.checked = bool(self.play.bodies["ModelDeployment", "bike"]["spec"]["drift"].get("check"))
        self.next_report = self.play.now
        self.play.settle()

    def goes_on(self, span: timedelta, fault: str = "", until: Callable[[], bool] = lambda: False) -> None:
        end = self.play.now + span
        while self.play.now < end and not until():
            for _ in range(4):
                before = self.play.cluster.count
                self.jobs_end(fault)
                self.pods_change(fault)
                if self.play.cluster.count == before:
                    break
                self.play.settle()
            self.new_rows()
            # Jobs end and pods become ready within minutes, sooner than any timeout.
            self.play.wait(minutes=10 if self.play.status.get("candidateVersion") else 60)

    def begin(self, fault: str) -> None:
        self.faults += 1
        self.play.cluster.storage.down = fault == "ledger away"
        if fault == "recipe":
            self.play.edit(EDITS[self.faults % 2])
        if fault == "operator away":
            self.play.now += timedelta(days=1)
            self.play.settle()

    def jobs_end(self, fault: str) -> None:
        for name, job in self.play.jobs.items():
            role = job.labels.get(names.ROLE)
            if job.state is not JobState.RUNNING or role in ("record", "recovery"):
                continue
            if fault in ("never starts", "timeout") and role == "training":
                self.is_late(name, fault)
            elif fault == "lost" and role != "check":
                self.play.cluster.job_ends(name, None, "BackoffLimitExceeded")
            else:
                self.play.cluster.job_ends(name, self.answer(name, str(role), fault))

    def is_late(self, name: str, fault: str) -> None:
        """The Job runs into its deadline, with or without a pod that has started."""
        if fault == "never starts":
            self.play.cluster.job_waits(name)
            self.play.settle()
        self.play.cluster.job_ends(name, None, "DeadlineExceeded")

    def answer(self, name: str, role: str, fault: str) -> dict[str, Any]:
        if role == "check":
            end = self.play.now
            window = {"start": as_text(end - timedelta(hours=1)), "end": as_text(end)}
            return checked(0.4) | {"window": window, "rowsDigest": as_text(end)}
        if role == "training":
            number = int(name.removesuffix("-train").rpartition("-v")[2])
            return {
                "refused": REFUSED,
                "store away": {"task": "train", **DOWN},
                "no memory": REFUSED | {"outcome": "Failed", "reason": "OutOfMemory", "message": "memory ran out"},
                "killed": REFUSED | {"outcome": "Failed", "reason": "Interrupted", "message": "it was ended"},
            }.get(fault, merged(TRAINED, trained(number)))
        against = None if self.play.jobs[name].labels.get(names.AGAINST) == "none" else 120.0
        return validated(150.0, against, upper=0.4) if fault == "worse" and against else validated(80.0, against)

    def pods_change(self, fault: str) -> None:
        live = self.play.status.get("liveVersion")
        for name in list(self.play.cluster.pods):
            if fault == "pods crash" and name != live:
                self.play.cluster.pods_fail(name, "CrashLoopBackOff")
            elif fault == "pods refuse" and name != live:
                self.play.cluster.pods_fail(name, refusal=REFUSED | {"reason": "DigestMismatch", "message": "changed"})
            else:
                self.play.cluster.pods_ready(name)

    def new_rows(self) -> None:
        """Where the operator makes no checks, another tool reports drift every six hours, with equal numbers."""
        if not self.checked and self.play.now >= self.next_report:
            self.next_report = self.play.now + timedelta(hours=6)
            self.reports += 1
            self.play.report(f"report-{self.reports}", 0.4)
            self.play.settle()


def play_schedule(spec: dict[str, Any], faults: Sequence[tuple[str, int]]) -> Life:
    """AssertionError if no better version is live three days after the last fault."""
    life = Life(spec)
    for fault, hours in faults:
        life.begin(fault)
        life.goes_on(timedelta(hours=hours), fault)
    life.play.cluster.storage.down = False
    live, since = life.play.status.get("liveVersion"), life.play.now
    life.goes_on(DAYS, until=lambda: life.play.status.get("liveVersion") not in (None, live))
    assert life.play.status.get("liveVersion") not in (None, live), (since, life.play.phases(), life.play.status)
    return life


@pytest.mark.timeout(0)
def test_no_model_is_stuck(counted: Callable[[str], None]) -> None:
    played: list[int] = []

    @schedules(share=1.0 if DEEP else 0.05)
    @given(st.sampled_from(SPECS), SCHEDULE)
    def check(spec: dict[str, Any], faults: list[tuple[str, int]]) -> None:
        life = play_schedule(spec, faults)
        played.append(len(life.play.made))

    check()
    counted(f"{len(played):,} schedules without a stuck model, with {sum(played):,} objects")
