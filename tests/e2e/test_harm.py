"""What must never take the live version's place, and which message the user gets instead."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.models import a_claim, a_model, a_report, a_table, first_version, rows
from tests.kubectl import RefusedError
from tests.stage import Stage

QUESTION = {"feature1": [1.0], "feature2": [0.0]}


def still_serves(stage: Stage, name: str) -> None:
    """The first version answers, and nothing of the ModelDeployment's health has flipped."""
    assert stage.predict(name, QUESTION) == pytest.approx([3.0], abs=0.3)
    status = stage.kubectl.get("ModelDeployment", name)
    assert status and status["status"]["liveVersion"] == f"{name}-v1"
    assert [stage.condition(name, kind)["status"] for kind in ("Available", "Ready")] == ["True", "True"]


def message(stage: Stage, name: str) -> str:
    """What kubectl describe says of the last candidate: the condition and a warning say the same."""
    condition = stage.condition(name, "Retraining")["message"]
    events = [message for _, message in stage.kubectl.events("ModelDeployment", name)]
    assert condition in events
    return str(condition)


def test_a_candidate_that_is_worse_is_rejected(stage: Stage) -> None:
    first_version(stage, "worse", {"0.csv": rows(0)})
    stage.apply(a_table("worse-data", {"1.csv": rows(1, count=120, noise=9)}), a_report("worse-report", "worse"))
    stage.until_phase("worse-v2", "Rejected")
    stage.wait("it is told", lambda: "worse-v2: mse is" in stage.condition("worse", "Retraining")["message"])
    assert "worse-v1 has" in message(stage, "worse")
    still_serves(stage, "worse")


def test_untrainable_candidate_fails_with_a_message(stage: Stage) -> None:
    first_version(stage, "lost", {"0.csv": rows(0)})
    stage.apply(a_table("lost-data", {"1.csv": "feature1,target\n1,2\n"}), a_report("lost-report", "lost"))
    stage.until_phase("lost-v2", "Failed")
    stage.wait("it is told", lambda: "feature2" in stage.condition("lost", "Retraining")["message"])
    assert "the columns are feature1, target" in message(stage, "lost")
    still_serves(stage, "lost")


def test_a_candidate_whose_artifact_was_changed_is_never_loaded(stage: Stage) -> None:
    if stage.cluster == "current":
        pytest.skip("the storage of somebody else's cluster is out of this test's reach")
    first_version(stage, "forged", {"0.csv": rows(0)}, {"rollout": {"approval": "manual"}})
    stage.apply(a_table("forged-data", {"1.csv": rows(1, slope=9)}), a_report("forged-report", "forged"))
    stage.until_phase("forged-v2", "AwaitingApproval")
    model = next(stage.node.volume("forged-models", stage.namespace).rglob("forged-v2/model.joblib"))
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    stage.kubectl.annotate("ModelVersion", "forged-v2", {"perennial.dev/approved-by": "ada"})
    back = stage.until_phase("forged-v2", "RolledBack")
    assert back["reason"] == "DigestMismatch"
    assert "sha256" in back["message"]
    still_serves(stage, "forged")


def test_a_candidate_that_is_never_ready_is_rolled_back(stage: Stage) -> None:
    first_version(stage, "never", {"0.csv": rows(0)}, {"rollout": {"approval": "manual"}})
    stage.apply(a_table("never-data", {"1.csv": rows(1, slope=9)}), a_report("never-report", "never"))
    stage.until_phase("never-v2", "AwaitingApproval")
    # New pods ask for a Secret that nobody has, and wait for ever.
    missing = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "nobody-has-it", "key": "x"}}}]
    change = {"serving": {"pod": {"env": missing}}, "rollout": {"timeout": "3s"}}
    stage.kubectl.patch("ModelDeployment", "never", {"spec": change})
    stage.kubectl.annotate("ModelVersion", "never-v2", {"perennial.dev/approved-by": "ada"})
    back = stage.until_phase("never-v2", "RolledBack")
    assert back["reason"] == "NotReady"
    assert "nobody-has-it" in back["message"]
    stage.kubectl.patch("ModelDeployment", "never", {"spec": {"serving": {"pod": {"env": None}}}})
    stage.wait("it is Ready again", lambda: stage.condition("never", "Ready")["status"] == "True")
    still_serves(stage, "never")


