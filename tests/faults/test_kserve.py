"""What must hold for KServe's traffic shares, for any events in any order."""

from __future__ import annotations

from typing import Any

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

from perennial_operator.core import names
from perennial_operator.core.api.model_version import Phase
from perennial_operator.core.traffic.runtime import ALL
from tests.faults.profiles import each_seed, schedules
from tests.simulation.kserve_play import a_kserve_play
from tests.simulation.results import trained, validated

EDITS: list[dict[str, Any]] = [
    {"rollout": {"steps": []}},
    {"rollout": {"steps": [{"weight": 20, "hold": "5m"}, {"weight": 50}]}},
    {"serving": {"replicas": 1}},
    {"serving": {"replicas": 3}},
    {"suspend": True},
    {"suspend": False},
    {"pin": "bike-v1"},
    {"pin": "bike-v2"},
    {"pin": None},
]


class KServeSchedules(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        steps = [{"weight": 20, "hold": "5m"}, {"weight": 50, "hold": "5m"}]
        self.play = a_kserve_play(rollout={"steps": steps}, drift={"cooldown": "1m"}, training={"maxRejections": 100})
        self.reports = 0
        self.play.until_live(1)
        self.play.wait(minutes=2)

    @rule(edit=st.sampled_from(EDITS))
    def person_edits_the_spec(self, edit: dict[str, Any]) -> None:
        self.play.edit(edit)

    @rule()
    def candidate_passes_validation(self) -> None:
        self.reports += 1
        self.play.report(f"report-{self.reports}", 0.3 + self.reports / 1000)
        self.play.wait(minutes=2)
        self.play.edit({"suspend": False, "pin": None})
        for job in [name for name in self.play.jobs if name.endswith("-train")]:
            number = int(job.removesuffix("-train").rsplit("v", 1)[1])
            if self.play.phases().get(f"bike-v{number}") == "Training":
                self.play.finish(job, trained(number))
        for job in [name for name in self.play.jobs if name.endswith("-validate")]:
            if self.play.phases().get(job.removesuffix("-validate")) == "Validating":
                self.play.finish(job, validated(candidate=80.0, live=120.0))

    @rule(data=st.data(), refuse=st.booleans())
    def pods_fail(self, data: st.DataObject, refuse: bool) -> None:
        name = data.draw(st.sampled_from(self.versions()))
        refusal = {"outcome": "Refused", "reason": "DigestMismatch", "message": "another"} if refuse else None
        self.play.pods_fail(name, refusal=refusal)

    @rule(data=st.data(), minutes=st.sampled_from([0, 6]))
    def pods_become_ready(self, data: st.DataObject, minutes: int) -> None:
        self.play.pods_ready(self.candidate() or data.draw(st.sampled_from(self.versions())))
        self.play.wait(minutes=minutes)

    @rule(minutes=st.sampled_from([1, 5, 20]))
    def time_passes(self, minutes: int) -> None:
        self.play.wait(minutes=minutes)

    @precondition(lambda self: self.candidate())
    @rule()
    def person_rejects_the_candidate(self) -> None:
        self.play.annotate("ModelVersion", self.candidate(), names.REJECTED, "ann")

    @rule()
    def kserve_lags_behind_a_pass(self) -> None:
        self.play.asleep = True
        self.play.wait(minutes=1)
        self.play.asleep = False
        self.play.wait(minutes=1)

    def versions(self) -> list[str]:
        self.play.world()
        return [each.version for each in self.play.knative.running()]

    def candidate(self) -> str:
        candidates = [name for name, phase in self.play.phases().items() if phase == Phase.ROLLING_OUT.value]
        return candidates[0] if candidates else ""

    @invariant()
    def candidate_gets_at_most_its_weight(self) -> None:
        name = self.candidate()
        state = self.play.bodies["ModelVersion", name]["status"].get("rollout") if name else None
        if name:
            share = self.play.percents().get(name, 0)
            assert share < ALL
            assert share <= (state["weight"] if state else 0)

    @invariant()
    def unsuccessful_version_gets_no_traffic(self) -> None:
        for name in self.play.percents():
            status = self.play.bodies["ModelVersion", name]["status"]
            assert status.get("liveSince") or name == self.candidate(), (name, self.play.percents())

    @invariant()
    def only_live_versions_get_all_traffic(self) -> None:
        versions = {each.name: each.version for each in self.play.knative.made}
        for revision in (self.play.knative.rolled_out, self.play.knative.before):
            if revision:
                assert self.play.bodies["ModelVersion", versions[revision]]["status"].get("liveSince")

    @invariant()
    def pass_without_work_does_nothing(self) -> None:
        assert self.play.step() == 0


@each_seed
def test_kserve_traffic_shares_hold_in_any_order(seed: int) -> None:
    run_state_machine_as_test(seeded(seed)(KServeSchedules), settings=schedules(0.03))
