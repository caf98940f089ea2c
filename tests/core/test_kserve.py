"""How an InferenceService is created, updated and judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import Apply, SetStatus
from perennial_operator.core.world import RoutingObject
from tests.simulation.disturbances import dying, late, twice
from tests.simulation.kserve_play import KServePlay, a_kserve_play

STEPS = [{"weight": 20, "hold": "5m"}, {"weight": 50, "hold": "10m"}]


def rolling(prepare: Callable[[Any], None] = lambda play: None, **changes: Any) -> KServePlay:
    """Version 1 is live, version 2 has just passed the gate."""
    play = a_kserve_play(**{"rollout": {"steps": STEPS}, "drift": {"cooldown": "1m"}, **changes})
    prepare(play)
    play.until_live(1)
    play.pods_ready()
    play.wait(hours=1)
    play.report("october")
    play.until_rolling(2, candidate=80.0, live=120.0)
    return play


def test_candidate_gets_exactly_its_weight_and_then_all() -> None:
    play = rolling()
    seen = []
    for minutes in (5, 10, 1):
        play.pods_ready("bike-v2")
        play.wait(seconds=5)
        seen.append(play.percents())
        play.wait(minutes=minutes)
    assert seen[:2] == [{"bike-v1": 80, "bike-v2": 20}, {"bike-v1": 50, "bike-v2": 50}]
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Live"}
    assert (play.percents(), play.predictor()) == ({"bike-v2": 100}, ("bike-v2", 100))
    assert set(play.world().serving) == {"bike-v2"}
    assert play.holding() | {"Ready": "True", "Available": "True", "Routed": "True"} == play.holding()


def test_no_deployment_and_no_service_is_created() -> None:
    play = rolling()
    assert not play.serving
    assert not play.services


@pytest.mark.parametrize("replicas", [1, 2, 10])
def test_steps_create_no_other_revision(replicas: int) -> None:
    play = rolling(serving={"replicas": replicas})
    for minutes in (5, 10, 1):
        play.pods_ready("bike-v2")
        play.wait(minutes=minutes)
    assert play.phases()["bike-v2"] == "Live"
    assert [each.replicas for each in play.knative.made] == [replicas] * 2


def test_candidate_gets_no_request_before_it_is_ready() -> None:
    play = rolling()
    assert (play.percents(), play.predictor()) == ({"bike-v1": 100}, ("bike-v2", 0))
    play.wait(minutes=10)
    assert play.percents() == {"bike-v1": 100}
    play.pods_ready("bike-v2")
    assert play.percents() == {"bike-v1": 80, "bike-v2": 20}


def test_live_gets_all_requests_while_candidate_is_not_ready() -> None:
    play = rolling()
    play.pods_ready("bike-v2")
    play.pods_fail("bike-v2")
    assert play.percents() == {"bike-v1": 100}
    play.pods_ready("bike-v2")
    assert play.percents() == {"bike-v1": 80, "bike-v2": 20}
    assert play.version(2)["phase"] == "RollingOut"


def rejected(play: KServePlay) -> None:
    play.annotate("ModelVersion", "bike-v2", names.REJECTED, "ann")


def refused(play: KServePlay) -> None:
    play.pods_fail("bike-v2", refusal={"outcome": "Refused", "reason": "DigestMismatch", "message": "another digest"})


def pinned(play: KServePlay) -> None:
    play.edit({"pin": "bike-v1"})


ENDS: dict[str, tuple[Callable[[KServePlay], None], str, str]] = {
    "rejected": (rejected, "RolledBack", "RejectedByPerson"),
    "refused": (refused, "RolledBack", "DigestMismatch"),
    "pinned": (pinned, "Superseded", "Pinned"),
}


@pytest.mark.parametrize(("end", "phase", "reason"), ENDS.values(), ids=ENDS)
def test_rolled_back_candidate_gets_no_request(end: Callable[[KServePlay], None], phase: str, reason: str) -> None:
    play = rolling()
    play.pods_ready("bike-v2")
    end(play)
    assert (play.version(2)["phase"], play.version(2)["reason"]) == (phase, reason)
    assert (play.percents(), play.predictor()) == ({"bike-v1": 100}, ("bike-v1", 0))
    assert play.condition("Available")["status"] == "True"
    play.pods_ready("bike-v1")
    play.wait(seconds=5)
    assert (play.percents(), play.predictor()) == ({"bike-v1": 100}, ("bike-v1", 100))
    assert set(play.world().serving) == {"bike-v1"}


def test_candidate_gets_no_request_before_its_revision_is_ready() -> None:
    play = rolling()
    play.pods_ready("bike-v2")
    rejected(play)
    play.wait(minutes=2)
    play.report("november", 0.4)
    play.until_rolling(3, candidate=80.0, live=120.0)
    play.up[play.knative.made[-1].name] = 2  # its pods are ready, but Knative has not reported it yet
    play.settle()
    assert (play.predictor(), play.percents()) == (("bike-v3", 0), {"bike-v1": 100})
    play.pods_ready("bike-v3")
    assert play.percents() == {"bike-v1": 80, "bike-v3": 20}


def test_rollback_at_the_timeout_reports_why_pods_are_not_ready() -> None:
    play = rolling()
    play.pods_fail("bike-v2", trouble="pod x is waiting (ImagePullBackOff)")
    play.wait(minutes=16)
    assert (play.version(2)["phase"], play.version(2)["reason"]) == ("RolledBack", "NotReady")
    assert "0 of 2 replicas were ready after spec.rollout.timeout 15m: pod x is waiting" in play.version(2)["message"]
    assert (play.percents(), play.predictor()) == ({"bike-v1": 100}, ("bike-v1", 100))


def test_candidate_without_requests_is_rolled_back_at_timeout() -> None:
    play = rolling()
    play.asleep = True
    play.pods_ready("bike-v2")
    play.wait(minutes=16)
    assert play.version(2)["message"] == (
        "2 of 2 replicas were ready after spec.rollout.timeout 15m, "
        "but InferenceService bike did not route 20 % of the requests to them, the rest to bike-v1"
    )


def test_step_waits_until_the_rest_goes_to_the_live_version() -> None:
    """KServe's record of the revision that had all requests last can be wrong."""
    play = rolling(rollout={"steps": []})
    play.pods_ready()
    play.wait(minutes=2)
    play.edit({"rollout": {"steps": STEPS}})
    play.report("november", 0.4)
    play.until_rolling(3, candidate=80.0, live=120.0)
    play.knative.rolled_out = play.knative.made[0].name
    play.pods_ready("bike-v3")
    play.wait(minutes=10)
    assert play.percents() == {"bike-v1": 80, "bike-v3": 20}
    assert play.condition("Routed")["reason"] == "NotYet"
    play.wait(minutes=6)
    assert (play.version(3)["phase"], play.version(3)["reason"]) == ("RolledBack", "NotReady")
    assert play.version(3)["message"].endswith("20 % of the requests to them, the rest to bike-v2")


