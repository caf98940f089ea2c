"""The life of one model under faults: the operator's own passes in virtual time, caused only by events and alarms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from perennial_operator.cluster.stored_fields import Path
from perennial_operator.cluster.watches import WATCHED
from perennial_operator.core import names
from perennial_operator.core.api.model_version import IN_FLIGHT
from perennial_operator.core.api.values import as_text
from tests.builders import SPEC, a_body, merged, task_of
from tests.faults.events import events_of
from tests.simulation.client import Client
from tests.simulation.cluster import is_about_storage, is_running, role_of
from tests.simulation.operator import KEY, POLICY, OperatorInMemory, run
from tests.simulation.results import GAIN, REFUSED, as_asked, checked, compared, trained, validated
from tests.simulation.storage import DOWN

CLOCK = timedelta(days=1)
"""How far a wrong clock is from the right one."""
RETRY = timedelta(minutes=10)
"""The pause before a failed pass is repeated: longer than the operator's own."""
EDITS = [{"model": {"parameters": {"fit_intercept": each}}} for each in (False, True)]
OUTDATED: list[dict[str, list[Path]]] = [
    {"ModelVersion": [("status", "recorded")]},
    {"ModelVersion": [("status", "watch"), ("status", "surroundings")]},
    {"ModelVersion": [("spec", "data", "maxMissing")]},
    {"DriftReport": [("status", "outcome")]},
    {"ModelDeployment": [("status", "lastVersionNumber")]},
]
"""Fields that the definitions of an older release lack."""
ANSWERS = {
    "refused": REFUSED,
    "store away": {"task": "train", **DOWN},
    "no memory": REFUSED | {"outcome": "Failed", "reason": "OutOfMemory", "message": "memory ran out"},
    "killed": REFUSED | {"outcome": "Failed", "reason": "Interrupted", "message": "it was ended"},
}
"""Fault → the result of a training."""
CALLS = {
    "conflicts": ("conflict",),
    "no API server": ("down", "unanswered"),
    "operator dies": ("dies before", "dies after"),
    "writes refused": ("refused",),
}
"""Fault → the fates of calls."""
AT_ONCE = {
    "recipe": "person_changes_the_recipe",
    "operator away": "operator_is_away",
    "operator restarts": "operator_restarts",
    "clock set back": "clock_is_set_back",
    "cluster lost": "cluster_is_lost",
    "orphaned": "model_is_applied_again_after_orphaning",
    "deleted": "objects_are_deleted",
    "live deleted": "live_version_is_deleted",
}
"""Fault → what happens when it begins."""
LASTING = (
    *ANSWERS,
    *CALLS,
    "worse",
    "worse where it serves",
    "timeout",
    "lost",
    "never starts",
    "pods crash",
    "pods refuse",
    "live crashes",
    "errors",
    "ledger away",
    "events lost",
    "clock ahead",
    "quota",
    "budget",
    "old definitions",
)
FAULTS = (*AT_ONCE, *LASTING)


