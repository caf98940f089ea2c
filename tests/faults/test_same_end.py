"""A random story has the same final state without faults and with faults in every pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import seed as seeded
from hypothesis import strategies as st

from perennial_operator.cluster.watches import WATCHED
from perennial_operator.core import names
from perennial_operator.core.api.values import as_text
from tests.builders import SPEC, a_body, merged
from tests.core.test_invariants import EDITS
from tests.faults.profiles import each_seed, schedules
from tests.faults.test_schedules import CHECKED, by
from tests.simulation.client import FATES, Client
from tests.simulation.cluster import is_about_storage, is_running, role_of
from tests.simulation.operator import OperatorInMemory
from tests.simulation.results import REFUSED, TRAINED, checked, validated

EVENTS = st.one_of(
    st.tuples(st.just("edit"), st.sampled_from(EDITS)),
    st.tuples(st.just("report"), st.tuples(st.sampled_from([0.1, 0.3, 0.4]), st.sampled_from([10, 1000]))),
    st.tuples(st.just("request"), st.none()),
    st.tuples(st.just("job"), st.sampled_from(["good", "good", "good", "bad", "worse"])),
    st.tuples(st.just("pods"), st.sampled_from(["ready", "ready", "fail", "refuse"])),
    st.tuples(st.just("wait"), st.sampled_from([6, 70, 60 * 24])),
    st.tuples(st.just("judge"), st.sampled_from([names.APPROVED, names.REJECTED])),
    st.tuples(st.just("delete"), st.sampled_from(["Job", "Service", "ModelVersion"])),
)
FAULT = st.sampled_from([*FATES, *FATES, "restart", "lost", "late list", "failover", "", ""])

PASSES_WITH_FAULTS = 4
"""After each event."""


class Story:
    """The story so far; between two events the operator finishes its work."""

    def __init__(self, faults: Sequence[str]) -> None:
        client = Client()
        self.cluster = client.cluster
        self.cluster.put(a_body("ModelDeployment", "bike", merged(SPEC, {"drift": CHECKED["drift"]})))
        self.operators = [OperatorInMemory(client), OperatorInMemory(client)]
        self.faults: Iterator[str] = iter(faults)
        self.count = 0
        self.rest()

    def rest(self) -> None:
        """Passes run until nothing is left to do; the first ones have the next faults.

        Jobs about the ledger end at once.
        """
        for fault in islice(self.faults, PASSES_WITH_FAULTS):
            self.disturbed(fault)
        self.operators[0].list_all()
        self.operators[0].settle()
        while asked := [job for job in self.cluster.all("Job") if is_running(job) and is_about_storage(job)]:
            for job in asked:
                self.cluster.ledger_job_ends(job["metadata"]["name"])
            self.operators[0].settle()

    def disturbed(self, fault: str) -> None:
        operator = self.operators[0]
        if fault == "restart":
            operator.restart()
        elif fault == "failover":
            self.operators.reverse()
            self.operators[0].list_all()
        elif fault == "lost":
            for kind in WATCHED:
                operator.see(kind, lost=True)
        elif fault == "late list":
            for kind in WATCHED:
                operator.take_list(kind)
                operator.keep_list(kind)
        else:
            operator.see_all()
            operator.look(*([""] * (self.count % 3)), fault)

    def happens(self, event: str, what: Any) -> None:
        self.count += 1
        getattr(self, event)(what)
        self.rest()

    def edit(self, change: dict[str, Any]) -> None:
        spec = self.cluster.bodies["ModelDeployment", "bike"]["spec"]
        self.cluster.edit("ModelDeployment", "bike", merged(spec, change))

    def report(self, what: tuple[float, int]) -> None:
        psi, samples = what
        metrics = [{"name": "psi", "feature": "feature1", "value": psi}]
        spec = {"modelDeployment": "bike", "samples": samples + self.count, "metrics": metrics}
        self.cluster.put(a_body("DriftReport", f"r-{self.count}", spec, creationTimestamp=as_text(self.cluster.now)))

    def request(self, _: None) -> None:
        self.cluster.annotate("ModelDeployment", "bike", names.RETRAIN, str(self.count))

    def job(self, how: str) -> None:
        for job in [job for job in self.cluster.all("Job") if is_running(job)]:
            role, labels = role_of(job), job["metadata"]["labels"]
            live = None if labels.get(names.AGAINST) in (None, "none") else 120.0
            answers = {"training": TRAINED, "check": checked(0.3 if how == "worse" else 0.1), "validation": validated()}
            answer = answers[role]
            if role == "validation" and live:
                bound = by(job, 0.4 if how == "worse" else -0.1)
                answer = validated(150.0 if how == "worse" else 90.0, live) | {"worsening": bound}
            self.cluster.job_ends(job["metadata"]["name"], REFUSED if how == "bad" else answer)

    def pods(self, how: str) -> None:
        for name in sorted(self.cluster.pods):
            if how == "ready":
                self.cluster.pods_ready(name)
            else:
                self.cluster.pod_fails(name, REFUSED if how == "refuse" else None)

    def wait(self, minutes: int) -> None:
        """Time passes, and the operator wakes only at its alarms."""
        end = self.cluster.now + timedelta(minutes=minutes)
        while (at := self.operators[0].alarms.at) and at <= end:
            self.cluster.now = max(at, self.cluster.now)
            self.rest()
        self.cluster.now = end

    def judge(self, key: str) -> None:
        for body in list(self.cluster.all("ModelVersion")):
            self.cluster.annotate("ModelVersion", body["metadata"]["name"], key, "ann")

    def delete(self, kind: str) -> None:
        for body in list(self.cluster.all(kind))[-1:]:
            self.cluster.remove(kind, body["metadata"]["name"])

    def end(self) -> dict[str, Any]:
        """The part of the state that must not depend on the faults."""
        status = self.cluster.bodies["ModelDeployment", "bike"]["status"]
        return {
            "objects": sorted((kind, name) for kind, name in self.cluster.bodies if kind != "Pod"),
            "phases": {b["metadata"]["name"]: b["status"].get("phase") for b in self.cluster.all("ModelVersion")},
            "outcomes": {b["metadata"]["name"]: b["status"] for b in self.cluster.all("DriftReport")},
            "replicas": {b["metadata"]["name"]: b["spec"]["replicas"] for b in self.cluster.all("Deployment")},
            "holding": {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]},
            "number": status["lastVersionNumber"],
            "made": sorted(f"{b['kind']} {b['metadata']['name']}" for b in self.cluster.made if b["kind"] != "Pod"),
        }


def final_state(events: Sequence[tuple[str, Any]], faults: Sequence[str] = ()) -> dict[str, Any]:
    story = Story(faults)
    for event, what in events:
        story.happens(event, what)
    return story.end()


@each_seed
@pytest.mark.timeout(0)
def test_faults_do_not_change_the_final_state(seed: int, counted: Callable[[Counter[str]], None]) -> None:
    played: Counter[str] = Counter()

    @seeded(seed)
    @schedules(share=1 / 3)
    @given(st.lists(EVENTS, min_size=3, max_size=14), st.lists(FAULT, min_size=10, max_size=60))
    def is_the_same(events: list[tuple[str, Any]], faults: list[str]) -> None:
        assert final_state(events, faults) == final_state(events)
        played.update({"stories, each with and without faults": 1, "faults": len(faults)})

    is_the_same()
    counted(played)
