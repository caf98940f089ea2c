"""What must hold whatever people, Jobs, pods and time do, and in whatever order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from perennial_operator.core import names
from perennial_operator.core.actions import Delete
from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.model_version import IN_FLIGHT, Phase
from perennial_operator.core.decide import decide_step
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.status.deployment_status import Trouble, describe
from perennial_operator.core.traffic.http_route import blocker
from perennial_operator.core.world import Fleet, JobState
from tests.builders import a_route
from tests.simulation.play import Play, a_play, on_an_empty_cluster
from tests.simulation.results import REFUSED, TRAINED, checked, validated

EDITS: list[dict[str, Any]] = [
    {"model": {"parameters": {"fit_intercept": False}}},
    {"model": {"parameters": {"fit_intercept": True}}},
    {"data": {"minRows": 300}},
    {"drift": {"thresholds": [{"metric": "psi", "max": 0.2}], "consecutive": 2}},
    {"drift": {"thresholds": [{"metric": "mse", "maxIncrease": 0.1}]}},
    {"drift": {"thresholds": [{"metric": "psi", "max": 0.35}], "cooldown": "1h", "consecutive": 1}},
    {"drift": None},
    {"rollout": {"steps": []}},
    {"rollout": {"steps": [{"weight": 20, "hold": "5m"}, {"weight": 50, "hold": "5m"}]}},
    {"rollout": {"steps": [{"weight": 10}]}},
    {"rollout": {"steps": [{"weight": 50, "hold": "5m"}], "analysis": {"interval": "1m", "limit": "1h"}}},
    {"rollout": {"analysis": {"queries": [{"name": "q", "query": "up", "min": 1}], "limit": "5m"}}},
    {"rollout": {"analysis": None}},
    {"rollout": {"watch": "1h"}},
    {"rollout": {"watch": "0s"}},
    {"rollout": {"approval": "manual"}},
    {"rollout": {"approval": "automatic"}},
    {"rollout": {"gateway": {"httpRoute": "bike"}}},
    {"rollout": {"gateway": {"httpRoute": "bike"}, "shadow": "5m"}},
    {"rollout": {"gateway": None, "shadow": None}},
    {"serving": {"replicas": 0}},
    {"serving": {"replicas": 1}},
    {"serving": {"replicas": 3}},
    {"serving": {"port": 9090}},
    {"validation": {"against": {"metric": "r2"}}},
    {"validation": None},
    {"training": {"schedule": "0 * * * *"}},
    {"training": None},
    {"history": {"versions": 1, "reports": 2}},
    {"suspend": True},
    {"suspend": False},
    {"pin": "bike-v1"},
    {"pin": "bike-v2"},
    {"pin": "bike-v9"},
    {"pin": None},
]
STEPS = [{"weight": 50, "hold": "5m"}]
PSI = st.sampled_from([0.1, 0.3, 0.4])


class Storm(RuleBasedStateMachine):
    play: Play

    @initialize(
        rollout=st.sampled_from([{}, {"steps": STEPS}, {"steps": STEPS, "analysis": {}}]),
        check=st.booleans(),
        live=st.booleans(),
    )
    def begin(self, rollout: dict[str, Any], check: bool, live: bool) -> None:
        drift = {"check": {"schedule": "*/30 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}}} if check else {}
        self.play = a_play(rollout=rollout, drift=drift)
        self.unedited = True
        self.reports = 0
        self.requests = 0
        self.play.settle()
        if live:
            self.play.until_live(1)
            self.play.wait(hours=2)

    @rule(edit=st.sampled_from(EDITS))
    def somebody_edits_the_spec(self, edit: dict[str, Any]) -> None:
        self.unedited = self.unedited and "rollout" not in edit
        self.play.edit(edit)

    @rule(psi=PSI, samples=st.sampled_from([10, 1000]), about=st.sampled_from([None, "bike-v1", "bike-v2"]))
    def a_report_comes(self, psi: float, samples: int, about: str | None) -> None:
        self.reports += 1
        self.play.report(f"report-{self.reports}", psi, samples=samples + self.reports, modelVersion=about)
        self.play.settle()

    @rule(minutes=st.sampled_from([1, 5, 20, 70]))
    def time_passes(self, minutes: int) -> None:
        self.play.wait(minutes=minutes)

    @rule()
    def the_operator_is_away_for_a_day(self) -> None:
        self.play.now += timedelta(days=1)
        self.play.settle()

    @rule()
    def somebody_asks_for_a_training(self) -> None:
        self.requests += 1
        self.play.annotate("ModelDeployment", "bike", names.RETRAIN, str(self.requests))

    @precondition(lambda self: self.running())
    @rule(data=st.data(), good=st.booleans(), psi=PSI)
    def a_job_ends(self, data: st.DataObject, good: bool, psi: float) -> None:
        self.ends(data.draw(st.sampled_from(self.running())), good, psi)

    def ends(self, name: str, good: bool, psi: float) -> None:
        against = self.play.jobs[name].labels.get(names.AGAINST)
        live = None if against == "none" else 120.0
        answer = TRAINED if name.endswith("-train") else checked(psi) if "-check-" in name else validated(90.0, live)
        self.play.finish(name, answer if good else REFUSED)

    @rule()
    def everything_goes_well_for_a_while(self) -> None:
        for _ in range(4):
            for name in self.running():
                if name in self.play.jobs:
                    self.ends(name, True, 0.1)
            self.play.pods_ready()
            self.play.wait(minutes=5)

    @precondition(lambda self: self.play.serving)
    @rule(data=st.data(), count=st.integers(0, 300), errors=st.integers(0, 20), restarted=st.booleans())
    def requests_come(self, data: st.DataObject, count: int, errors: int, restarted: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.play.serving)))
        self.play.requests(name, count, min(count, errors), restarted=restarted)

    @rule(answer=st.sampled_from([(), (0.0,), (1.0,), (1.0, 2.0)]))
    def prometheus_says(self, answer: tuple[float, ...]) -> None:
        self.play.answers["q"] = answer

    @precondition(lambda self: self.play.serving)
    @rule()
    def all_pods_are_ready(self) -> None:
        self.play.pods_ready()

    @precondition(lambda self: self.play.serving)
    @rule(data=st.data(), refused=st.booleans())
    def pods_fail(self, data: st.DataObject, refused: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.play.serving)))
        self.play.pods_fail(name, "CrashLoopBackOff", REFUSED if refused else None)

    @rule(route=st.sampled_from([None, (100, 0), (3, 97), False]))
    def somebody_rewrites_the_route(self, route: tuple[int, int] | bool | None) -> None:
        self.play.rewrite(
            a_route(route) if isinstance(route, tuple) else None if route is None else a_route(accepted=False)
        )
        self.play.settle()

    @precondition(lambda self: self.play.all("ModelVersion"))
    @rule(data=st.data(), key=st.sampled_from([names.APPROVED, names.REJECTED]))
    def somebody_judges_a_version(self, data: st.DataObject, key: str) -> None:
        self.play.annotate("ModelVersion", data.draw(self.any_version()), key, "ann")

    @precondition(lambda self: self.play.all("ModelVersion"))
    @rule(data=st.data())
    def somebody_deletes_a_version(self, data: st.DataObject) -> None:
        # It may be the live one: the candidate then has nobody to be compared with.
        self.unedited = False
        self.play.remove("ModelVersion", data.draw(self.any_version()))

    @precondition(lambda self: self.play.jobs)
    @rule(data=st.data())
    def somebody_deletes_a_job(self, data: st.DataObject) -> None:
        self.play.remove("Job", data.draw(st.sampled_from(sorted(self.play.jobs))))

    @rule(full=st.booleans())
    def the_fleet_is_busy(self, full: bool) -> None:
        self.play.fleet = Fleet(trainings=10 if full else 0)
        self.play.settle()

    @rule(after=st.integers(0, 5))
    def the_operator_is_to_die(self, after: int) -> None:
        self.play.dies_in = after

    @rule(behind=st.booleans())
    def the_watches_lag(self, behind: bool) -> None:
        self.play.behind = behind

    @rule(down=st.booleans())
    def the_storage_is_down(self, down: bool) -> None:
        self.play.cluster.storage.down = down
        self.play.settle()

    @rule()
    def the_cluster_is_lost(self) -> None:
        """What was live and recorded is live again, as it was; and whatever was in flight is forgotten."""
        before = self.play.world()
        self.play = on_an_empty_cluster(self.play)
        self.play.settle()
        live, lost = self.play.world().live, before.live
        if lost and lost.status.recorded and not before.spec.pin and not self.play.cluster.storage.down:
            assert live
            assert (live.name, live.status.live_since) == (lost.name, lost.status.live_since)

    @rule(holds=st.booleans())
    def the_cluster_refuses_something(self, holds: bool) -> None:
        self.play.trouble = Trouble("Forbidden", "quota exceeded") if holds else None
        self.play.settle()

    def running(self) -> list[str]:
        return sorted(name for name, job in self.play.jobs.items() if job.state is JobState.RUNNING)

    def any_version(self) -> st.SearchStrategy[str]:
        return st.sampled_from(sorted(body["metadata"]["name"] for body in self.play.all("ModelVersion")))

    @invariant()
    def at_most_one_version_is_live_and_one_is_on_its_way(self) -> None:
        phases = [version.phase for version in self.play.world().versions]
        assert phases.count(Phase.LIVE) <= 1
        assert sum(phase in IN_FLIGHT for phase in phases) <= 1

    @invariant()
    def no_name_of_a_version_is_given_twice(self) -> None:
        versions = {name: count for name, count in self.play.made.items() if name.rpartition("-v")[2].isdecimal()}
        assert set(versions.values()) <= {1}

    @invariant()
    def ready_reconciling_and_stalled_exclude_each_other(self) -> None:
        holding = self.play.holding()
        assert [holding[kind] for kind in ("Ready", "Reconciling", "Stalled")].count("True") == 1

    @invariant()
    def the_status_applied_to_itself_changes_nothing(self) -> None:
        before = self.play.status
        world = self.play.world()
        assert describe(world, assess_reports(world), self.play.trouble).to_api() == before

    @invariant()
    def the_status_is_about_the_present_generation(self) -> None:
        world = self.play.world()
        seen = [
            self.play.status["observedGeneration"],
            *(c["observedGeneration"] for c in self.play.status["conditions"]),
        ]
        assert set(seen) == {world.deployment.metadata.generation}

    @invariant()
    def no_alarm_rings_for_the_past(self) -> None:
        assert self.play.alarm is None or self.play.alarm > self.play.now

    @invariant()
    def what_is_asked_for_never_falls_below_the_replicas(self) -> None:
        world = self.play.world()
        if world.live and world.live.name in self.play.serving:
            assert sum(self.play.desired().values()) >= world.spec.serving.replicas

    @invariant()
    def no_service_leads_to_a_version_that_has_no_pods_of_its_own(self) -> None:
        assert {version for version in self.play.service_versions().values() if version} <= self.play.serving.keys()

    @invariant()
    def a_route_without_a_blocker_gives_the_candidate_at_most_its_weight(self) -> None:
        world = self.play.world()
        if world.spec.rollout.gateway and blocker(world) is None:
            state = world.candidate.status.rollout if world.candidate and world.live else None
            live, candidate = self.play.weights()
            assert (live + candidate, candidate <= (state.weight if state else 0)) == (100, True)

    @invariant()
    def the_pods_of_the_live_version_are_never_taken_away(self) -> None:
        world = self.play.world()
        if world.live:
            assert Delete("Deployment", world.live.name) not in decide_step(world).actions

    @invariant()
    def no_analysed_step_ends_without_a_pass(self) -> None:
        """Every analysed version that went live without a person has a passed analysis."""
        for version in self.play.world().versions:
            conditions = version.status.conditions
            analysed, out = find(conditions, "Analysed"), find(conditions, "RolledOut")
            if analysed and out and out.status == "True" and out.reason == "RolledOut" and self.unedited:
                assert analysed.status == "True"

    @invariant()
    def no_job_runs_for_a_version_that_has_ended(self) -> None:
        candidate = self.play.world().candidate
        mine = {names.train_job(candidate.name), names.validate_job(candidate.name)} if candidate else set()
        assert {name for name in self.running() if "-check-" not in name} <= mine


Storm.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,  # new ways are looked for by `make test-deep`
    suppress_health_check=[HealthCheck.too_slow],
)
TestWhateverHappens = Storm.TestCase
