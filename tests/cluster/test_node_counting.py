"""Whatever is cut short, deleted or repeated, a Job counts each of its pods once and runs one at a time."""

from __future__ import annotations

import copy
import itertools
from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.cluster.controllers import jobs
from tests.cluster.controllers.step import Step
from tests.cluster.objects import Obj, deleting, finalizers, is_true

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class OneJob(RuleBasedStateMachine):
    """A Job, the pods there are, and how many there ever were."""

    @initialize(limit=st.integers(0, 3))
    def begin(self, limit: int) -> None:
        template = {"spec": {"restartPolicy": "Never", "containers": []}}
        meta = {"name": "work", "namespace": "default", "uid": "job"}
        spec = {"backoffLimit": limit, "template": template}
        self.job: Obj = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec, "status": {}}
        self.pods: list[Obj] = []
        self.made = itertools.count()
        self.ever = 0

    def active(self) -> list[Obj]:
        return [pod for pod in self.pods if not pod["status"].get("phase") and not deleting(pod)]

    def ended(self) -> bool:
        return is_true(self.job, "Complete") or is_true(self.job, "Failed")

    @rule(writes=st.integers(0, 6))
    def a_pass_is_cut_short(self, writes: int) -> None:
        step = jobs.step(copy.deepcopy(self.job), copy.deepcopy(self.pods), NOW, backoff=0)
        self.perform(step, writes)

    def perform(self, step: Step, writes: int) -> None:
        by_uid = {pod["metadata"]["uid"]: pod for pod in self.pods}
        if step.status is not None and writes > 0:
            self.job["status"] = step.status
        for done, (pod, patch) in enumerate(step.patches, 2):
            if done <= writes:
                by_uid[pod["metadata"]["uid"]]["metadata"].update(patch["metadata"])
        if writes > 1 + len(step.patches):
            for pod in step.deletes:
                by_uid[pod["metadata"]["uid"]]["metadata"]["deletionTimestamp"] = "now"
            for new in step.creates:
                self.ever += 1
                meta = {**new["metadata"], "uid": str(next(self.made)), "name": "work-x"}
                self.pods.append({**copy.deepcopy(new), "metadata": meta, "status": {}})

    @precondition(lambda self: bool(self.active()))
    @rule(phase=st.sampled_from(["Succeeded", "Failed"]))
    def a_pod_ends(self, phase: str) -> None:
        self.active()[0]["status"]["phase"] = phase

    @precondition(lambda self: bool(self.pods))
    @rule(data=st.data())
    def a_pod_is_deleted(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.pods))["metadata"]["deletionTimestamp"] = "now"

    @rule(phase=st.sampled_from(["Succeeded", "Failed"]))
    def the_node_stops_what_is_deleted(self, phase: str) -> None:
        for pod in self.pods:
            if deleting(pod):
                pod["status"].setdefault("phase", phase)
        self.pods = [pod for pod in self.pods if not deleting(pod) or finalizers(pod)]

    @invariant()
    def one_runs_at_a_time(self) -> None:
        assert len(self.active()) <= 1

    def teardown(self) -> None:
        while not self.ended():
            for pod in self.active():
                pod["status"]["phase"] = "Succeeded"
            self.the_node_stops_what_is_deleted("Failed")
            self.perform(jobs.step(copy.deepcopy(self.job), copy.deepcopy(self.pods), NOW, backoff=0), 1000)
        status = self.job["status"]
        assert status["succeeded"] + status["failed"] == self.ever
        assert is_true(self.job, "Complete") == (status["failed"] <= self.job["spec"]["backoffLimit"])
        assert status["succeeded"] <= 1
        assert not self.active()


OneJob.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestOneJob = OneJob.TestCase
