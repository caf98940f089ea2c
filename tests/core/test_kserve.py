"""How an InferenceService is made, steered and judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import Apply, SetStatus
from perennial_operator.core.world import RoutingObject
from tests.core.kserve import KServePlay, a_kserve_play
from tests.core.play import dying, late, twice

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


def test_the_candidate_gets_exactly_its_weight_of_the_requests_and_then_all() -> None:
    play = rolling()
    seen = []
    for minutes in (5, 10, 1):
        play.pods_ready("bike-v2")
        play.wait(seconds=5)
        seen.append(play.led())
        play.wait(minutes=minutes)
    assert seen[:2] == [{"bike-v1": 80, "bike-v2": 20}, {"bike-v1": 50, "bike-v2": 50}]
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Live"}
    assert (play.led(), play.held()) == ({"bike-v2": 100}, ("bike-v2", 100))
    assert set(play.world().serving) == {"bike-v2"}
    assert play.holding() | {"Ready": "True", "Available": "True", "Routed": "True"} == play.holding()


def test_neither_a_deployment_nor_a_service_is_made() -> None:
    play = rolling()
    assert not play.serving
    assert not play.services


@pytest.mark.parametrize("replicas", [1, 2, 10])
def test_every_revision_has_the_replicas_that_serve_and_no_step_makes_another_one(replicas: int) -> None:
    play = rolling(serving={"replicas": replicas})
    for minutes in (5, 10, 1):
        play.pods_ready("bike-v2")
        play.wait(minutes=minutes)
    assert play.phases()["bike-v2"] == "Live"
    assert [each.replicas for each in play.knative.made] == [replicas] * 2


def test_no_request_is_led_to_a_candidate_before_its_replicas_are_ready() -> None:
    play = rolling()
    assert (play.led(), play.held()) == ({"bike-v1": 100}, ("bike-v2", 0))
    play.wait(minutes=10)
    assert play.led() == {"bike-v1": 100}
    play.pods_ready("bike-v2")
    assert play.led() == {"bike-v1": 80, "bike-v2": 20}


def test_requests_go_back_to_the_live_version_while_the_candidate_is_not_ready() -> None:
    play = rolling()
    play.pods_ready("bike-v2")
    play.pods_fail("bike-v2")
    assert play.led() == {"bike-v1": 100}
    play.pods_ready("bike-v2")
    assert play.led() == {"bike-v1": 80, "bike-v2": 20}
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
def test_a_candidate_that_goes_back_gets_no_request_although_its_revision_is_the_newest_that_is_ready(
    end: Callable[[KServePlay], None], phase: str, reason: str
) -> None:
    play = rolling()
    play.pods_ready("bike-v2")
    end(play)
    assert (play.version(2)["phase"], play.version(2)["reason"]) == (phase, reason)
    assert (play.led(), play.held()) == ({"bike-v1": 100}, ("bike-v1", 0))
    assert play.condition("Available")["status"] == "True"
    play.pods_ready("bike-v1")
    play.wait(seconds=5)
    assert (play.led(), play.held()) == ({"bike-v1": 100}, ("bike-v1", 100))
    assert set(play.world().serving) == {"bike-v1"}


def test_the_next_candidate_gets_nothing_while_one_that_went_back_is_the_newest_that_is_ready() -> None:
    play = rolling()
    play.pods_ready("bike-v2")
    rejected(play)
    play.wait(minutes=2)
    play.report("november", 0.4)
    play.until_rolling(3, candidate=80.0, live=120.0)
    play.up[play.knative.made[-1].name] = 2  # its pods are ready, and Knative has not said so yet
    play.settle()
    assert (play.held(), play.led()) == (("bike-v3", 0), {"bike-v1": 100})
    play.pods_ready("bike-v3")
    assert play.led() == {"bike-v1": 80, "bike-v3": 20}


def test_a_candidate_that_does_not_become_ready_in_time_goes_back_with_what_hinders_it() -> None:
    play = rolling()
    play.pods_fail("bike-v2", trouble="pod x is waiting (ImagePullBackOff)")
    play.wait(minutes=16)
    assert (play.version(2)["phase"], play.version(2)["reason"]) == ("RolledBack", "NotReady")
    assert "0 of 2 replicas were ready after spec.rollout.timeout 15m: pod x is waiting" in play.version(2)["message"]
    assert (play.led(), play.held()) == ({"bike-v1": 100}, ("bike-v1", 100))


def test_a_candidate_that_kserve_never_leads_to_goes_back() -> None:
    play = rolling()
    play.asleep = True
    play.pods_ready("bike-v2")
    play.wait(minutes=16)
    assert play.version(2)["message"] == (
        "2 of 2 replicas were ready after spec.rollout.timeout 15m, "
        "but InferenceService bike did not route 20 % of the requests to them, the rest to bike-v1"
    )


def test_a_step_does_not_begin_while_the_rest_goes_to_another_than_the_live_version() -> None:
    """KServe's memory of what had everything last can be wrong."""
    play = rolling(rollout={"steps": []})
    play.pods_ready()
    play.wait(minutes=2)
    play.edit({"rollout": {"steps": STEPS}})
    play.report("november", 0.4)
    play.until_rolling(3, candidate=80.0, live=120.0)
    play.knative.rolled_out = play.knative.made[0].name
    play.pods_ready("bike-v3")
    play.wait(minutes=10)
    assert play.led() == {"bike-v1": 80, "bike-v3": 20}
    assert play.condition("Routed")["reason"] == "NotYet"
    play.wait(minutes=6)
    assert (play.version(3)["phase"], play.version(3)["reason"]) == ("RolledBack", "NotReady")
    assert play.version(3)["message"].endswith("20 % of the requests to them, the rest to bike-v2")