def test_overwritten_share_is_set_and_the_hold_restarts() -> None:
    play = rolling()
    play.pods_ready()
    play.wait(minutes=4)
    assert play.inference
    play.inference["spec"]["predictor"]["canaryTrafficPercent"] = 90
    play.wait(minutes=1)
    assert play.percents() == {"bike-v1": 80, "bike-v2": 20}
    assert "WeightsOverwritten" in [announced.reason for announced in play.announced()]
    play.wait(minutes=4)
    assert play.version(2)["rollout"]["weight"] == 20


def test_pinned_version_gets_all_requests_only_when_ready() -> None:
    play = rolling(rollout={"steps": []})
    play.pods_ready()
    play.wait(minutes=1)
    assert play.phases()["bike-v2"] == "Live"
    play.edit({"pin": "bike-v1"})
    assert (play.percents(), play.predictor()) == ({"bike-v2": 100}, ("bike-v1", 0))
    play.pods_ready("bike-v1")
    play.wait(seconds=5)
    assert (play.percents(), play.predictor()) == ({"bike-v1": 100}, ("bike-v1", 100))
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "Superseded"}


def test_scaling_creates_a_revision_that_takes_over_when_ready() -> None:
    play = a_kserve_play()
    play.until_live(1)
    play.edit({"serving": {"replicas": 5}})
    assert (play.percents(), play.predictor()) == ({"bike-v1": 100}, ("bike-v1", 100))
    assert (play.condition("Ready")["status"], play.condition("Ready")["reason"]) == ("False", "NotEnoughReplicas")
    play.pods_ready()
    play.wait(seconds=5)
    assert [each.replicas for each in play.knative.running()] == [5]
    assert play.condition("Ready")["status"] == "True"


@pytest.mark.parametrize("steps", [[], STEPS])
def test_candidate_gets_all_requests_only_after_promotion(steps: list[dict[str, Any]]) -> None:
    """KServe rolls back to the revision that had all requests."""
    play = rolling(rollout={"steps": steps})
    for minutes in (5, 10, 1):
        play.pods_ready("bike-v2")
        play.wait(minutes=minutes)
    live = False
    for action in play.done:
        if isinstance(action, SetStatus):
            live = live or (action.name == "bike-v2" and action.status.get("phase") == "Live")
        elif isinstance(action, Apply):
            predictor = action.manifest["spec"]["predictor"]
            all_to_candidate = (predictor["labels"][names.MODEL_VERSION], predictor["canaryTrafficPercent"]) == (
                "bike-v2",
                100,
            )
            assert live or not all_to_candidate
    assert live


def test_live_keeps_all_requests_if_the_revision_is_unknown() -> None:
    """Otherwise KServe would route its requests to the version before it."""
    play = rolling()
    for minutes in (5, 10, 1):
        play.pods_ready("bike-v2")
        play.wait(minutes=minutes)
    play.podless = True
    play.settle()
    assert (play.predictor(), play.percents()) == (("bike-v2", 100), {"bike-v2": 100})


def test_routed_is_unknown_before_the_first_version() -> None:
    play = a_kserve_play()
    play.settle()
    assert (play.condition("Routed")["status"], play.condition("Routed")["message"]) == (
        "Unknown",
        "InferenceService bike does not exist yet",
    )


