"""What happens to a version after its promotion, while it is watched."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core import names
from tests.builders import a_route
from tests.simulation.disturbances import dying, late, twice
from tests.simulation.play import Play, a_play, on_an_empty_cluster
from tests.simulation.results import trained, validated

STEP = [{"weight": 50}]
WATCHED = {"bike-v1": 1, "bike-v2": 2}


def promoted(route: bool = False, **rollout: Any) -> Play:
    """Version 2 has just replaced version 1."""
    play = a_play(
        rollout={"steps": [], "watch": "1h", **rollout},
        drift={"cooldown": "1m", "thresholds": [{"metric": "psi", "max": 0.2}, {"metric": "mse", "maxIncrease": 0.1}]},
    )
    if route:
        play.rewrite(a_route())
    play.until_live(1)
    play.wait(hours=2)
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "0")
    play.until_rolling(2, candidate=80.0, live=120.0)
    for _ in range(30):
        play.pods_ready()
        if play.phases()["bike-v2"] == "Live":
            return play
        served(play)
    raise AssertionError(play.version(2))


def failed(play: Play) -> Play:
    """All pods of version 2 crash, and version 1 serves again."""
    play.pods_fail("bike-v2", trouble="CrashLoopBackOff")
    play.wait(minutes=5)
    play.pods_ready("bike-v1")
    return play


def served(play: Play, count: int = 200, errors: int = 0, each: float = 0.01, before: int = 200) -> None:
    """Version 2 is asked, and so is version 1 beside it; an interval of the analysis passes."""
    play.requests("bike-v2", count, errors, each)
    play.requests("bike-v1", before)
    play.wait(seconds=30)


def warnings(play: Play) -> list[str]:
    return [each.message for each in play.announced() if each.warning]


def test_one_pod_of_the_predecessor_stays_ready() -> None:
    play = promoted()
    assert (play.phases(), play.desired()) == ({"bike-v1": "Superseded", "bike-v2": "Live"}, WATCHED)
    play.wait(minutes=59)
    assert play.desired() == WATCHED
    play.wait(minutes=1)
    assert play.desired() == {"bike-v2": 2}
    assert "watch" not in play.version(2)
    assert "bike-v2: it was watched for 1h, and nothing was wrong; bike-v1 is scaled down" in [
        each.message for each in play.announced()
    ]


@pytest.mark.parametrize(
    ("rollout", "watched"),
    [
        ({"watch": None}, False),
        ({"watch": "0s", "analysis": {}, "steps": STEP}, False),
        ({"watch": None, "analysis": {}, "steps": STEP}, True),
        ({"watch": "5m"}, True),
    ],
)
def test_watch_is_on_by_default_where_analysis_is_on(rollout: dict[str, Any], watched: bool) -> None:
    play = promoted(**rollout)
    assert ("watch" in play.version(2)) == watched
    assert ("bike-v1" in play.desired()) == watched


def test_first_and_pinned_versions_are_not_watched() -> None:
    play = promoted()
    assert "watch" not in play.version(1)
    play.edit({"pin": "bike-v1"})
    play.pods_ready()
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "Superseded"}
    assert "watch" not in play.version(1)
    assert "watch" not in play.version(2)


def test_way_back_scales_the_predecessor_first() -> None:
    play = promoted()
    play.pods_fail("bike-v2", trouble="CrashLoopBackOff")
    play.wait(minutes=4)
    assert play.desired() == WATCHED
    play.wait(minutes=1)
    assert (play.phases()["bike-v2"], play.desired()) == ("Live", {"bike-v1": 2, "bike-v2": 2})
    assert warnings(play)[-1] == (
        "bike-v2: fewer than 2 replicas were ready for 300 seconds of the watch, 0 are now: CrashLoopBackOff; "
        "going back to bike-v1"
    )
    play.pods_ready("bike-v1")
    assert (play.phases(), play.desired()) == ({"bike-v1": "Live", "bike-v2": "RolledBack"}, {"bike-v1": 2})
    assert (play.version(2)["reason"], play.version(1)["reason"]) == ("NotReady", "WentBack")
    assert play.version(2)["surroundings"]
    assert play.condition("Available")["status"] == "True"


def test_no_way_back_follows_another() -> None:
    play = failed(promoted())
    play.pods_fail("bike-v1")
    play.wait(hours=3)
    assert play.phases()["bike-v1"] == "Live"


def test_pods_that_crash_again_and_again_add_up() -> None:
    play = promoted()
    for _ in range(4):
        play.pods_fail("bike-v2")
        play.wait(minutes=1)
        play.pods_ready("bike-v2")
        play.wait(minutes=1)
    assert play.desired() == WATCHED
    play.pods_fail("bike-v2")
    play.wait(minutes=1)
    assert play.desired()["bike-v1"] == 2


def test_fewer_pods_than_at_the_promotion_go_back_late() -> None:
    play = promoted()
    play.cluster.pod_fails("bike-v2")
    play.settle()
    play.wait(minutes=14)
    assert play.desired() == WATCHED
    play.wait(minutes=1)
    assert play.desired()["bike-v1"] == 2


def test_pods_that_a_scale_up_waits_for_are_no_fault() -> None:
    play = promoted()
    play.edit({"serving": {"replicas": 5}})
    play.wait(minutes=50)
    assert (play.desired()["bike-v1"], play.phases()["bike-v2"]) == (1, "Live")


def test_a_refused_artifact_goes_back_at_once() -> None:
    play = promoted()
    refusal = {"outcome": "Refused", "reason": "DigestMismatch", "message": "s3://m has sha256 0, not 1"}
    play.pods_fail("bike-v2", refusal=refusal)
    play.pods_ready("bike-v1")
    assert (play.phases()["bike-v2"], play.version(2)["reason"]) == ("RolledBack", "DigestMismatch")


@pytest.mark.parametrize(("worse", "reason"), [({"errors": 10}, "TooManyErrors"), ({"each": 0.05}, "TooSlow")])
def test_a_model_worse_than_its_predecessor_is_known_bad(worse: dict[str, Any], reason: str) -> None:
    play = promoted(analysis={}, steps=STEP)
    for _ in range(3):
        served(play, **worse)
    play.pods_ready("bike-v1")
    assert (play.phases()["bike-v2"], play.version(2)["reason"]) == ("RolledBack", reason)
    assert "bike-v1" in play.version(2)["message"]
    assert "surroundings" not in play.version(2)
    play.wait(days=8)
    play.report("november", 0.4)
    play.settle()
    play.finish("bike-v3-train", trained(2))
    assert (play.phases()["bike-v3"], play.version(3)["reason"]) == ("Rejected", "KnownBad")


def test_errors_of_both_versions_are_no_fault() -> None:
    play = promoted(analysis={}, steps=STEP)
    for _ in range(20):
        play.requests("bike-v1", 200, errors=20)
        play.requests("bike-v2", 200, errors=20)
        play.wait(seconds=30)
    assert play.phases()["bike-v2"] == "Live"
    assert play.desired() == WATCHED


def test_a_query_beyond_its_limit_goes_back() -> None:
    play = promoted(analysis={}, steps=STEP)
    play.answers["q"] = (7.0,)
    play.edit({"rollout": {"analysis": {"queries": [{"name": "q", "query": "up", "max": 5}]}}})
    play.wait(minutes=1)
    play.pods_ready("bike-v1")
    assert play.version(2)["reason"] == "QueryBeyondLimit"


@pytest.mark.parametrize(("metric", "value", "back"), [("mse", 200.0, True), ("mse", 81.0, False), ("psi", 0.9, False)])
def test_a_breach_of_a_quality_metric_goes_back(metric: str, value: float, back: bool) -> None:
    play = promoted()
    play.wait(minutes=10)
    play.report("labels", metrics=[{"name": metric, "value": value}], modelVersion="bike-v2")
    play.settle()
    play.pods_ready()
    assert (play.phases()["bike-v2"] == "RolledBack") == back
    if back:
        assert play.version(2)["reason"] == "QualityBreach"


def test_a_quality_breach_goes_back_during_the_cool_down() -> None:
    play = promoted()
    play.edit({"drift": {"cooldown": "1h"}})
    play.report("labels", metrics=[{"name": "mse", "value": 200.0}])
    play.settle()
    assert play.outcome("labels")[0] == "CoolingDown"
    play.pods_ready()
    assert play.version(2)["reason"] == "QualityBreach"


def a_third_candidate(play: Play) -> None:
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "1")
    play.finish("bike-v3-train", trained(3))
    play.finish("bike-v3-validate", validated(70.0, 80.0))


def test_no_other_roll_out_begins_during_the_watch() -> None:
    play = promoted()
    a_third_candidate(play)
    assert (play.phases()["bike-v3"], play.version(3)["reason"]) == ("RollingOut", "Watching")
    assert "UTC; spec.rollout.watch 0s ends the watch at once" in play.version(3)["message"]
    assert play.desired() == WATCHED
    play.wait(hours=1)
    assert (play.version(3)["reason"], play.desired()) == ("RollingOut", {"bike-v2": 2, "bike-v3": 1})


def test_a_candidate_is_compared_again_after_a_way_back() -> None:
    play = promoted()
    a_third_candidate(play)
    failed(play)
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "RolledBack", "bike-v3": "Validating"}
    assert play.jobs["bike-v3-validate"].labels[names.AGAINST] == "bike-v1"


@pytest.mark.parametrize("pause", [{"serving": {"replicas": 0}}, {"suspend": True}])
def test_the_clock_of_the_watch_stands(pause: dict[str, Any]) -> None:
    play = promoted()
    play.wait(minutes=30)
    for _ in range(2):
        play.edit(pause)
        assert play.desired()["bike-v1"] == (0 if "serving" in pause else 1)
        play.pods_fail("bike-v2")
        play.wait(hours=9)
        play.edit({"serving": {"replicas": 2}, "suspend": False})
        play.pods_ready()
    play.wait(minutes=29)
    assert play.desired() == WATCHED
    play.wait(minutes=1)
    assert (play.phases()["bike-v2"], play.desired()) == ("Live", {"bike-v2": 2})


def test_pods_that_start_after_a_scale_from_0_have_the_timeout() -> None:
    play = promoted()
    play.wait(minutes=30)
    play.edit({"serving": {"replicas": 0}})
    play.wait(hours=9)
    play.edit({"serving": {"replicas": 2}})
    play.wait(minutes=14)
    assert play.desired() == WATCHED
    play.pods_ready()
    play.pods_fail("bike-v2")
    play.wait(minutes=5)
    assert play.desired() == {"bike-v1": 2, "bike-v2": 2}


@pytest.mark.parametrize("end", [{"rollout": {"watch": "0s"}}, {"pin": "bike-v2"}])
def test_a_person_ends_the_watch(end: dict[str, Any]) -> None:
    play = promoted()
    play.edit(end)
    assert play.desired() == {"bike-v2": 2}
    play.pods_fail("bike-v2")
    play.wait(hours=1)
    assert play.phases()["bike-v2"] == "Live"


def test_a_predecessor_that_is_not_ready_in_time_is_given_up() -> None:
    play = promoted()
    play.pods_fail("bike-v1", trouble="ImagePullBackOff")
    play.pods_fail("bike-v2")
    play.wait(minutes=5)
    assert play.desired() == {"bike-v1": 2, "bike-v2": 2}
    play.wait(minutes=15)
    assert (play.phases()["bike-v2"], play.desired()) == ("Live", {"bike-v2": 2})
    assert warnings(play)[-1] == (
        "bike-v1 was not ready after spec.rollout.timeout 15m: ImagePullBackOff; bike-v2 stays live"
    )


def test_a_predecessor_that_is_deleted_ends_the_watch() -> None:
    play = promoted()
    play.remove("ModelVersion", "bike-v1")
    play.pods_fail("bike-v2")
    play.wait(hours=1)
    assert play.phases() == {"bike-v2": "Live"}


def test_a_clock_that_was_wrong_begins_the_watch_again() -> None:
    play = promoted()
    play.now = play.now.replace(year=play.now.year - 1)
    play.settle()
    play.wait(minutes=61)
    assert play.desired() == {"bike-v2": 2}


@pytest.mark.parametrize("back", [{"hours": 3}, {"minutes": 40}])
def test_a_clock_set_back_does_not_delay_the_way_back(back: dict[str, int]) -> None:
    play = promoted(analysis={}, steps=STEP)
    play.wait(minutes=50)
    play.pods_fail("bike-v2", trouble="CrashLoopBackOff")
    play.now -= timedelta(**back)
    play.settle()
    assert play.alarm
    assert play.alarm <= play.now + timedelta(seconds=30)
    play.wait(minutes=5)
    play.pods_ready("bike-v1")
    assert play.phases()["bike-v2"] == "RolledBack"


def test_a_breach_counts_after_the_clock_was_set_back() -> None:
    play = promoted()
    play.now -= timedelta(days=1)
    play.settle()
    play.report("labels", metrics=[{"name": "mse", "value": 200.0}], modelVersion="bike-v2")
    play.settle()
    play.pods_ready()
    assert play.version(2)["reason"] == "QualityBreach"


def test_a_way_back_lengthens_the_pause_of_an_edited_spec() -> None:
    play = promoted()
    play.edit({"model": {"parameters": {"fit_intercept": False}}, "drift": {"cooldown": "1h"}})
    play.finish("bike-v3-train", trained(3))
    play.finish("bike-v3-validate", validated(70.0, 80.0))
    play.wait(hours=1)
    play.pods_ready()
    play.wait(minutes=50)
    play.pods_fail("bike-v3")
    play.wait(minutes=15)
    play.pods_ready("bike-v2")
    assert play.phases()["bike-v3"] == "RolledBack"
    assert "bike-v4" not in play.phases()
    play.wait(hours=1)
    assert play.phases()["bike-v4"] == "Training"


def test_the_ledger_records_the_way_back() -> None:
    play = failed(promoted())
    entries = [name.split("-", 1)[1] for name in sorted(play.cluster.storage.entries)]
    assert entries == ["v1-Live", "v2-Live", "v1-Live", "v2-RolledBack"]
    again = on_an_empty_cluster(play)
    again.settle()
    again.pods_ready()
    assert again.phases() == {"bike-v1": "Live", "bike-v2": "RolledBack"}
    assert again.desired() == {"bike-v1": 2}


DISTURBANCES = [late, twice, *(dying(after) for after in range(1, 8))]


@pytest.mark.parametrize("disturb", DISTURBANCES)
def test_a_disturbed_way_back_comes_to_the_same_end(disturb: Callable[[Play], None]) -> None:
    play = promoted()
    disturb(play)
    failed(play)
    play.pods_ready()
    play.settle()
    assert (play.phases(), play.desired()) == ({"bike-v1": "Live", "bike-v2": "RolledBack"}, {"bike-v1": 2})
    assert (play.version(2)["reason"], play.version(1)["reason"]) == ("NotReady", "WentBack")


def test_with_a_gateway_the_services_change_when_ready() -> None:
    play = promoted(route=True, gateway={"httpRoute": "bike"})
    assert play.desired() == WATCHED
    assert play.service_versions() == {"bike": "bike-v2", "bike-candidate": "bike-v2"}
    assert play.status["selector"].endswith("perennial.dev/model-version=bike-v2"), "the other pod has no load"
    play.pods_fail("bike-v2")
    play.wait(minutes=5)
    assert play.service_versions()["bike"] == "bike-v2"
    play.pods_ready("bike-v1")
    assert play.service_versions() == {"bike": "bike-v1", "bike-candidate": "bike-v1"}
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "RolledBack"}


@pytest.mark.parametrize(("errors", "phase"), [(20, "RolledBack"), (1, "Live")])
def test_errors_without_requests_to_the_predecessor(errors: int, phase: str) -> None:
    play = promoted(route=True, gateway={"httpRoute": "bike"}, analysis={}, steps=STEP)
    for _ in range(4):
        served(play, errors=errors, before=0)
    play.pods_ready()
    assert play.phases()["bike-v2"] == phase
    if phase == "RolledBack":
        assert (play.version(2)["reason"], "surroundings" in play.version(2)) == ("ErrorsRose", True)