BAD_DATA: dict[str, tuple[str, dict[str, Any], str]] = {
    "bad-empty": ("", {}, "holds no row"),
    "bad-column": ("feature1,target\n" + "1,2\n" * 300, {}, "feature2"),
    "bad-target": ("feature1,feature2,target\n" + "1,2,many\n" * 300, {}, "300 of 300 values of the target"),
    "bad-missing": ("feature1,feature2,target\n" + ",2,3\n" * 300, {}, "feature1"),
    "bad-few": (rows(0, count=20), {}, "minRows"),
    "bad-estimator": (rows(0), {"model": {"estimator": "sklearn.linear_model.LinearRegresion"}}, "LinearRegression"),
    "bad-parameter": (rows(0), {"model": {"parameters": {"fit_intersept": True}}}, "fit_intersept"),
}


def test_bad_data_are_reported_and_affect_no_other_model(stage: Stage) -> None:
    first_version(stage, "good", {"0.csv": rows(0)})
    for name, (table, spec, _) in BAD_DATA.items():
        stage.apply(a_table(f"{name}-data", {"0.csv": table}), a_claim(f"{name}-models"), a_model(name, spec))
    for name, (_, _, word) in BAD_DATA.items():
        failed = stage.until_phase(f"{name}-v1", "Failed")
        assert word in failed["message"], (name, failed["message"])
        assert not failed.get("artifact")
    still_serves(stage, "good")


def test_what_cannot_be_right_is_refused_by_kubectl_apply(stage: Stage) -> None:
    with pytest.raises(RefusedError, match=r"spec\.model\.estimator"):
        stage.apply(a_model("refused", {"model": {"estimator": "os.system"}}))
    with pytest.raises(RefusedError, match="r2: it is never above 1"):
        stage.apply(a_model("refused", {"validation": {"thresholds": [{"metric": "r2", "min": 1.5}]}}))


def test_person_approves_rejects_pins_and_requests_training(stage: Stage) -> None:
    files = {"0.csv": rows(0)}
    stage.apply(
        a_table("hand-data", files), a_claim("hand-models"), a_model("hand", {"rollout": {"approval": "manual"}})
    )
    stage.until_phase("hand-v1", "AwaitingApproval")
    stage.kubectl.annotate("ModelVersion", "hand-v1", {"perennial.dev/approved-by": "ada"})
    stage.until_phase("hand-v1", "Live")

    stage.apply(a_table("hand-data", files | {"1.csv": rows(1, slope=9)}))
    stage.kubectl.annotate("ModelDeployment", "hand", {"perennial.dev/retrain-requested-at": "today"})
    stage.until_phase("hand-v2", "AwaitingApproval")
    stage.kubectl.annotate("ModelVersion", "hand-v2", {"perennial.dev/rejected-by": "bob"})
    assert stage.until_phase("hand-v2", "Rejected")["message"] == "rejected by bob"

    stage.kubectl.annotate("ModelDeployment", "hand", {"perennial.dev/retrain-requested-at": "tomorrow"})
    stage.until_phase("hand-v3", "AwaitingApproval")
    stage.kubectl.annotate("ModelVersion", "hand-v3", {"perennial.dev/approved-by": "ada"})
    stage.until_phase("hand-v3", "Live")
    stage.kubectl.patch("ModelDeployment", "hand", {"spec": {"pin": "hand-v1"}})
    stage.until_phase("hand-v1", "Live")
    stage.wait("the pinned version serves alone", lambda: stage.serves_alone("hand-v1"))
    assert stage.predict("hand", QUESTION) == pytest.approx([3.0], abs=0.3)
    # It went live a second later than the version before it, whatever the clock says; a report is about the time since.
    since = datetime.fromisoformat(stage.version("hand-v1")["liveSince"])
    stage.wait("the pinned version is live by the clock too", lambda: datetime.now(UTC) >= since)
    stage.apply(a_report("hand-report", "hand"))
    assert stage.outcome("hand-report")[0] == "Pinned"


def test_an_operator_stops_on_sigterm(stage: Stage) -> None:
    stage.wait("it has started", lambda: "perennial has listed" in stage.operator_log.read_text())
    assert stage.kill_operator(signal.SIGTERM) == 0
    stage.start_operator()
