"""What must hold for any events, in any order, with any failed calls and late watch events.

The operator's own passes run against a cluster in memory. Together with test_same_end.py, `make test` plays 300 schedules
and `make test-deep` 10,000. Both print what the schedules contain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from perennial_operator.cluster.stored_fields import Path
from perennial_operator.cluster.watches import WATCHED
from perennial_operator.core import names
from perennial_operator.core.api.model_version import IN_FLIGHT
from perennial_operator.core.api.values import as_text
from tests.builders import SPEC, a_body, a_route, merged, task_of
from tests.core.test_invariants import EDITS
from tests.faults.events import events_of
from tests.faults.profiles import DEEP, each_seed, schedules
from tests.simulation.client import FATES, Client
from tests.simulation.cluster import is_about_storage, is_running, role_of
from tests.simulation.objects import Body
from tests.simulation.operator import KEY, POLICY, OperatorInMemory, run
from tests.simulation.results import GAIN, REFUSED, TRAINED, as_asked, checked, validated
from tests.simulation.storage import DOWN

KINDS = st.sampled_from(sorted(WATCHED))
FATE = st.lists(st.sampled_from(["", "", *FATES]), max_size=4)
CHECKED = {
    "drift": {"check": {"schedule": "*/30 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}}},
    "data": {"timeColumn": "at"},  # so that versions are blends, and reports may ask for other weights
}
FOREIGN = [("Deployment", "bike-v2"), ("Job", "bike-v2-train"), ("Service", "bike"), ("ModelVersion", "bike-v2")]
OUTDATED: list[dict[str, list[Path]]] = [
    {"ModelVersion": [("status", "recorded")]},
    {"ModelVersion": [("status", "watch"), ("status", "surroundings")]},
    {"DriftReport": [("status", "outcome")]},
]
"""Fields that the definitions of an older release lack."""
OCCUR = {
    "watch",
    "ways back",
    "trigger Recovered",
    "trigger Reweighing",
    "adopt Deployment",
    "report BackingOff",
    "report BudgetSpent",
    "outdated definitions",
    "clock set back",
    "restart",
    "conflict",
    "refused",
}
"""What schedules must contain, or they show nothing about it."""
PEOPLE_MAY_DELETE = ("ModelVersion", "Job", "Deployment", "Service", "Pod", "DriftReport", "HTTPRoute")


class Schedules(RuleBasedStateMachine):
    played: ClassVar[Counter[str]] = Counter()
    """Counts over all schedules."""

    @initialize(
        steps=st.sampled_from([[], [{"weight": 50, "hold": "5m"}]]),
        check=st.booleans(),
        start=st.sampled_from(["nothing", "live", "watched", "going back", "went back"]),
        route=st.booleans(),
        watch=st.sampled_from(["0s", "1h"]),
    )
    def begin(self, steps: list[dict[str, Any]], check: bool, start: str, route: bool, watch: str) -> None:
        watched = start not in ("nothing", "live")
        watch = "1h" if watched else watch
        client = Client()
        self.cluster = client.cluster
        self.cluster.watcher = self.operator_writes
        self.reports = self.requests = 0
        self.proven: set[str] = set()
        self.pinned: set[str] = set()
        self.interfered = False
        self.foreign: dict[tuple[str, str], Body] = {}
        spec = merged(SPEC, {"rollout": {"steps": steps, "watch": watch}, **(CHECKED if check else {})})
        self.cluster.put(a_body("ModelDeployment", "bike", spec))
        self.spec = merged(spec, {})
        self.operators = [OperatorInMemory(client), OperatorInMemory(client)]
        self.played["schedules"] += 1
        self.played[f"start {start}"] += 1
        if route:
            self.cluster.put(a_route())
        if start != "nothing":
            self.work_succeeds(3)
        if watched:  # the second version is
            self.person_requests_a_training()
            self.work_succeeds(2)
        if start in ("going back", "went back"):
            self.promoted_version_fails(minutes=6, predecessor_starts=start == "went back")

    # ---- the operator

    @property
    def operator(self) -> OperatorInMemory:
        return self.operators[0]

    @rule(fates=FATE)
    def a_pass(self, fates: list[str]) -> None:
        self.operator.look(*fates)

    @rule(kind=KINDS, count=st.sampled_from([1, 2, None]), lost=st.sampled_from([False, False, False, True]))
    def watch_delivers_events(self, kind: str, count: int | None, lost: bool) -> None:
        self.operator.see(kind, count, lost)

    @rule(fates=FATE)
    def watches_deliver_everything(self, fates: list[str]) -> None:
        self.operator.see_all()
        self.a_pass(fates)

    @rule(fates=FATE)
    def everything_is_listed_again(self, fates: list[str]) -> None:
        self.operator.list_all()
        self.a_pass(fates)

    @rule(kind=KINDS)
    def list_is_requested(self, kind: str) -> None:
        self.operator.keep_list(kind)

    @rule(kind=KINDS)
    def list_arrives_late(self, kind: str) -> None:
        self.operator.take_list(kind)

    @rule()
    def operator_is_killed(self) -> None:
        self.operator.restart()
        self.played["restart"] += 1

    @rule(dropped=st.sampled_from([{}, *OUTDATED]))
    def definitions_are_installed(self, dropped: dict[str, list[Path]]) -> None:
        """Those of an older release lack fields; the operator compares them now and then."""
        self.cluster.dropped = dropped
        self.played["outdated definitions"] += bool(dropped)
        run(self.operator.crds.check())

    @rule(budget=st.sampled_from([1, POLICY.trainings_per_day]))
    def operator_is_configured(self, budget: int) -> None:
        self.operator.policy = replace(POLICY, trainings_per_day=budget)
        self.operator.restart()

    @rule()
    def standby_takes_over(self) -> None:
        self.operators.reverse()
        self.operator.list_all()

    # ---- people

    @rule(edit=st.sampled_from(EDITS))
    def person_edits_the_spec(self, edit: dict[str, Any]) -> None:
        self.spec = merged(self.cluster.bodies["ModelDeployment", "bike"]["spec"], edit)
        if pin := self.spec.get("pin"):
            self.pinned.add(pin)
        self.cluster.edit("ModelDeployment", "bike", merged(self.spec, {}))

    @rule(
        psi=st.sampled_from([0.1, 0.3, 0.4]),
        samples=st.sampled_from([10, 1000]),
        about=st.sampled_from([None, None, "bike-v1", "bike-v2"]),
        hours=st.sampled_from([None, -1, 1]),
        twice=st.booleans(),
    )
    def report_is_written(self, psi: float, samples: int, about: str | None, hours: int | None, twice: bool) -> None:
        self.reports += 1
        spec: dict[str, Any] = {"modelDeployment": "bike", "samples": samples + self.reports}
        spec["metrics"] = [{"name": "psi", "feature": "feature1", "value": psi}, *([GAIN] if psi == 0.4 else [])]
        if about:
            spec["modelVersion"] = about
        if hours is not None:
            end = self.cluster.now + timedelta(hours=hours)
            spec["window"] = {"start": as_text(end - timedelta(hours=1)), "end": as_text(end)}
        for name in (f"report-{self.reports}", f"report-{self.reports}-copy")[: 1 + twice]:
            self.cluster.put(a_body("DriftReport", name, spec, creationTimestamp=as_text(self.cluster.now)))

    @rule()
    def person_requests_a_training(self) -> None:
        self.requests += 1
        self.cluster.annotate("ModelDeployment", "bike", names.RETRAIN, str(self.requests))

    @precondition(lambda self: self.of("ModelVersion"))
    @rule(data=st.data(), key=st.sampled_from([names.APPROVED, names.REJECTED]))
    def person_approves_or_rejects_a_version(self, data: st.DataObject, key: str) -> None:
        self.cluster.annotate("ModelVersion", data.draw(st.sampled_from(self.of("ModelVersion"))), key, "ann")

    @precondition(lambda self: any(self.of(kind) for kind in PEOPLE_MAY_DELETE))
    @rule(data=st.data())
    def person_deletes_an_object(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from([kind for kind in PEOPLE_MAY_DELETE if self.of(kind)]))
        self.cluster.remove(kind, data.draw(st.sampled_from(self.of(kind))))
        self.interfered |= kind in ("ModelVersion", "DriftReport", "Deployment")

    @rule(how_often=st.integers(0, 4))
    def person_applies_the_model_again_after_orphaning(self, how_often: int) -> None:
        """With kubectl delete --cascade=orphan; rarely, since less can be promised afterwards."""
        if how_often == 0:
            self.cluster.orphan("ModelDeployment", "bike")
            self.cluster.put(a_body("ModelDeployment", "bike", self.spec))
            self.interfered = True

    @rule(place=st.sampled_from(FOREIGN))
    def other_owner_takes_a_name(self, place: tuple[str, str]) -> None:
        kind, name = place
        if place not in self.cluster.bodies:
            labels = {names.DEPLOYMENT: "bike", names.MANAGED_BY: names.OPERATOR}
            if kind == "ModelVersion":
                return
            self.cluster.put({"kind": kind, "metadata": {"name": name, "labels": labels}, "spec": {"replicas": 1}})
            if kind == "Deployment":
                self.cluster.scale(name, None, {"replicas": 1})
            self.foreign[place] = self.cluster.bodies[place]

    @precondition(lambda self: self.foreign)
    @rule()
    def other_owner_leaves(self) -> None:
        for place in list(self.foreign):
            self.cluster.remove(*place)
            del self.foreign[place]

    # ---- Jobs, pods and time

    @precondition(lambda self: self.running())
    @rule(
        data=st.data(),
        how=st.sampled_from(["good", "good", "bad", "worse", "late", "lost", "away", "blocked"]),
        psi=st.sampled_from([0.1, 0.4]),
    )
    def job_ends(self, data: st.DataObject, how: str, psi: float) -> None:
        self.ends(data.draw(st.sampled_from(self.running())), how, psi)

    @rule(how=st.sampled_from(["bad", "away", "worse"]))
    def candidates_fail(self, how: str) -> None:
        """Drift starts a candidate, which fails; more drift comes during the pause after it."""
        for _ in range(3):
            self.report_is_written(0.4, 1000, None, None, False)
            for _ in range(4):
                self.operator.list_all()
                self.operator.look()
                for name in self.running():
                    self.ends(name, how, 0.4)
            self.clock_moves(20)

    @precondition(lambda self: self.cluster.pods)
    @rule(data=st.data(), how=st.sampled_from(["status", "ready", "ready", "fails", "refuses"]))
    def pods_change_state(self, data: st.DataObject, how: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.cluster.pods)))
        if ("Deployment", name) in self.foreign:
            return
        if how == "status":
            self.cluster.observe(name)
        elif how == "ready":
            self.cluster.pods_ready(name)
        else:
            self.cluster.pod_fails(name, REFUSED if how == "refuses" else None)

    @precondition(lambda self: self.watched())
    @rule(minutes=st.sampled_from([1, 6, 6]), predecessor_starts=st.sampled_from([True, True, False]))
    def promoted_version_fails(self, minutes: int, predecessor_starts: bool) -> None:
        """All pods of a version that is watched are lost, and passes follow, in which its predecessor may start."""
        watched = self.watched()
        for name in watched:
            if name in self.cluster.pods and ("Deployment", name) not in self.foreign:
                self.cluster.pods_fail(name, "CrashLoopBackOff")
        for _ in range(4):
            self.operator.list_all()
            self.operator.look()
            for watch in watched.values() if predecessor_starts else ():
                name = watch["predecessor"]
                if name in self.cluster.pods and ("Deployment", name) not in self.foreign:
                    self.cluster.pods_ready(name)
            self.cluster.now += timedelta(minutes=minutes)

    @rule(unhealthy=st.booleans())
    def requests_are_answered(self, unhealthy: bool) -> None:
        self.cluster.unhealthy = unhealthy

    @rule()
    def garbage_collector_runs(self) -> None:
        self.cluster.collect()

    @rule(minutes=st.sampled_from([1, 5, 20, 70, 60 * 24, -5, -70]))
    def clock_moves(self, minutes: int) -> None:
        self.cluster.now += timedelta(minutes=minutes)
        self.played["clock set back"] += minutes < 0

    @rule(fates=st.lists(st.sampled_from(["", *FATES]), max_size=8))
    def work_succeeds_except_some_calls(self, fates: list[str]) -> None:
        self.work_succeeds(1, fates)

    def work_succeeds(self, times: int, fates: Sequence[str] = ()) -> None:
        """All pending work succeeds, and passes run whenever they are due."""
        for _ in range(times):
            for _ in range(4):
                self.cluster.collect()
                self.operator.list_all()
                busy = self.operator.look(*fates[:2])
                fates = fates[2:]
                for name in self.running():
                    self.ends(name, "good", 0.1)
                    busy = True
                for name in sorted(self.cluster.pods):
                    if ("Deployment", name) not in self.foreign:
                        busy |= self.cluster.pods_ready(name)
                if not busy:
                    break
            self.cluster.now += timedelta(minutes=6)

    def ends(self, name: str, how: str, psi: float) -> None:
        job = self.cluster.bodies["Job", name]
        if how == "blocked":
            self.cluster.job_waits(name)
            return
        if is_about_storage(job):
            self.cluster.storage.down = how in ("bad", "away")
            if how in ("late", "lost"):
                self.cluster.job_ends(name, None, "DeadlineExceeded" if how == "late" else "BackoffLimitExceeded")
            else:
                self.cluster.ledger_job_ends(name)
            return
        against = job["metadata"]["labels"].get(names.AGAINST)
        live = None if against in ("none", None) else 120.0
        good = {
            "training": as_asked(TRAINED, task_of(job)) if role_of(job) == "training" else TRAINED,
            "check": checked(psi),
            "validation": validated(90.0, live) | ({"worsening": by(job, -0.1)} if live else {}),
        }[role_of(job)]
        if how == "worse" and live:
            good = validated(150.0, live) | {"worsening": by(job, 0.4)}
        elif role_of(job) == "validation" and how in ("good", "worse"):  # than nothing, where none is live
            self.proven.add(job["metadata"]["labels"][names.MODEL_VERSION])
        away = DOWN | {"task": good["task"]}
        answer = {"bad": REFUSED | {"task": good["task"]}, "away": away, "late": None, "lost": None}.get(how, good)
        self.cluster.job_ends(name, answer, "DeadlineExceeded" if how == "late" else "BackoffLimitExceeded")

    # ---- looking

    def of(self, kind: str) -> list[str]:
        return sorted(name for of, name in self.cluster.bodies if of == kind and (of, name) not in self.foreign)

    def running(self) -> list[str]:
        return [name for name in self.of("Job") if is_running(self.cluster.bodies["Job", name])]

    def phases(self) -> dict[str, str]:
        return {
            name: (self.cluster.bodies["ModelVersion", name].get("status") or {}).get("phase") or "Training"
            for name in self.of("ModelVersion")
            if self.cluster.bodies["ModelVersion", name]["metadata"]["ownerReferences"]
        }

    def watched(self) -> dict[str, dict[str, Any]]:
        """Live version → the state of its watch."""
        statuses = {
            name: self.cluster.bodies["ModelVersion", name].get("status") or {} for name in self.of("ModelVersion")
        }
        return {
            name: each["watch"] for name, each in statuses.items() if each.get("phase") == "Live" and "watch" in each
        }

    # ---- what must hold

    def operator_writes(self, verb: str, body: Mapping[str, Any]) -> None:
        """The operator writes only to objects that it owns, and removes no ready pods that are needed."""
        place = body["kind"], body["metadata"]["name"]
        self.played.update(events_of(self.cluster, verb, body))
        assert place not in self.foreign, f"{verb} of somebody else's {place}"
        if verb == "create" and body["kind"] == "ModelVersion":
            made = {(each["kind"], each["metadata"]["name"]) for each in self.cluster.made}
            assert place not in made or self.interfered, f"{place[1]} is made twice"
            self.no_report_starts_a_second_training(body)
        if body["kind"] == "Deployment":
            self.capacity_is_sufficient(verb, body)
        if verb == "status" and body["kind"] == "ModelVersion":
            self.watch_is_respected(body)

    def watch_is_respected(self, after: Mapping[str, Any]) -> None:
        """No roll-out begins during a watch; its predecessor serves again only if the live version failed, and once."""
        before = self.cluster.bodies["ModelVersion", after["metadata"]["name"]].get("status") or {}
        known = self.operator.cache.get(KEY, "ModelDeployment", "bike")
        status, watched = after["status"], self.watched()
        if status.get("rollout") and not before.get("rollout") and known and not self.interfered:
            assert not watched or known["spec"].get("pin") or known["spec"]["rollout"]["watch"] == "0s"
        if status.get("reason") == "WentBack" and before.get("reason") != "WentBack":
            self.played["ways back"] += 1
            assert status["phase"] == "Live"
            assert "watch" not in status
            assert any(watch.get("reason") for watch in watched.values())

    def no_report_starts_a_second_training(self, version: Mapping[str, Any]) -> None:
        report = version["spec"]["trigger"].get("driftReport")
        earlier = [
            made["spec"]["trigger"].get("driftReport") for made in self.cluster.made if made["kind"] == "ModelVersion"
        ]
        if report and not self.interfered:
            assert report not in earlier, f"{report} starts a second training"
            assert report.removesuffix("-copy") not in earlier, f"{report} is a copy"

    def capacity_is_sufficient(self, verb: str, body: Mapping[str, Any]) -> None:
        """No write of the operator reduces the ready replicas below the desired number."""
        name = body["metadata"]["name"]
        pods = self.cluster.pods.get(name)
        if pods is None or self.has_not_observed_a_failed_pod():
            return
        known = self.operator.cache.get(KEY, "ModelDeployment", "bike")
        if known is None or verb == "status":
            return
        left = 0 if verb == "delete" else min(pods.answering, body["spec"]["replicas"])
        taken = pods.answering - left
        if taken:
            total = sum(
                each.answering for title, each in self.cluster.pods.items() if ("Deployment", title) not in self.foreign
            )
            asked = (known["spec"].get("serving") or {}).get("replicas", 1)
            live = [title for title, phase in self.phases().items() if phase == "Live"]
            if live:
                assert total - taken >= asked, (
                    f"{verb} {name} leaves {total - taken} of {asked} ready: {self.cluster.pods}"
                )

    def has_not_observed_a_failed_pod(self) -> bool:
        """Whether a pod stopped being ready and the operator has not observed it: no roll-out caused that."""
        for name, version in self.cluster.faltered.items():
            seen = self.operator.cache.get(KEY, "Deployment", name)
            if seen is None or int(seen["metadata"]["resourceVersion"]) < version:
                return True
        return self.interfered

    @invariant()
    def spec_is_what_people_wrote(self) -> None:
        assert self.cluster.bodies["ModelDeployment", "bike"]["spec"] == self.spec

    @invariant()
    def objects_of_other_owners_are_unchanged(self) -> None:
        for place, body in self.foreign.items():
            assert self.cluster.bodies[place]["spec"] == body["spec"]
            assert self.cluster.bodies[place]["metadata"]["uid"] == body["metadata"]["uid"]

    @invariant()
    def only_validated_or_pinned_versions_serve(self) -> None:
        serving = set(self.of("Deployment"))
        live = {name for name, phase in self.phases().items() if phase == "Live"}
        assert serving | live <= self.proven | self.pinned

    @invariant()
    def serving_pods_have_the_digest_of_their_training(self) -> None:
        for body in self.cluster.all("Deployment"):
            if ("Deployment", body["metadata"]["name"]) not in self.foreign:
                assert TRAINED["artifact"]["sha256"] in str(body["spec"]["template"])  # type: ignore[index]

    @invariant()
    def two_versions_are_live_only_during_a_promotion(self) -> None:
        assert Counter(self.phases().values())["Live"] <= 2

    def teardown(self) -> None:
        """Without further faults and edits, the loop reaches its final state."""
        if not hasattr(self, "cluster"):
            return
        self.operator.client.calls.pop("fault", 0)
        self.played["calls of the operator"] += self.operator.client.calls.total()
        self.played["objects"] += len(self.cluster.made)
        self.played.update(self.operator.client.faults)
        self.other_owner_leaves()
        self.definitions_are_installed({})
        for operator in self.operators:
            operator.policy = POLICY
            operator.restart()
        self.cluster.unhealthy = False
        if ("HTTPRoute", "bike") not in self.cluster.bodies:
            self.cluster.put(a_route())
        self.person_edits_the_spec(
            # At 0 replicas the watch's clock stands, and with it each candidate.
            {
                "suspend": False,
                "pin": None,
                "serving": {"replicas": self.spec["serving"]["replicas"] or 2},
                "rollout": {"approval": "automatic", "watch": "10m"},
            }
        )
        self.operator.list_all()
        self.person_requests_a_training()
        calm = 0
        for _ in range(20):
            self.work_succeeds(1)
            self.operator.settle()
            busy = self.running() or set(self.phases().values()) & set(IN_FLIGHT) or self.watched()
            calm = 0 if busy else calm + 1
            if calm == 2:
                break
        self.everything_is_final()

    def everything_is_final(self) -> None:
        phases = self.phases()
        assert Counter(phases.values())["Live"] == 1, phases
        assert not [name for name, phase in phases.items() if phase in IN_FLIGHT]
        (live,) = (name for name, phase in phases.items() if phase == "Live")
        assert set(self.cluster.pods) <= {live}, self.cluster.pods
        status = self.cluster.bodies["ModelDeployment", "bike"]["status"]
        assert {c["type"]: c["status"] for c in status["conditions"]}["Ready"] == "True", status
        for report in self.cluster.all("DriftReport"):
            status = report.get("status") or {}
            assert status.get("outcome") and status.get("message"), report
        self.nothing_is_written_without_a_change()

    def nothing_is_written_without_a_change(self) -> None:
        self.operator.restart()
        assert not self.operator.look(), "a new process writes though nothing has changed"


def by(job: Mapping[str, Any], upper: float) -> dict[str, Any]:
    """The bound of the difference, in the metric that the Job compares."""
    metric, _, confidence = job["metadata"]["labels"][names.COMPARED_BY].rpartition("-")
    return {"metric": metric, "estimate": upper, "upper": upper, "confidence": float(confidence)}


@each_seed
@pytest.mark.timeout(0)
def test_promises_hold_in_any_schedule(seed: int, counted: Callable[[Counter[str]], None]) -> None:
    Schedules.played.clear()
    run_state_machine_as_test(seeded(seed)(Schedules), settings=schedules(share=2 / 3))  # type: ignore[no-untyped-call]
    counted(Schedules.played)
    assert DEEP or not OCCUR - (+Schedules.played).keys(), "some actions never occur"