def test_pending_change_is_reported_and_polled_every_5_seconds() -> None:
    play = rolling(rollout={"steps": []})
    play.asleep = True
    play.pods_ready("bike-v2")
    assert play.phases()["bike-v2"] == "Live"
    assert (play.condition("Routed")["status"], play.condition("Routed")["reason"]) == ("Unknown", "NotYet")
    assert play.alarm and (play.alarm - play.now).total_seconds() == 5
    play.asleep = False
    play.wait(seconds=5)
    assert play.condition("Routed")["message"] == (
        "InferenceService bike routes traffic at http://bike.default.example.com; "
        "the operator manages its canaryTrafficPercent"
    )


@pytest.mark.parametrize("read", [RoutingObject(None, unknown_kind=True), RoutingObject(None, "isvc is forbidden")])
def test_serving_is_unchanged_while_kserve_cannot_be_read(read: RoutingObject) -> None:
    play = a_kserve_play()
    play.until_live(1)
    play.unreadable = read
    play.edit({"serving": {"replicas": 5}})
    assert play.predictor() == ("bike-v1", 100)
    assert [each.replicas for each in play.knative.made] == [2]
    assert play.phases() == {"bike-v1": "Live"}


def test_suspend_keeps_the_share() -> None:
    play = rolling()
    play.pods_ready()
    play.edit({"suspend": True})
    play.wait(hours=1)
    assert play.percents() == {"bike-v1": 80, "bike-v2": 20}


def test_inference_service_of_a_failed_first_version_is_deleted() -> None:
    play = a_kserve_play(training={"maxRejections": 1})
    play.until_rolling(1)
    assert play.inference
    refuse = {"outcome": "Refused", "reason": "DigestMismatch", "message": "another digest"}
    play.pods_fail("bike-v1", refusal=refuse)
    assert play.version(1)["phase"] == "RolledBack"
    assert play.inference is None


def test_deleted_modelversion_keeps_serving() -> None:
    play = a_kserve_play(training={"maxRejections": 1})
    play.until_live(1)
    play.remove("ModelVersion", "bike-v1")
    assert play.inference


BLOCKERS = {
    "no KServe": (RoutingObject(None, unknown_kind=True), "KServeNotFound", "install KServe with Knative"),
    "forbidden": (
        RoutingObject(None, "isvc is forbidden"),
        "KServeForbidden",
        "isvc is forbidden; allow the operator's role",
    ),
    "another mode": (
        RoutingObject({"metadata": {}, "spec": {"predictor": {}}, "status": {"deploymentMode": "Standard"}}),
        "WrongDeploymentMode",
        "in its mode Standard, which does not support traffic splitting; delete it",
    ),
}


@pytest.mark.parametrize(("read", "reason", "words"), BLOCKERS.values(), ids=BLOCKERS)
def test_first_version_waits_until_the_blocker_is_fixed(read: RoutingObject, reason: str, words: str) -> None:
    play = a_kserve_play()
    play.unreadable = read
    play.until_rolling(1)
    play.wait(hours=3)
    assert (play.version(1)["phase"], play.version(1)["reason"]) == ("RollingOut", reason)
    assert words in play.version(1)["message"]
    assert (play.condition("Routed")["status"], play.condition("Routed")["reason"]) == ("False", reason)
    assert words in play.condition("Ready")["message"]
    play.unreadable = RoutingObject(None)
    play.wait(minutes=1)
    play.pods_ready()
    assert play.phases() == {"bike-v1": "Live"}


def test_cluster_without_kserve_is_polled_once_a_minute() -> None:
    play = a_kserve_play()
    play.unreadable = RoutingObject(None, unknown_kind=True)
    play.until_rolling(1)
    assert play.alarm and (play.alarm - play.now).total_seconds() == 60
    assert play.step() == 0


def end_of(play: KServePlay) -> Any:
    for minutes in (5, 10, 1):
        play.pods_ready()
        play.wait(minutes=minutes)
    return play.phases(), play.percents(), play.predictor(), play.holding(), len(play.knative.made)


PLAIN = rolling()
END = end_of(PLAIN)
ACTIONS = len(PLAIN.done)


@pytest.mark.parametrize("prepare", [late, twice, *map(dying, range(0, ACTIONS, 3))])
def test_crashes_delays_and_repetition_change_no_result(prepare: Callable[[Any], None]) -> None:
    assert end_of(rolling(prepare)) == END


def test_way_back_deploys_the_predecessor_and_then_switches() -> None:
    play = rolling(rollout={"steps": [], "watch": "1h"})
    play.pods_ready("bike-v2")
    play.wait(seconds=5)
    assert (play.phases()["bike-v2"], play.predictor()) == ("Live", ("bike-v2", 100))
    play.pods_fail("bike-v2")
    play.wait(minutes=5)
    assert (play.percents(), play.predictor()) == ({"bike-v2": 100}, ("bike-v1", 0))
    play.pods_ready("bike-v1")
    play.wait(seconds=5)
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "RolledBack"}
    assert (play.percents(), play.predictor()) == ({"bike-v1": 100}, ("bike-v1", 100))