class Life:
    """One model, its data and its trouble; time goes on."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        client = Client()
        self.cluster = client.cluster
        self.cluster.watcher = self.operator_writes
        self.happened: Counter[str] = Counter()
        self.fault, self.faults, self.reports, self.turns = "", 0, 0, 0
        self.checked = bool((spec.get("drift") or {}).get("check"))
        self.next_report = self.cluster.now
        self.cluster.put(a_body("ModelDeployment", "bike", merged(SPEC, spec)))
        self.operator = OperatorInMemory(client)
        self.passes()

    # ---- looking

    @property
    def status(self) -> dict[str, Any]:
        return self.cluster.bodies["ModelDeployment", "bike"].get("status") or {}

    @property
    def live(self) -> int:
        """The number of the live version; 0 without one."""
        return int(str(self.status.get("liveVersion") or "-v0").rpartition("-v")[2])

    def busy(self) -> bool:
        """Whether a version is in flight or watched."""
        statuses = [body.get("status") or {} for body in self.cluster.all("ModelVersion")]
        return any(each.get("phase", "Training") in IN_FLIGHT or "watch" in each for each in statuses)

    def operator_writes(self, verb: str, body: Mapping[str, Any]) -> None:
        self.happened.update(events_of(self.cluster, verb, body))

    # ---- time

    def goes_on(self, span: timedelta, until: Callable[[], bool] = lambda: False) -> None:
        end = self.cluster.now + span
        while self.cluster.now < end and not until():
            for _ in range(8):
                before = self.cluster.count
                self.jobs_end()
                self.pods_change()
                if self.cluster.count == before:
                    break
                self.passes()
            self.new_rows()
            # Jobs end and pods become ready within minutes, sooner than any timeout.
            self.wait(timedelta(minutes=10 if self.busy() else 60))

    def wait(self, span: timedelta) -> None:
        """Time passes, and passes run at the operator's alarms."""
        end, rung = self.cluster.now + span, 0
        while (at := self.operator.alarms.at) and at <= end:
            rung += 1
            assert rung < 1000, "alarms in a loop"
            self.cluster.now = max(at, self.cluster.now)
            self.passes()
        self.cluster.now = end

    def passes(self) -> None:
        """Passes until one writes nothing; one that cannot write is repeated later."""
        failures = 0
        for _ in range(100):
            self.watches_deliver()
            before = self.cluster.count
            if not self.operator.look(*self.fates()):
                return
            failures = 0 if self.cluster.count > before else failures + 1
            if failures == 3:
                self.operator.alarms.wake_in(KEY, RETRY.total_seconds())
                return
        raise AssertionError(f"still busy after 100 passes during {self.fault}: {self.cluster.made[-3:]}")

    def watches_deliver(self) -> None:
        for kind in WATCHED:
            self.operator.see(kind, lost=self.fault == "events lost")

    def fates(self) -> list[str]:
        """In every other pass a call fails, each time another one."""
        self.turns += 1
        fates = CALLS.get(self.fault, ())
        if not fates or self.turns % 2:
            return []
        turn = self.turns // 2
        return [""] * (turn % 5) + [fates[turn % len(fates)]]

    def clock_moves(self, span: timedelta) -> None:
        """The clock is set; alarms ring when as much time has passed as before."""
        self.cluster.now += span
        self.next_report += span
        if self.operator.alarms.at:
            self.operator.alarms.at += span

    # ---- faults

    def begin(self, fault: str) -> None:
        self.fault, self.faults = fault, self.faults + 1
        self.happened[f"fault {fault}"] += 1
        if fault in AT_ONCE:
            getattr(self, AT_ONCE[fault])()
        self.cluster.storage.down = fault == "ledger away"
        self.cluster.unhealthy = fault == "errors"
        if fault == "clock ahead":
            self.clock_moves(CLOCK)
        if fault == "quota":
            self.operator.client.quota = {"Job"} if self.faults % 2 else {"Job", "Deployment", "ModelVersion"}
        if fault == "budget":
            self.operator.policy = replace(POLICY, trainings_per_day=1)
            self.operator.restart()
        if fault == "old definitions":
            self.cluster.dropped = OUTDATED[self.faults % len(OUTDATED)]
            self.operator.client.hidden_schemas = self.turns % 2 == 0
            self.operator.restart()
            run(self.operator.crds.check())
        self.passes()

    def end(self) -> None:
        """The fault is over."""
        fault, self.fault = self.fault, ""
        self.cluster.storage.down = self.cluster.unhealthy = False
        self.operator.client.quota = set()
        if fault == "clock ahead":
            self.clock_moves(-CLOCK)
        if fault == "budget":
            self.operator.policy = POLICY
            self.operator.restart()
        if fault == "old definitions":
            self.cluster.dropped = {}
            run(self.operator.crds.check())
        if fault in ("events lost", "old definitions"):
            self.operator.list_all()
        if fault in ("events lost", "old definitions", "budget"):
            self.passes()

    def person_changes_the_recipe(self) -> None:
        spec = self.cluster.bodies["ModelDeployment", "bike"]["spec"]
        self.cluster.edit("ModelDeployment", "bike", merged(spec, EDITS[self.faults % 2]))

    def operator_is_away(self) -> None:
        self.cluster.now += timedelta(days=1)
        self.operator.restart()

    def operator_restarts(self) -> None:
        self.operator.restart()

    def clock_is_set_back(self) -> None:
        self.clock_moves(-CLOCK)

    def cluster_is_lost(self) -> None:
        """Only the storage is left, and the same manifest is applied to an empty cluster."""
        spec = self.cluster.bodies["ModelDeployment", "bike"]["spec"]
        for place in list(self.cluster.bodies):
            self.cluster.remove(*place)
        self.cluster.put(a_body("ModelDeployment", "bike", spec))
        self.operator.restart()

    def model_is_applied_again_after_orphaning(self) -> None:
        spec = self.cluster.bodies["ModelDeployment", "bike"]["spec"]
        self.cluster.orphan("ModelDeployment", "bike")
        self.cluster.put(a_body("ModelDeployment", "bike", spec))

    def objects_are_deleted(self) -> None:
        for kind in ("Job", "Deployment", "Service", "Pod"):
            for body in list(self.cluster.all(kind)):
                self.cluster.remove(kind, body["metadata"]["name"])

    def live_version_is_deleted(self) -> None:
        self.cluster.remove("ModelVersion", str(self.status.get("liveVersion")))

    # ---- Jobs, pods and data

    def jobs_end(self) -> None:
        for job in [job for job in self.cluster.all("Job") if is_running(job)]:
            name, role, fault = job["metadata"]["name"], role_of(job), self.fault
            if is_about_storage(job):
                self.cluster.ledger_job_ends(name)
            elif fault in ("never starts", "timeout") and role == "training":
                self.is_late(name, fault)
            elif fault == "lost" and role != "check":
                self.cluster.job_ends(name, None, "BackoffLimitExceeded")
            else:
                self.cluster.job_ends(name, self.answer(job, role))

    def is_late(self, name: str, fault: str) -> None:
        """The Job runs into its deadline, with or without a pod that has started."""
        if fault == "never starts":
            self.cluster.job_waits(name)
            self.passes()
        self.cluster.job_ends(name, None, "DeadlineExceeded")

    def answer(self, job: Mapping[str, Any], role: str) -> Mapping[str, Any]:
        if role == "check":
            end, drifts = self.cluster.now, names.scheduled_at(job["metadata"]["labels"]).hour % 3 == 0
            window = {"start": as_text(end - timedelta(hours=1)), "end": as_text(end)}
            gains = (
                (GAIN,) if weights_count(job) and names.scheduled_at(job["metadata"]["labels"]).hour % 4 == 0 else ()
            )
            return checked(0.4 if drifts else 0.1, 1000, *gains) | {"window": window, "rowsDigest": as_text(end)}
        if role == "version-check":
            return compared(0.4 if self.fault == "worse where it serves" else 0.0) | {
                "rowsDigest": as_text(self.cluster.now)
            }
        if role == "training":
            number = int(job["metadata"]["name"].removesuffix("-train").rpartition("-v")[2])
            if self.fault in ANSWERS:
                return ANSWERS[self.fault]
            self.cluster.storage.folders = max(self.cluster.storage.folders, number)
            return as_asked(trained(number), task_of(job))
        against = None if job["metadata"]["labels"].get(names.AGAINST) == "none" else 120.0
        return validated(150.0, against, upper=0.4) if self.fault == "worse" and against else validated(80.0, against)

    def pods_change(self) -> None:
        live = self.status.get("liveVersion")
        for name in list(self.cluster.pods):
            if (self.fault == "pods crash" and name != live) or (self.fault == "live crashes" and name == live):
                self.cluster.pods_fail(name, "CrashLoopBackOff")
            elif self.fault == "pods refuse" and name != live:
                self.cluster.pods_fail(name, refusal=REFUSED | {"reason": "DigestMismatch", "message": "changed"})
            else:
                self.cluster.pods_ready(name)

    def new_rows(self) -> None:
        """Where the operator makes no checks, another tool reports drift every six hours, with equal numbers."""
        if not self.checked and self.cluster.now >= self.next_report:
            self.next_report = self.cluster.now + timedelta(hours=6)
            self.reports += 1
            metrics = [{"name": "psi", "feature": "feature1", "value": 0.4, "chance": 0.001}]
            spec = {"modelDeployment": "bike", "samples": 1000, "metrics": metrics}
            at = as_text(self.cluster.now)
            self.cluster.put(a_body("DriftReport", f"report-{self.reports}", spec, creationTimestamp=at))
            self.passes()


def weights_count(check: Mapping[str, Any]) -> bool:
    """Whether the check compares a blend with its models of other weights."""
    return bool(task_of(check).get("challenger", {}).get("weights"))
