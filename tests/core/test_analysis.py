"""What a step's analysis says, and what follows: pass, fail, or no data, which is never a pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.rollout.analysis import sample_is_due
from tests.simulation.play import Play, a_play
from tests.simulation.results import trained, validated

STEPS = [{"weight": 50, "hold": "5m"}, {"weight": 80}]


def analysed(analysis: dict[str, Any] | None = None, steps: list[dict[str, Any]] = STEPS) -> Play:
    """Version 1 is live, version 2 serves beside it at 50 %; the first sample has been taken."""
    play = a_play(rollout={"steps": steps, "analysis": analysis or {}}, drift={"cooldown": "1m"})
    play.until_live(1)
    play.wait(hours=1)
    play.report("october")
    play.until_rolling(2, candidate=80.0, live=120.0)
    play.requests("bike-v1", 100_000, errors=40_000, each=1.0)
    play.requests("bike-v2", 0)
    play.pods_ready()
    return play


def traffic(play: Play, count: int = 200, errors: int = 0, each: float = 0.01) -> None:
    """Both versions are asked, the live one answers well, and an interval passes."""
    play.requests("bike-v1", count)
    play.requests("bike-v2", count, errors, each)
    play.wait(seconds=30)


def answer(play: Play) -> tuple[str, str]:
    condition = next(c for c in play.version(2)["conditions"] if c["type"] == "Analysed")
    return condition["status"], condition["reason"]


def message(play: Play) -> str:
    return str(next(c["message"] for c in play.version(2)["conditions"] if c["type"] == "Analysed"))


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        ({"errors": 10}, "TooManyErrors"),
        ({"each": 0.03}, "TooSlow"),
        ({"errors": 1, "each": 0.011}, None),
    ],
)
def test_bad_candidate_is_rolled_back_at_first_full_interval(candidate: dict[str, Any], reason: str | None) -> None:
    play = analysed()
    traffic(play, **candidate)
    if reason is None:
        assert (play.phases()["bike-v2"], answer(play)) == ("RollingOut", ("True", "AnalysisPassed"))
    else:
        assert (play.phases()["bike-v2"], play.version(2)["reason"]) == ("RolledBack", reason)
        assert answer(play) == ("False", reason)
        assert play.desired()["bike-v1"] == 2


@pytest.mark.parametrize("worse", [{"errors": 5}, {"each": 0.03}])
def test_roll_back_takes_at_most_two_intervals(worse: dict[str, Any]) -> None:
    play = analysed()
    for _ in range(2):
        traffic(play, 100, **worse)
    assert play.phases()["bike-v2"] == "RolledBack"


def test_difference_that_may_be_chance_is_inconclusive() -> None:
    play = analysed(steps=[{"weight": 50}])
    traffic(play, 100, errors=3)
    assert answer(play) == ("Unknown", "NoData")
    assert "errors are more than 1 points above the live version's, which may still be chance" in message(play)
    traffic(play, 400)
    assert answer(play) == ("True", "AnalysisPassed")


def test_inconclusive_errors_do_not_hide_latency() -> None:
    play = analysed()
    traffic(play, 100, errors=3, each=0.05)
    assert play.version(2)["reason"] == "TooSlow"


def test_the_reason_is_the_same_in_condition_event_and_status() -> None:
    play = analysed()
    traffic(play, errors=10)
    expected = (
        "200 requests, 5 % failed, 10 ms each; live version 200 requests, 0 % failed, 10 ms each: "
        "errors are more than 1 points above the live version's"
    )
    assert play.version(2)["message"] == message(play) == expected
    assert f"bike-v2: {expected}" in [a.message for a in play.announced() if a.warning]


def test_no_result_before_both_versions_have_enough_requests() -> None:
    play = analysed()
    play.requests("bike-v2", 99, errors=99)
    play.requests("bike-v1", 500)
    play.wait(seconds=30)
    assert answer(play) == ("Unknown", "Measuring")
    play.requests("bike-v2", 1)
    play.wait(seconds=30)
    assert play.version(2)["reason"] == "TooManyErrors"


def test_requests_before_the_step_do_not_count() -> None:
    play = analysed()
    traffic(play)
    assert "live version 200 requests, 0 % failed, 10 ms each" in message(play)


def test_step_ends_after_hold_if_the_analysis_passed() -> None:
    play = analysed()
    for _ in range(9):
        traffic(play)
    assert play.version(2)["rollout"]["weight"] == 50
    traffic(play)
    assert play.version(2)["rollout"]["weight"] == 80
    play.pods_ready()
    assert "step" in play.version(2)["rollout"]["analysis"]
    traffic(play, 99)
    assert play.version(2)["rollout"]["weight"] == 80, "each step is judged anew"
    traffic(play)
    play.pods_ready()
    assert play.phases()["bike-v2"] == "Live"


def test_without_traffic_the_step_is_held_and_says_so() -> None:
    play = analysed({"limit": "10m"})
    play.wait(minutes=5)
    assert answer(play) == ("Unknown", "NoData")
    expected = (
        "0 requests to the candidate and 0 to the live version since 13:00:00, and 100 to each are needed; "
        "without data the candidate is rolled back at 13:15:00"
    )
    assert message(play) == expected
    assert [a.message for a in play.announced() if a.reason == "NoData"] == [f"bike-v2: {expected}"]
    assert expected in play.condition("Retraining")["message"]
    play.wait(minutes=9)
    assert play.phases()["bike-v2"] == "RollingOut"
    assert [a.reason for a in play.announced()].count("NoData") == 1
    play.wait(minutes=1)
    assert (play.phases()["bike-v2"], play.version(2)["reason"]) == ("RolledBack", "NoData")
    assert play.version(2)["message"] == f"no data arrived in time: {expected}"


def test_late_data_within_the_limit_continue_the_step() -> None:
    play = analysed({"limit": "10m"})
    play.wait(minutes=14)
    traffic(play)
    assert play.version(2)["rollout"]["weight"] == 80


def test_without_an_analysis_a_step_ends_after_its_hold() -> None:
    play = analysed()
    play.edit({"rollout": {"analysis": None}})
    play.wait(minutes=5)
    assert play.version(2)["rollout"]["weight"] == 80


def test_recent_requests_reveal_a_late_failure() -> None:
    play = analysed(steps=[{"weight": 50, "hold": "1d"}])
    for _ in range(20):
        traffic(play)
    assert play.phases()["bike-v2"] == "RollingOut"
    traffic(play, errors=20)
    assert play.version(2)["reason"] == "TooManyErrors"
    assert "200 requests, 10 % failed" in play.version(2)["message"]


def test_all_requests_of_the_step_reveal_a_small_difference() -> None:
    play = analysed(steps=[{"weight": 50, "hold": "1d"}])
    for n in range(20):
        traffic(play, 200, errors=4)
        if play.phases()["bike-v2"] == "RolledBack":
            assert n > 3
            return
    raise AssertionError("2 % errors were never found")


def test_replicas_are_summed() -> None:
    play = analysed()
    play.requests("bike-v2", 0, pod="b")
    play.wait(seconds=30)
    for pod in ("a", "b"):
        play.requests("bike-v2", 60, errors=20, pod=pod)
    play.requests("bike-v1", 120)
    play.wait(seconds=30)
    assert "120 requests, 33.33 % failed" in play.version(2)["message"]


def test_restarted_pod_counts_from_zero() -> None:
    play = analysed()
    play.requests("bike-v2", 80)
    play.wait(seconds=30)
    play.requests("bike-v2", 30, restarted=True)
    play.requests("bike-v1", 110)
    play.wait(seconds=30)
    assert message(play).startswith("110 requests, 0 % failed, 10 ms each; live version 110 requests")


def test_vanished_and_new_pods_do_not_change_counts() -> None:
    play = analysed()
    play.requests("bike-v2", 80)
    play.wait(seconds=30)
    del play.tallies["bike-v2"]["bike-v2-a"]
    play.requests("bike-v2", 5_000, errors=5_000, pod="b")
    play.wait(seconds=30)
    assert answer(play) == ("Unknown", "Measuring")
    play.requests("bike-v2", 40, pod="b")
    play.requests("bike-v1", 120)
    play.wait(seconds=30)
    assert message(play).startswith("120 requests, 0 % failed")


def test_unreadable_pods_are_inconclusive_with_a_message() -> None:
    play = analysed()
    play.tallies = {}
    play.troubles = ("pod bike-v2-x did not answer at 10.0.0.1:8080: timed out",)
    play.wait(minutes=5)
    assert answer(play) == ("Unknown", "NoData")
    assert "pod bike-v2-x did not answer at 10.0.0.1:8080: timed out" in message(play)


QUERY = {"queries": [{"name": "queue", "query": "queue_length", "max": 5}]}


@pytest.mark.parametrize(
    ("answers", "weight", "reason"),
    [
        ((3.0,), 80, None),
        ((3.0, 7.0), None, "QueryBeyondLimit"),
        ((), 50, "NoData"),
    ],
)
def test_a_query_passes_fails_or_has_no_answer(answers: tuple[float, ...], weight: int | None, reason: str) -> None:
    play = analysed(QUERY)
    play.answers["queue"] = answers
    for _ in range(10):
        traffic(play)
    status = play.version(2)
    assert status.get("rollout", {}).get("weight") == weight
    if reason:
        assert answer(play)[1] == reason
        assert "query queue" in message(play)


def test_a_query_is_not_judged_before_there_are_enough_requests() -> None:
    play = analysed(QUERY)
    play.answers["queue"] = (7.0,)
    play.wait(seconds=60)
    assert answer(play) == ("Unknown", "Measuring")
    traffic(play)
    assert play.version(2)["message"] == "query queue is 7, above 5"


def test_without_minimum_the_queries_alone_decide() -> None:
    play = analysed(QUERY | {"minRequests": 0})
    play.answers["queue"] = (1.0,)
    play.wait(minutes=5)
    assert play.version(2)["rollout"]["weight"] == 80


@pytest.mark.parametrize(
    ("psi", "outcome", "phase", "reason"),
    [(0.3, "Breach", "RolledBack", "QualityBreach"), (0.1, "WithinThresholds", "RollingOut", "RollingOut")],
)
def test_drift_report_about_candidate_counts_in_roll_out(psi: float, outcome: str, phase: str, reason: str) -> None:
    play = analysed()
    play.report("labels", psi, modelVersion="bike-v2", samples=500)
    play.settle()
    assert play.outcome("labels")[0] == outcome
    assert (play.phases()["bike-v2"], play.version(2)["reason"]) == (phase, reason)
    play.wait(days=1)
    assert play.outcome("labels")[0] == outcome
    assert "labels" not in [v["spec"]["trigger"].get("driftReport") for v in play.all("ModelVersion")]


def test_candidate_report_with_few_samples_does_not_count() -> None:
    play = analysed()
    play.report("labels", 0.9, modelVersion="bike-v2", samples=10)
    play.settle()
    assert play.outcome("labels")[0] == "TooFewSamples"
    assert play.phases()["bike-v2"] == "RollingOut"


def test_candidate_report_is_stale_without_analysis() -> None:
    play = analysed()
    play.edit({"rollout": {"analysis": None}})
    play.report("labels", 0.9, modelVersion="bike-v2")
    play.settle()
    assert play.outcome("labels") == ("Stale", "the report is about bike-v2, and bike-v1 is live")


def test_restarted_operator_continues_the_measurement() -> None:
    play = analysed()
    traffic(play, 60, errors=30)
    fresh = Play(cluster=play.cluster)
    fresh.tallies = play.tallies
    fresh.settle()
    traffic(fresh, 60)
    assert fresh.version(2)["reason"] == "TooManyErrors"
    assert "120 requests, 25 % failed" in fresh.version(2)["message"]


def test_sample_is_taken_when_ready_and_at_each_interval() -> None:
    play = analysed()
    assert not sample_is_due(play.world())
    assert play.alarm is not None
    assert (play.alarm - play.now).total_seconds() == 30
    assert sample_is_due(replace(play.world(), now=play.alarm))


@pytest.mark.parametrize("rest", [{"suspend": True}, {"pin": "bike-v2"}])
def test_nothing_is_measured_while_automation_rests(rest: dict[str, Any]) -> None:
    play = analysed()
    play.edit(rest)
    traffic(play, errors=200)
    assert play.phases()["bike-v2"] != "RolledBack"


def test_suspended_step_restarts_clock_and_measurement() -> None:
    play = analysed()
    traffic(play, 90, errors=90)
    play.edit({"suspend": True})
    play.wait(hours=5)
    play.edit({"suspend": False})
    play.wait(seconds=30)
    assert message(play).startswith("0 requests to the candidate")


def test_flickering_pod_does_not_shorten_the_data_deadline() -> None:
    play = analysed()
    play.wait(minutes=40)
    play.pods_fail("bike-v2", trouble="the node was drained")
    play.wait(minutes=1)
    play.pods_ready()
    assert play.phases()["bike-v2"] == "RollingOut"


def test_sample_in_the_future_restarts_the_step() -> None:
    play = analysed()
    traffic(play, 200)
    play.now = play.now.replace(year=play.now.year - 1)
    play.settle()
    for _ in range(2):
        traffic(play, 150)
    assert message(play).startswith("300 requests")


# ---- what stays aborted, and what a person may do


def gone_back(play: Play) -> Play:
    traffic(play, errors=20)
    assert play.phases()["bike-v2"] == "RolledBack"
    play.pods_ready()
    return play


def test_an_aborted_roll_out_stays_aborted() -> None:
    play = gone_back(analysed())
    play.annotate("ModelVersion", "bike-v2", names.APPROVED, "ann")
    play.edit({"rollout": {"analysis": None, "steps": []}})
    play.wait(days=30)
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "RolledBack"}
    assert play.desired() == {"bike-v1": 2}


def test_rolled_back_version_can_be_pinned_with_a_message() -> None:
    play = gone_back(analysed())
    back = play.version(2)["message"]
    play.edit({"pin": "bike-v2"})
    play.pods_ready()
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Live"}
    assert play.version(2)["message"] == f"serves because spec.pin names it, although it was RolledBack: {back}"


@pytest.mark.parametrize(
    ("sha", "asked", "phase"),
    [(2, False, "Rejected"), (2, True, "RollingOut"), (3, False, "RollingOut")],
    ids=["the same model again", "the same, and a person asked for it", "another one"],
)
def test_a_model_known_to_be_bad_is_not_rolled_out_again(sha: int, asked: bool, phase: str) -> None:
    play = gone_back(analysed())
    play.wait(hours=1)
    if asked:
        play.annotate("ModelDeployment", "bike", names.RETRAIN, "now")
    else:
        play.report("november", 0.4)
        play.settle()
    play.finish("bike-v3-train", trained(sha))
    if phase == "RollingOut":
        play.finish("bike-v3-validate", validated(80.0, 120.0))
    assert play.version(3)["phase"] == phase
    if phase == "Rejected":
        assert play.version(3)["reason"] == "KnownBad"
        assert play.version(3)["message"].startswith(
            "it is the same model as bike-v2, of the same rows, recipe and image, which was RolledBack"
        )


def test_a_model_that_found_no_data_is_not_known_to_be_bad() -> None:
    play = analysed({"limit": "1m"})
    play.wait(hours=1)
    assert play.version(2)["reason"] == "NoData"
    play.report("november", 0.4)
    play.settle()
    play.finish("bike-v3-train", trained(2))
    assert play.version(3)["phase"] == "Validating"


def test_at_zero_replicas_an_analysed_step_waits() -> None:
    play = analysed({"limit": "10m"})
    play.wait(minutes=4)
    for _ in range(3):
        play.edit({"serving": {"replicas": 0}})
        assert (play.version(2)["phase"], play.version(2)["reason"]) == ("RollingOut", "ScaledToZero")
        assert play.desired() == {"bike-v1": 0, "bike-v2": 0}
        play.wait(hours=12)
        play.edit({"serving": {"replicas": 2}})
        play.pods_ready()
    assert play.version(2)["rollout"]["elapsed"] == 240
    play.wait(minutes=10)
    assert play.phases()["bike-v2"] == "RollingOut"
    play.wait(minutes=1)
    assert (play.version(2)["phase"], play.version(2)["reason"]) == ("RolledBack", "NoData")


def test_requests_before_and_after_zero_replicas_count_together() -> None:
    play = analysed()
    for _ in range(4):
        traffic(play, 30)
        play.edit({"serving": {"replicas": 0}})
        play.wait(hours=1)
        play.edit({"serving": {"replicas": 2}})
        play.pods_ready()
    traffic(play, 30)
    assert answer(play) == ("True", "AnalysisPassed")


def candidate_alone(errors: int = 0, live_pods: bool = False, live: int = 0) -> Play:
    """The live version stops answering in a step, and the candidate answers 2,000 requests."""
    play = analysed(steps=[{"weight": 50, "hold": "5m"}])
    if not live_pods:
        play.pods_fail("bike-v1", trouble="CrashLoopBackOff")
    for _ in range(20):
        play.requests("bike-v2", 100, errors)
        play.requests("bike-v1", live)
        play.wait(seconds=30)
    return play


@pytest.mark.parametrize("errors", [0, 1])
def test_candidate_passes_alone_where_no_live_pod_answers(errors: int) -> None:
    play = candidate_alone(errors)
    assert play.version(2)["rollout"]["weight"] == 100
    assert "judged alone, since bike-v1 answered too few requests to compare with" in message(play)
    play.pods_ready("bike-v2")
    assert play.phases()["bike-v2"] == "Live"


def test_candidate_alone_must_keep_the_greatest_error_share() -> None:
    play = candidate_alone(errors=3)
    assert (play.phases()["bike-v2"], answer(play)) == ("RollingOut", ("Unknown", "NoData"))
    assert "the greatest share of failed requests is 1 %" in message(play)
    play.wait(hours=1)
    assert (play.phases()["bike-v2"], play.version(2)["reason"]) == ("RolledBack", "NoData")


def test_candidate_alone_passes_after_the_wait_for_data() -> None:
    play = candidate_alone(live_pods=True, live=2)
    assert (play.phases()["bike-v2"], answer(play)) == ("RollingOut", ("Unknown", "NoData"))
    play.wait(hours=1)
    assert play.version(2)["rollout"]["weight"] == 100


def test_candidate_without_requests_never_passes_alone() -> None:
    play = analysed()
    play.pods_fail("bike-v1")
    play.wait(hours=2)
    assert (play.phases()["bike-v2"], play.version(2)["reason"]) == ("RolledBack", "NoData")
