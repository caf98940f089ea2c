"""`status`, `history` and `compare` show the fields of the objects."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from perennial_operator.core import names
from perennial_operator.core.api.values import as_text
from tests.plugin.terminal import Terminal


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_status_draws_the_progress_of_one_model(rolling_out: Terminal) -> None:
    shown = lines(rolling_out.output("status", "bike"))
    assert shown[0] == f"bike · {rolling_out.kubectl.namespace} RollingOut"
    assert "✓ drift ──▶ ✓ train ──▶ ✓ validate ──▶ ● roll out 20 % ──▶ ○ live" in shown
    assert "Live bike-v3 serves for 5d 3/3 ready mse 100 (live 130, 23.1 % better)" in shown
    assert any(line.startswith("Candidate bike-v4 RollingOut for") for line in shown)
    assert "weight 20 %: 1 replica beside 2 of bike-v3" in shown


def test_status_shows_each_metric_with_its_limit(rolling_out: Terminal) -> None:
    shown = lines(rolling_out.output("status", "bike"))
    assert "Drift Triggered psi of feature1 is 0.31, above 0.2; training bike-v4" in shown
    assert "mse 103 at most 119.2 ██████████░░ 86 %" in shown  # 100 + 3 * hypot(4, 5)
    assert "r2 0.89 at least 0.7 █████████░░░ 79 %" in shown
    assert "psi of feature1 0.31 at most 0.2 ████████████ beyond" in shown
    assert any(line.startswith(("Next check in", "Next check due now")) for line in shown)


def test_status_ends_with_the_last_reports_and_conditions(rolling_out: Terminal) -> None:
    shown = rolling_out.output("status", "bike")
    reports = shown[shown.index("Last reports") : shown.index("Conditions")]
    assert reports.index("bike-check-2") < reports.index("bike-check-1")
    for kind, reason in (("Available", "Serving"), ("Stalled", "NotStalled"), ("Retraining", "RollingOut")):
        assert any(line.split()[:3:2] == [kind, reason] for line in shown.splitlines()), kind


def test_status_as_json_has_the_fields_of_the_text(rolling_out: Terminal) -> None:
    fields = json.loads(rolling_out.output("status", "bike", "-o", "json"))
    assert (fields["live"]["name"], fields["candidate"]["name"], fields["weight"]) == ("bike-v3", "bike-v4", 20)
    assert [each["state"] for each in fields["stages"]] == ["done", "done", "done", "here", "ahead"]
    assert [row["beyond"] for row in fields["limits"]] == [False, False, True]
    assert fields["nextCheck"].endswith("Z")
    assert yaml.safe_load(rolling_out.output("status", "bike", "-o", "yaml")).keys() == fields.keys()


def test_requested_check_is_the_next_one(rolling_out: Terminal) -> None:
    at = as_text(datetime.now(UTC) + timedelta(hours=1))
    rolling_out.put_model(spec={"drift": {"check": {"schedule": "0 0 29 2 *", "data": {"uri": "s3://bikes/*.csv"}}}})
    rolling_out.kubectl.annotate("ModelDeployment", "bike", {names.CHECK: at})
    assert json.loads(rolling_out.output("status", "bike", "-o", "json"))["nextCheck"] == at


def test_status_shows_what_a_dry_run_would_start(terminal: Terminal) -> None:
    message = "psi of feature1 is 0.3, above 0.2; it would have started the training of bike-v2"
    drift = {"report": "october", "outcome": "WouldTrigger", "message": message}
    retraining = {"type": "Retraining", "status": "False", "reason": "WouldTrigger", "message": f"october: {message}"}
    retraining |= {"lastTransitionTime": "2026-11-23T12:00:00Z"}
    terminal.put_model(spec={"drift": {"mode": "Report"}}, status={"drift": drift, "conditions": [retraining]})
    shown = lines(terminal.output("status", "bike"))
    assert f"Drift WouldTrigger {message}" in shown
    assert "Dry run spec.drift.mode is Report; drift starts no training" in shown
    assert not [line for line in shown if line.startswith("Retraining october")]
    assert json.loads(terminal.output("status", "bike", "-o", "json"))["dryRun"] is True


def test_status_without_a_name_has_a_line_for_each_model(rolling_out: Terminal) -> None:
    rolling_out.put_model("tram")
    head, *rows = lines(rolling_out.output("status"))
    assert head == "NAME LIVE CANDIDATE PHASE WEIGHT DRIFT READY MESSAGE"
    assert rows[0] == "bike bike-v3 bike-v4 RollingOut 20 % Triggered 3/3 bike-v3 serves what spec asks for"
    assert rows[1] == "tram none Pending 0/2 the operator has not reconciled it yet"
    everywhere = rolling_out.output("status", "-A")
    assert everywhere.startswith("NAMESPACE") and rolling_out.kubectl.namespace in everywhere


def test_status_says_that_a_model_is_not_reconciled_yet(terminal: Terminal) -> None:
    terminal.put_model()
    shown = lines(terminal.output("status", "bike"))
    assert "the operator has not reconciled it yet" in shown
    assert "● drift ──▶ ○ train ──▶ ○ validate ──▶ ○ roll out ──▶ ○ live" in shown
    assert "Live no version serves yet" in shown


def test_status_shows_how_to_approve_a_waiting_candidate(rolling_out: Terminal) -> None:
    rolling_out.put_model(spec={"rollout": {"approval": "manual"}})
    rolling_out.kubectl.patch("ModelVersion", "bike-v4", {"status": {"phase": "AwaitingApproval"}}, "status")
    shown = lines(rolling_out.output("status", "bike"))
    assert "✓ drift ──▶ ✓ train ──▶ ✓ validate ──▶ ● approve ──▶ ○ roll out ──▶ ○ live" in shown
    assert "kubectl perennial approve bike or reject bike" in shown


def test_status_shows_the_last_unsuccessful_version(rolling_out: Terminal) -> None:
    failed = {"phase": "Rejected", "message": "mse is 120, bike-v3 has 100", "endedAt": "2026-11-23T12:00:00Z"}
    rolling_out.kubectl.patch("ModelVersion", "bike-v4", {"status": failed}, "status")
    rolling_out.kubectl.patch(
        "ModelDeployment", "bike", {"status": {"candidateVersion": None, "weight": None}}, "status"
    )
    shown = lines(rolling_out.output("status", "bike"))
    assert any(line.startswith("Last attempt bike-v4 Rejected") for line in shown)
    assert any("✗ validate" in line for line in shown)


def test_history_has_a_line_for_each_version_newest_first(rolling_out: Terminal) -> None:
    head, *rows = lines(rolling_out.output("history", "bike"))
    assert head == "VERSION PHASE TRIGGER METRIC LIVE HAD AGE TOOK MESSAGE"
    assert [row.split()[0] for row in rows] == ["bike-v4", "bike-v3", "bike-v2", "bike-v1"]
    assert rows[2].startswith("bike-v2 Rejected Schedule mse 155 138 12.3 % worse")
    assert rows[3].endswith("bike-v3 serves instead")


def test_history_as_json_has_the_numbers(rolling_out: Terminal) -> None:
    newest = json.loads(rolling_out.output("history", "bike", "-o", "json"))[0]
    assert newest["metric"] == {
        "name": "mse",
        "value": 88.0,
        "live": 110.0,
        "difference": -22.0,
        "share": pytest.approx(-0.2),
        "better": True,
    }


def test_compare_shows_two_versions_side_by_side(rolling_out: Terminal) -> None:
    shown = lines(rolling_out.output("compare", "bike", "v3", "v4"))
    assert shown[0] == "bike-v3 bike-v4"
    for line in (
        "positive - True",
        "alpha 0.3 0.4",
        "rows 900 960",
        "end 2026-05-01T00:00:00Z 2026-06-01T00:00:00Z",
        "mse 110 88 20 % better",
        "r2 0.88 0.92 0.04 better",
    ):
        assert line in shown
    assert "Metrics both on the same holdout rows" in shown
    assert any(line.startswith("Validated BetterThanLive: mse is 100") for line in shown)


def test_compare_names_the_served_and_the_validated_model(rolling_out: Terminal) -> None:
    data = json.loads(rolling_out.output("compare", "bike-v1", "bike-v4", "-o", "json"))["data"]
    assert data["model"] == ["0" * 12, "0" * 12] and data["validated model"] == ["0" * 12, "e" * 12]
    assert data["refit"][0] is None and "fitted again to 1200 rows" in data["refit"][1]


def test_compare_warns_where_the_holdouts_differ(rolling_out: Terminal) -> None:
    fields = json.loads(rolling_out.output("compare", "bike-v1", "bike-v4", "-o", "json"))
    assert fields["sameRows"] is False
    assert "each on its own holdout" in rolling_out.output("compare", "bike", "v1", "v4")


def test_compare_defaults_to_live_version_and_candidate(rolling_out: Terminal) -> None:
    assert json.loads(rolling_out.output("compare", "-o", "json"))["versions"] == ["bike-v3", "bike-v4"]
    assert json.loads(rolling_out.output("compare", "bike", "v2", "-o", "json"))["versions"] == ["bike-v3", "bike-v2"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("status", "bikes"), 1, "ModelDeployment bikes not found in namespace {}; there are: bike"),
        (("history", "bikes"), 1, "ModelDeployment bikes not found in namespace {}; there are: bike"),
        (("status", "bike-v4"), 2, "bike-v4 is a version; use kubectl perennial history bike, or status bike"),
        (
            ("status", "bike", "-A"),
            2,
            "-A shows the models of all namespaces; omit the name, or give its namespace with -n",
        ),
        (
            ("compare", "bike", "v3", "v9"),
            1,
            "ModelVersion bike-v9 not found in namespace {}; there are: bike-v1, bike-v2, bike-v3, bike-v4",
        ),
        (("compare", "bike", "v3", "v3"), 2, "bike-v3 would be compared with itself; name another version"),
        (("compare", "bike", "v1", "v2", "v3"), 2, "two versions can be compared, and 3 were named"),
    ],
)
def test_unknown_name_is_reported_with_the_known_ones(
    rolling_out: Terminal, words: tuple[str, ...], code: int, sentence: str
) -> None:
    assert rolling_out.error(*words, code=code) == sentence.format(rolling_out.kubectl.namespace)


def test_short_name_needs_its_model_among_several(rolling_out: Terminal) -> None:
    rolling_out.put_model("tram")
    assert rolling_out.error("compare", "v3", "v4", code=2) == "v3 v4: of which model? there are: bike, tram"
