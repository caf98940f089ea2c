"""`status`, `history` and `compare` tell what the objects say."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.plugin.terminal import Terminal


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_status_draws_the_loop_of_one_model(told: Terminal) -> None:
    shown = lines(told.reads("status", "bike"))
    assert shown[0] == f"bike · {told.kubectl.namespace} RollingOut"
    assert "✓ drift ──▶ ✓ train ──▶ ✓ validate ──▶ ● roll out 20 % ──▶ ○ live" in shown
    assert "Live bike-v3 serves for 5d 3/3 ready mse 100 (live 130, 23.1 % better)" in shown
    assert any(line.startswith("Candidate bike-v4 RollingOut for") for line in shown)
    assert "weight 20 %: 1 replica beside 2 of bike-v3" in shown


def test_status_shows_how_near_each_metric_of_the_newest_report_is_to_its_limit(told: Terminal) -> None:
    shown = lines(told.reads("status", "bike"))
    assert "Drift Triggered psi of feature1 is 0.31, above 0.2; training bike-v4" in shown
    assert "mse 103 at most 119.2 ██████████░░ 86 %" in shown  # 100 + 3 * hypot(4, 5)
    assert "r2 0.89 at least 0.7 █████████░░░ 79 %" in shown
    assert "psi of feature1 0.31 at most 0.2 ████████████ beyond" in shown
    assert any(line.startswith(("Next check in", "Next check due now")) for line in shown)


def test_status_ends_with_the_last_reports_and_every_condition_with_its_reason(told: Terminal) -> None:
    shown = told.reads("status", "bike")
    reports = shown[shown.index("Last reports") : shown.index("Conditions")]
    assert reports.index("bike-check-2") < reports.index("bike-check-1")
    for kind, reason in (("Available", "Serving"), ("Stalled", "NotStalled"), ("Retraining", "RollingOut")):
        assert any(line.split()[:3:2] == [kind, reason] for line in shown.splitlines()), kind


def test_status_as_json_holds_what_the_picture_holds(told: Terminal) -> None:
    found = json.loads(told.reads("status", "bike", "-o", "json"))
    assert (found["live"]["name"], found["candidate"]["name"], found["weight"]) == ("bike-v3", "bike-v4", 20)
    assert [each["state"] for each in found["stages"]] == ["done", "done", "done", "here", "ahead"]
    assert [row["beyond"] for row in found["limits"]] == [False, False, True]
    assert found["nextCheck"].endswith("Z")
    assert yaml.safe_load(told.reads("status", "bike", "-o", "yaml")).keys() == found.keys()


def test_status_without_a_name_has_a_line_for_each_model(told: Terminal) -> None:
    told.put_model("tram")
    head, *rows = lines(told.reads("status"))
    assert head == "NAME LIVE CANDIDATE PHASE WEIGHT DRIFT READY MESSAGE"
    assert rows[0] == "bike bike-v3 bike-v4 RollingOut 20 % Triggered 3/3 bike-v3 serves what spec asks for"
    assert rows[1] == "tram none Pending 0/2 the operator has not looked at it yet"
    everywhere = told.reads("status", "-A")
    assert everywhere.startswith("NAMESPACE") and told.kubectl.namespace in everywhere


def test_status_of_a_model_that_nobody_has_looked_at_yet_says_so(terminal: Terminal) -> None:
    terminal.put_model()
    shown = lines(terminal.reads("status", "bike"))
    assert "the operator has not looked at it yet" in shown
    assert "● drift ──▶ ○ train ──▶ ○ validate ──▶ ○ roll out ──▶ ○ live" in shown
    assert "Live no version serves yet" in shown


def test_a_candidate_that_waits_for_a_person_is_shown_with_what_to_type(told: Terminal) -> None:
    told.put_model(spec={"rollout": {"approval": "manual"}})
    told.kubectl.patch("ModelVersion", "bike-v4", {"status": {"phase": "AwaitingApproval"}}, "status")
    shown = lines(told.reads("status", "bike"))
    assert "✓ drift ──▶ ✓ train ──▶ ✓ validate ──▶ ● approve ──▶ ○ roll out ──▶ ○ live" in shown
    assert "kubectl perennial approve bike or reject bike" in shown


def test_the_last_attempt_is_shown_where_it_came_to_nothing(told: Terminal) -> None:
    failed = {"phase": "Rejected", "message": "mse is 120, bike-v3 has 100", "endedAt": "2026-11-23T12:00:00Z"}
    told.kubectl.patch("ModelVersion", "bike-v4", {"status": failed}, "status")
    told.kubectl.patch("ModelDeployment", "bike", {"status": {"candidateVersion": None, "weight": None}}, "status")
    shown = lines(told.reads("status", "bike"))
    assert any(line.startswith("Last attempt bike-v4 Rejected") for line in shown)
    assert any("✗ validate" in line for line in shown)


def test_history_has_a_line_for_each_version_newest_first(told: Terminal) -> None:
    head, *rows = lines(told.reads("history", "bike"))
    assert head == "VERSION PHASE ASKED FOR BY METRIC LIVE HAD AGE TOOK MESSAGE"
    assert [row.split()[0] for row in rows] == ["bike-v4", "bike-v3", "bike-v2", "bike-v1"]
    assert rows[2].startswith("bike-v2 Rejected Schedule mse 155 138 12.3 % worse")
    assert rows[3].endswith("bike-v3 serves instead")


def test_history_as_json_holds_the_numbers(told: Terminal) -> None:
    newest = json.loads(told.reads("history", "bike", "-o", "json"))[0]
    assert newest["metric"] == {
        "name": "mse",
        "value": 88.0,
        "live": 110.0,
        "difference": -22.0,
        "share": pytest.approx(-0.2),
        "better": True,
    }


def test_compare_puts_two_versions_beside_each_other(told: Terminal) -> None:
    shown = lines(told.reads("compare", "bike", "v3", "v4"))
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


def test_versions_that_were_never_measured_on_the_same_rows_are_compared_with_a_word_of_warning(told: Terminal) -> None:
    found = json.loads(told.reads("compare", "bike-v1", "bike-v4", "-o", "json"))
    assert found["sameRows"] is False
    assert "each on its own holdout" in told.reads("compare", "bike", "v1", "v4")


def test_without_versions_the_live_one_is_compared_with_the_candidate(told: Terminal) -> None:
    assert json.loads(told.reads("compare", "-o", "json"))["versions"] == ["bike-v3", "bike-v4"]
    assert json.loads(told.reads("compare", "bike", "v2", "-o", "json"))["versions"] == ["bike-v3", "bike-v2"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("status", "bikes"), 1, "ModelDeployment bikes not found in namespace {}; there are: bike"),
        (("history", "bikes"), 1, "ModelDeployment bikes not found in namespace {}; there are: bike"),
        (("status", "bike-v4"), 2, "bike-v4 is a version; say kubectl perennial history bike, or status bike"),
        (
            ("status", "bike", "-A"),
            2,
            "-A shows the models of all namespaces; leave the name out, or give its namespace by -n",
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
def test_what_is_not_there_is_said_with_what_there_is(
    told: Terminal, words: tuple[str, ...], code: int, sentence: str
) -> None:
    assert told.hears(*words, code=code) == sentence.format(told.kubectl.namespace)


def test_a_short_name_needs_its_model_where_there_are_several(told: Terminal) -> None:
    told.put_model("tram")
    assert told.hears("compare", "v3", "v4", code=2) == "v3 v4: of which model? there are: bike, tram"