def test_a_share_that_somebody_overwrites_is_set_again_and_the_hold_begins_anew() -> None:
    play = rolling()
    play.pods_ready()
    play.wait(minutes=4)
    assert play.inference
    play.inference["spec"]["predictor"]["canaryTrafficPercent"] = 90
    play.wait(minutes=1)
    assert play.led() == {"bike-v1": 80, "bike-v2": 20}
    assert "WeightsOverwritten" in [announced.reason for announced in play.announced()]
    play.wait(minutes=4)
    assert play.version(2)["rollout"]["weight"] == 20


def test_a_pinned_version_gets_everything_once_its_replicas_are_ready_and_nothing_before() -> None:
    play = rolling(rollout={"steps": []})
    play.pods_ready()
    play.wait(minutes=1)
    assert play.phases()["bike-v2"] == "Live"
    play.edit({"pin": "bike-v1"})
    assert (play.led(), play.held()) == ({"bike-v2": 100}, ("bike-v1", 0))
    play.pods_ready("bike-v1")
    play.wait(seconds=5)
    assert (play.led(), play.held()) == ({"bike-v1": 100}, ("bike-v1", 100))
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "Superseded"}


def test_other_replicas_of_a_live_version_are_another_revision_that_takes_over_when_it_is_ready() -> None:
    play = a_kserve_play()
    play.until_live(1)
    play.edit({"serving": {"replicas": 5}})
    assert (play.led(), play.held()) == ({"bike-v1": 100}, ("bike-v1", 100))
    assert (play.condition("Ready")["status"], play.condition("Ready")["reason"]) == ("False", "NotEnoughReplicas")
    play.pods_ready()
    play.wait(seconds=5)
    assert [each.replicas for each in play.knative.running()] == [5]
    assert play.condition("Ready")["status"] == "True"


@pytest.mark.parametrize("steps", [[], STEPS])
def test_a_candidate_has_everything_only_as_the_live_version(steps: list[dict[str, Any]]) -> None:
    """What had everything is what KServe goes back to."""
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


def test_the_live_version_keeps_everything_when_no_pod_tells_whose_the_newest_revision_is() -> None:
    """To take its requests away would make KServe lead them to the version before it."""
    play = rolling()
    for minutes in (5, 10, 1):
        play.pods_ready("bike-v2")
        play.wait(minutes=minutes)
    play.podless = True
    play.settle()
    assert (play.held(), play.led()) == (("bike-v2", 100), {"bike-v2": 100})


def test_before_there_is_a_version_to_serve_nothing_is_said_to_serve() -> None:
    play = a_kserve_play()
    play.settle()
    assert (play.condition("Routed")["status"], play.condition("Routed")["message"]) == (
        "Unknown",
        "InferenceService bike does not exist yet",
    )


def test_what_kserve_has_not_done_yet_is_told_and_looked_at_every_few_seconds() -> None:
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
def test_what_serves_is_left_alone_while_kserve_cannot_be_asked(read: RoutingObject) -> None:
    play = a_kserve_play()
    play.until_live(1)
    play.unreadable = read
    play.edit({"serving": {"replicas": 5}})
    assert play.held() == ("bike-v1", 100)
    assert [each.replicas for each in play.knative.made] == [2]
    assert play.phases() == {"bike-v1": "Live"}


def test_suspended_the_share_stays() -> None:
    play = rolling()
    play.pods_ready()
    play.edit({"suspend": True})
    play.wait(hours=1)
    assert play.led() == {"bike-v1": 80, "bike-v2": 20}


def test_where_a_first_version_comes_to_nothing_its_inference_service_goes() -> None:
    play = a_kserve_play(training={"maxRejections": 1})
    play.until_rolling(1)
    assert play.inference
    refuse = {"outcome": "Refused", "reason": "DigestMismatch", "message": "another digest"}
    play.pods_fail("bike-v1", refusal=refuse)
    assert play.version(1)["phase"] == "RolledBack"
    assert play.inference is None


def test_what_somebody_removed_the_record_of_goes_on_serving() -> None:
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
def test_a_first_version_waits_where_kserve_cannot_be_used_and_says_why_and_goes_live_when_it_can(
    read: RoutingObject, reason: str, words: str
) -> None:
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


def test_a_cluster_without_kserve_is_looked_at_once_a_minute() -> None:
    play = a_kserve_play()
    play.unreadable = RoutingObject(None, unknown_kind=True)
    play.until_rolling(1)
    assert play.alarm and (play.alarm - play.now).total_seconds() == 60
    assert play.step() == 0


def end_of(play: KServePlay) -> Any:
    for minutes in (5, 10, 1):
        play.pods_ready()
        play.wait(minutes=minutes)
    return play.phases(), play.led(), play.held(), play.holding(), len(play.knative.made)


PLAIN = rolling()
END = end_of(PLAIN)
ACTIONS = len(PLAIN.done)


@pytest.mark.parametrize("prepare", [late, twice, *map(dying, range(0, ACTIONS, 3))])
def test_dying_seeing_late_and_doing_twice_come_to_the_same_end(prepare: Callable[[Any], None]) -> None:
    assert end_of(rolling(prepare)) == END
