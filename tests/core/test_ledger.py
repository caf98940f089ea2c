"""A version survives its cluster: the ledger in storage says what became of it, and an empty cluster finds it there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import SetStatus
from perennial_operator.core.world import JobState, Policy
from tests.core.test_crash import end
from tests.simulation.cluster import a_pod
from tests.simulation.disturbances import dying, late, twice
from tests.simulation.play import Play, a_play, on_an_empty_cluster
from tests.simulation.storage import DOWN

RETURNED = ("bike-recover", "bike-v2 restored")
"""All that an empty cluster makes to have its second version again."""


def two_versions(**changes: object) -> Play:
    """The second version is live, promoted two hours after the first one."""
    play = a_play(drift={"cooldown": "1m"}, **changes)
    play.until_live(1)
    play.wait(hours=2)
    play.report("drift")
    play.until_live_again(2)
    play.wait(hours=1)
    return play


def three_versions(verdict: str) -> Play:
    """The second version is live, and the third came to nothing."""
    play = two_versions(rollout={"approval": "automatic"})
    play.edit({"rollout": {"approval": "manual"}, "model": {"parameters": {"fit_intercept": False}}})
    play.until_rolling(3, candidate=80.0, live=120.0)
    if verdict == "RolledBack":
        play.annotate("ModelVersion", "bike-v3", names.APPROVED, "ann")
    play.annotate("ModelVersion", "bike-v3", names.REJECTED, "ann")
    assert play.version(3)["phase"] == verdict
    return play


# ---- what is written


def test_live_and_unsuccessful_versions_are_recorded_once() -> None:
    play = three_versions("Rejected")
    assert [(name[17:], entry["status"]["phase"]) for name, entry in sorted(play.cluster.storage.entries.items())] == [
        ("v1-Live", "Live"),
        ("v2-Live", "Live"),
        ("v3-Rejected", "Rejected"),
    ]
    assert play.version(2)["recorded"] == "20261123T140000Z-v2-Live"
    assert not [job for job in play.jobs if job.endswith(("-record", "-recover"))]


def test_entry_has_all_that_restores_the_version() -> None:
    play = two_versions()
    entry = play.cluster.storage.entries["20261123T140000Z-v2-Live"]
    status = play.version(2)
    kept = ("image", "artifact", "refit", "blend", "data", "metrics", "metric", "liveSince")
    assert entry["status"] == {"phase": "Live", **{key: status[key] for key in kept}}
    assert entry["trigger"]["driftReport"] == "drift"
    assert entry["parent"] == "bike-v1"
    assert entry["recipe"]["model"]["estimator"] == "sklearn.linear_model.LinearRegression"


def test_each_promotion_of_a_version_is_an_entry_of_its_own() -> None:
    play = two_versions()
    play.edit({"pin": "bike-v1"})
    play.pods_ready()
    assert [name[17:] for name in sorted(play.cluster.storage.entries)] == ["v1-Live", "v2-Live", "v1-Live"]
    assert [live(on_an_empty_cluster(play, pin=None))] == ["bike-v1"]


def test_failed_record_is_reported_once_and_retried() -> None:
    play = a_play()
    play.settle()
    play.cluster.storage.down = True
    play.until_live(1)
    for _ in range(3):
        play.wait(minutes=6)
    assert recorded(play) == ("False", "StorageUnreachable", DOWN["message"])
    failures = [a for a in play.announced() if a.reason == "StorageUnreachable"]
    assert [(a.message, a.warning) for a in failures] == [
        (f"bike-v1 is not in the ledger yet: {DOWN['message']}", True)
    ]
    assert play.holding()["Ready"] == "True"
    assert play.made["bike-v1-record"] == 4
    play.cluster.storage.down = False
    play.wait(minutes=6)
    assert recorded(play) == ("True", "Recorded", "bike-v1 is in the ledger")
    assert list(play.cluster.storage.entries) == ["20261123T120000Z-v1-Live"]


def test_version_superseded_before_its_record_is_recorded() -> None:
    play = a_play(drift={"cooldown": "1m"})
    play.settle()
    play.cluster.storage.down = True
    play.until_live(1)
    play.wait(hours=2)
    play.report("drift")
    play.until_live_again(2)
    play.cluster.storage.down = False
    play.wait(minutes=10)
    assert [name[17:] for name in sorted(play.cluster.storage.entries)] == ["v1-Live", "v2-Live"]


# ---- what is found again


def test_lost_cluster_serves_the_recorded_version_untrained() -> None:
    before = two_versions()
    play = on_an_empty_cluster(before)
    play.settle()
    assert play.phases() == {"bike-v2": "Live"}
    kept = ("artifact", "data", "image", "metrics", "metric", "liveSince", "recorded")
    assert {key: play.version(2)[key] for key in kept} == {key: before.version(2)[key] for key in kept}
    play.pods_ready()
    assert play.holding() == {**before.holding(), "Ready": "True"}
    assert tuple(sorted(play.made)) == RETURNED
    assert play.jobs == {}
    message = "bike-v2: bike-v2 is in the ledger"
    assert [(a.reason, a.message, a.warning) for a in play.announced()] == [("Recovered", message, False)]


def test_a_version_from_the_ledger_is_not_written_again() -> None:
    """Its trigger is another one now. An outdated definition does not keep `recorded`."""
    play = on_an_empty_cluster(two_versions())
    play.settle()
    play.cluster.change("ModelVersion", "bike-v2", status={**play.version(2), "recorded": None})
    play.wait(minutes=10)
    assert tuple(sorted(play.made)) == RETURNED
    play.report("next")
    play.until_live_again(3)
    play.settle()
    assert [name[17:] for name in sorted(play.cluster.storage.entries)] == ["v1-Live", "v2-Live", "v3-Live"]


def test_restored_version_has_its_trigger_and_loop_continues() -> None:
    play = on_an_empty_cluster(two_versions())
    play.settle()
    play.pods_ready()
    trigger = play.bodies["ModelVersion", "bike-v2"]["spec"]["trigger"]
    assert trigger["reason"] == "Recovered"
    assert trigger["driftReport"] == "drift"
    assert trigger["message"].startswith("found in the ledger; it was made because of Drift: psi of feature1 is 0.3")
    play.report("next")
    play.until_live_again(3)
    assert play.phases() == {"bike-v2": "Superseded", "bike-v3": "Live"}
    assert live(on_an_empty_cluster(play)) == "bike-v3"


def test_changed_spec_is_trained_while_restored_version_serves() -> None:
    play = on_an_empty_cluster(two_versions(), model={"parameters": {"fit_intercept": False}})
    play.settle()
    assert play.phases() == {"bike-v2": "Live", "bike-v3": "Training"}
    versions = {body["metadata"]["name"]: body["spec"] for body in play.all("ModelVersion")}
    assert versions["bike-v2"]["model"]["parameters"] == {}
    assert versions["bike-v3"]["trigger"]["reason"] == "SpecChange"
    play.until_live_again(3)


def test_damaged_version_is_named_and_the_one_before_serves() -> None:
    before = two_versions()
    before.cluster.storage.damaged = {"bike-v2"}
    play = on_an_empty_cluster(before)
    play.settle()
    assert play.phases() == {"bike-v1": "Live"}
    last = play.announced()[-1]
    assert (last.reason, last.warning) == ("Recovered", True)
    assert last.message == "bike-v1: bike-v1 is in the ledger; passed over: bike-v2"
    play.pods_ready()
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "now")
    assert play.phases() == {"bike-v1": "Live", "bike-v3": "Training"}


def test_next_version_is_trained_if_no_stored_one_is_whole() -> None:
    before = two_versions()
    before.cluster.storage.damaged = {"bike-v1", "bike-v2"}
    play = on_an_empty_cluster(before)
    play.settle()
    assert play.phases() == {"bike-v3": "Training"}
    suffix = "passed over: bike-v2, bike-v1"
    assert suffix in play.version(3)["message"]
    play.until_live(3)
    assert play.status["lastVersionNumber"] == 3


def test_a_folder_that_no_entry_names_is_not_written_into() -> None:
    play = a_play()
    play.cluster.storage.folders = 7
    play.settle()
    assert play.phases() == {"bike-v8": "Training"}


@pytest.mark.parametrize("verdict", ["Rejected", "RolledBack"])
def test_rejection_by_person_applies_on_the_new_cluster(verdict: str) -> None:
    play = on_an_empty_cluster(three_versions(verdict), rollout={"approval": "automatic"})
    play.settle()
    assert play.phases() == {"bike-v2": "Live", "bike-v3": verdict}
    assert play.condition("Retraining")["reason"] == "Stalled"
    assert "bike-v3 was rejected by ann" in play.condition("Retraining")["message"]
    assert "bike-v3-train" not in play.made


def test_handled_retrain_request_is_not_handled_again() -> None:
    before = two_versions()
    before.annotate("ModelDeployment", "bike", names.RETRAIN, "monday")
    before.until_live_again(3)
    play = on_an_empty_cluster(before)
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "monday")
    assert play.phases() == {"bike-v3": "Live"}
    assert play.status["lastHandledRetrainRequest"] == "monday"


@pytest.mark.parametrize(
    ("image", "kept"),
    [
        ("registry.example:5000/ml/trainer:0.1", True),
        ("registry.example:5000/ml/trainer@sha256:0", True),
        ("registry.example:5000/ml/other:0.1", False),
        ("evil.example/ml/trainer:0.1", False),
    ],
)
def test_stored_image_runs_only_from_a_repository_in_use(image: str, kept: bool) -> None:
    before = two_versions()
    before.cluster.storage.entries["20261123T140000Z-v2-Live"]["status"]["image"] = image
    before.policy = Policy(trainer_image="registry.example:5000/ml/trainer:0.2")
    play = on_an_empty_cluster(before)
    play.settle()
    assert play.version(2).get("image") == (image if kept else None)
    assert ("is not used" in play.version(2)["message"]) is not kept


# ---- pin and suspend


def test_a_suspended_model_serves_again_and_starts_nothing() -> None:
    play = on_an_empty_cluster(two_versions(), suspend=True)
    play.settle()
    play.pods_ready()
    assert play.phases() == {"bike-v2": "Live"}
    assert play.holding()["Available"] == "True"
    assert tuple(sorted(play.made)) == RETURNED


def test_pin_restores_its_version_and_numbers_continue() -> None:
    play = on_an_empty_cluster(two_versions(), pin="bike-v1")
    play.settle()
    assert play.condition("Ready")["reason"] == "PinNotReady"
    play.pods_ready()
    assert play.phases() == {"bike-v1": "Live"}
    assert play.version(1)["reason"] == "Pinned"
    play.edit({"pin": None})
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "now")
    assert play.phases() == {"bike-v1": "Live", "bike-v3": "Training"}


def test_a_pin_brings_back_a_version_that_history_has_forgotten() -> None:
    play = two_versions(history={"versions": 1})
    play.wait(hours=2)
    play.report("more", 0.4)
    play.until_live_again(3)
    assert "bike-v1" not in play.phases()
    play.wait(minutes=1)
    play.edit({"pin": "bike-v1"})
    play.pods_ready()
    assert play.phases() == {"bike-v1": "Live", "bike-v3": "Superseded"}
    assert play.jobs.keys().isdisjoint({"bike-recover"})


def test_a_mistyped_pin_on_an_empty_cluster_hides_nothing() -> None:
    play = on_an_empty_cluster(two_versions(), pin="bike-v22")
    play.settle()
    assert play.condition("Stalled")["reason"] == "PinNotFound"
    assert "the ledger has no bike-v22" in play.condition("Stalled")["message"]
    play.edit({"pin": None})
    assert play.phases() == {"bike-v2": "Live"}


# ---- a look that takes long, or fails


def test_training_waits_for_the_ledger_and_reports_the_blocker() -> None:
    play = a_play()
    play.cluster.storage.slow = True
    play.settle()
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "keys" not found'}
    play.cluster.put(a_pod("x", {}, play.bodies["Job", "bike-recover"], {"waiting": waiting}))
    play.describe()
    reconciling = play.condition("Reconciling")
    assert reconciling["status"] == "True"
    assert reconciling["message"] == (
        "bike-recover looks for a version that was live before in the ledger in storage; "
        'pod x is waiting (CreateContainerConfigError: secret "keys" not found)'
    )
    assert play.phases() == {}


def test_failed_ledger_search_is_reported_retried_and_blocks() -> None:
    before = two_versions()
    before.cluster.storage.down = True
    play = on_an_empty_cluster(before)
    play.settle()
    assert play.condition("Stalled")["reason"] == "StorageUnreachable"
    assert DOWN["message"] in play.condition("Stalled")["message"]
    play.wait(minutes=6)
    assert (play.made["bike-recover"], play.phases()) == (2, {})
    play.cluster.storage.down = False
    play.wait(minutes=6)
    assert play.phases() == {"bike-v2": "Live"}


@pytest.mark.parametrize(
    "fix",
    [
        lambda play: play.edit({"storage": {"secretRef": {"name": "keys"}}}),
        lambda play: play.annotate("ModelDeployment", "bike", names.RETRAIN, "now"),
    ],
    ids=["another secret", "a request"],
)
def test_fix_by_a_person_is_checked_at_once(fix: Callable[[Play], None]) -> None:
    before = two_versions()
    before.cluster.storage.down = True
    play = on_an_empty_cluster(before)
    play.settle()
    play.cluster.storage.down = False
    fix(play)
    assert play.phases()["bike-v2"] == "Live"


def test_deleting_all_versions_restores_none() -> None:
    play = two_versions()
    for name in ("bike-v1", "bike-v2"):
        play.remove("ModelVersion", name)
    assert play.phases() == {"bike-v3": "Training"}
    assert play.made["bike-recover"] == 1


# ---- the operator may die, see things late, or do them twice


def recovered(prepare: Callable[[Play], None] = lambda play: None) -> Play:
    """A rejected version and the live one come back; then a person pins one more that the cluster does not have."""
    play = on_an_empty_cluster(LOST, rollout={"approval": "automatic"})
    prepare(play)
    play.settle()
    play.pods_ready()
    play.edit({"pin": "bike-v1"})
    play.pods_ready()
    play.wait(minutes=10)
    return play


LOST = three_versions("Rejected")
PLAIN = recovered()


def test_the_story_brings_three_versions_back() -> None:
    assert PLAIN.phases() == {"bike-v1": "Live", "bike-v2": "Superseded", "bike-v3": "Rejected"}
    assert not any(name.endswith("-train") for name in PLAIN.made)


@pytest.mark.parametrize("after", range(len(PLAIN.done)))
def test_dying_after_any_action_comes_to_the_same_end(after: int) -> None:
    assert end(recovered(dying(after))) == end(PLAIN)


def test_seeing_everything_one_pass_late_comes_to_the_same_end() -> None:
    assert end(recovered(late)) == end(PLAIN)


def test_doing_everything_twice_comes_to_the_same_end() -> None:
    assert end(recovered(twice)) == end(PLAIN)


def test_refusal_between_version_and_status_loses_nothing() -> None:
    """The status is written although the version could not be made: the look stands until it has been."""
    play = on_an_empty_cluster(two_versions())
    while not (job := play.jobs.get("bike-recover")) or job.state is JobState.RUNNING:
        play.step()
    play.describe()
    assert "lastVersionNumber" not in play.status
    play.settle()
    assert play.phases() == {"bike-v2": "Live"}


def test_recovery_job_deleted_before_its_result_is_made_again() -> None:
    play = on_an_empty_cluster(two_versions())
    while ("ModelVersion", "bike-v2") not in play.bodies:
        play.step()
    assert play.bodies["ModelVersion", "bike-v2"]["status"] == {}
    play.cluster.remove("Job", "bike-recover")
    play.settle()
    assert play.phases() == {"bike-v2": "Live"}
    assert "bike-v2-train" not in play.made


def test_version_missing_from_ledger_fails_and_next_is_trained() -> None:
    play = on_an_empty_cluster(two_versions())
    while ("ModelVersion", "bike-v2") not in play.bodies:
        play.step()
    play.cluster.remove("Job", "bike-recover")
    play.cluster.storage.entries.clear()
    play.settle()
    assert (play.version(2)["phase"], play.version(2)["reason"]) == ("Failed", "NotRecovered")
    play.wait(hours=2)
    assert play.phases() == {"bike-v2": "Failed", "bike-v3": "Training"}


def live(play: Play) -> Any:
    play.settle()
    return play.status["liveVersion"]


def recorded(play: Play) -> tuple[str, str, str]:
    condition = next(c for c in play.version(1)["conditions"] if c["type"] == "Recorded")
    return condition["status"], condition["reason"], condition["message"]


def test_status_is_written_only_if_version_is_unchanged() -> None:
    play = two_versions()
    written = [a for a in play.done if isinstance(a, SetStatus) and a.status.get("recorded")]
    assert written
    assert all(action.resource_version for action in written)
