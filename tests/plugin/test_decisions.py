"""`approve`, `reject`, `retrain` and `pin` write annotations or print, and never change `spec`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from perennial_operator.core import names
from tests.plugin.terminal import Terminal


def set_phase(terminal: Terminal, phase: str, version: str = "bike-v4") -> None:
    terminal.kubectl.patch("ModelVersion", version, {"status": {"phase": phase, "message": "so it is"}}, "status")


@pytest.mark.parametrize("words", [("bike",), ("bike", "v4"), ("bike-v4",), ("v4",)])
def test_approve_writes_the_name_of_the_user(rolling_out: Terminal, words: tuple[str, ...]) -> None:
    set_phase(rolling_out, "AwaitingApproval")
    assert rolling_out.output("approve", *words) == "bike-v4 approved by local\n"
    assert rolling_out.annotations("ModelVersion", "bike-v4")[names.APPROVED] == "local"


def test_person_of_an_account_is_a_second_annotation(rolling_out: Terminal) -> None:
    set_phase(rolling_out, "AwaitingApproval")
    assert rolling_out.output("approve", "bike", "--by", "grace") == "bike-v4 approved by local on behalf of grace\n"
    written = rolling_out.annotations("ModelVersion", "bike-v4")
    assert (written[names.APPROVED], written[names.PERSON]) == ("local", "grace")
    assert rolling_out.output("approve", "bike") == "bike-v4 was approved by local already\n"
    assert rolling_out.output("reject", "bike", USER="eve") == "bike-v4 rejected by local\n"
    assert names.PERSON not in rolling_out.annotations("ModelVersion", "bike-v4")  # of another decision


@pytest.mark.parametrize(
    ("phase", "sentence"),
    [
        (
            "Training",
            "bike-v4 does not wait for approval: it is Training and not validated yet; try again when its phase is AwaitingApproval",
        ),
        (
            "RollingOut",
            "bike-v4 does not wait for approval: it is RollingOut; kubectl perennial reject bike-v4 stops it",
        ),
        ("Live", "bike-v4 does not wait for approval: it serves already"),
        ("Rejected", "bike-v4 does not wait for approval: it has ended as Rejected: so it is"),
    ],
)
def test_approve_refuses_a_version_that_does_not_wait(rolling_out: Terminal, phase: str, sentence: str) -> None:
    set_phase(rolling_out, phase)
    assert rolling_out.error("approve", "bike", "v4") == sentence
    assert names.APPROVED not in rolling_out.annotations("ModelVersion", "bike-v4")


def test_approve_refuses_a_rejected_version(rolling_out: Terminal) -> None:
    set_phase(rolling_out, "AwaitingApproval")
    rolling_out.output("reject", "bike", "--by", "grace")
    assert rolling_out.error("approve", "bike") == (
        "bike-v4 was rejected by local, which is final; start a new training: kubectl perennial retrain bike"
    )


@pytest.mark.parametrize(
    ("phase", "result"),
    [
        ("Training", "bike-v4 rejected by local\n"),
        ("AwaitingApproval", "bike-v4 rejected by local\n"),
        ("RollingOut", "bike-v4 rejected by local; it is rolled back\n"),
    ],
)
def test_reject_accepts_a_candidate_in_any_phase(rolling_out: Terminal, phase: str, result: str) -> None:
    set_phase(rolling_out, phase)
    assert rolling_out.output("reject", "bike") == result
    assert rolling_out.annotations("ModelVersion", "bike-v4")[names.REJECTED] == "local"


def test_reject_refuses_a_live_or_ended_version(rolling_out: Terminal) -> None:
    assert rolling_out.error("reject", "bike", "v3") == (
        "bike-v3 serves; to serve another one instead: kubectl perennial pin bike VERSION"
    )
    assert rolling_out.error("reject", "bike", "v2").startswith("bike-v2 has ended already, as Rejected: mse is 155")


def test_approve_fails_without_a_candidate(terminal: Terminal) -> None:
    terminal.put_model()
    assert terminal.error("approve", "bike") == (
        "no version of bike waits for approval; kubectl perennial history bike lists its versions"
    )


def test_retrain_writes_the_current_time(rolling_out: Terminal) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    result = rolling_out.output("retrain", "bike")
    at = rolling_out.annotations("ModelDeployment", "bike")[names.RETRAIN]
    assert before <= datetime.fromisoformat(at) <= datetime.now(UTC)
    assert result == f"bike: retraining requested at {at}; it waits until bike-v4 has ended\n"


def test_check_now_writes_the_current_time(rolling_out: Terminal) -> None:
    result = rolling_out.output("check", "bike", "--now")
    at = rolling_out.annotations("ModelDeployment", "bike")[names.CHECK]
    assert abs(datetime.fromisoformat(at) - datetime.now(UTC)) < timedelta(minutes=1)
    assert result == f"bike: drift check requested at {at}\n"
    assert rolling_out.error("check", "bike", "--now", "--dry-run", code=2).startswith("--now asks the operator")


def test_check_now_needs_a_check_to_make(rolling_out: Terminal) -> None:
    rolling_out.put_model(spec={"drift": {"check": None}})
    assert rolling_out.error("check", "bike", "--now").startswith("bike has no spec.drift.check: set it, or")
    assert names.CHECK not in rolling_out.annotations("ModelDeployment", "bike")


@pytest.mark.parametrize(
    ("spec", "why"), [({"suspend": True}, "spec.suspend is true"), ({"pin": "bike-v3"}, "spec.pin is bike-v3")]
)
def test_retrain_says_why_the_request_waits(rolling_out: Terminal, spec: dict[str, object], why: str) -> None:
    rolling_out.put_model(spec=spec)
    assert rolling_out.output("retrain", "bike").endswith(f"; it waits, since {why}\n")


def test_pin_prints_the_patch_for_git_and_writes_nothing(rolling_out: Terminal) -> None:
    result = rolling_out.run("pin", "bike", "v1")
    assert result.code == 0
    assert yaml.safe_load(result.out) == {
        "apiVersion": "perennial.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "bike", "namespace": rolling_out.kubectl.namespace},
        "spec": {"pin": "bike-v1"},
    }
    assert "Nothing was written" in result.err and """--type merge -p '{"spec": {"pin": "bike-v1"}}'""" in result.err
    assert "pin" not in rolling_out.spec("ModelDeployment", "bike")


def test_patch_of_pin_sets_and_removes_the_pin(rolling_out: Terminal) -> None:
    for words, pin in ((("v3",), "bike-v3"), (("--off",), None)):
        patch = json.loads(rolling_out.output("pin", "bike", *words, "-o", "json"))
        rolling_out.kubectl.patch("ModelDeployment", "bike", {"spec": patch["spec"]})
        assert rolling_out.spec("ModelDeployment", "bike").get("pin") == pin


def test_pin_warns_of_a_rejected_version_and_needs_a_model(
    rolling_out: Terminal,
) -> None:
    assert "# Warning: bike-v2 is Rejected: mse is 155" in rolling_out.run("pin", "bike", "v2").err
    rolling_out.put_version("bike-v5", status={"phase": "Failed", "message": "no rows"})
    assert rolling_out.error("pin", "bike", "v5") == (
        "bike-v5 has no stored model (it is Failed), so it cannot serve; pin another version"
    )
    assert rolling_out.error("pin", "bike", code=2) == (
        "name the one version to serve: kubectl perennial pin bike v1; or --off"
    )


def test_version_without_files_has_no_page_and_cannot_be_pinned(rolling_out: Terminal) -> None:
    at = "2026-11-30T05:00:00Z"
    rolling_out.kubectl.patch("ModelVersion", "bike-v1", {"status": {"filesDeletedAt": at}}, "status")
    because = f"because of spec.history.artifacts (at {at})"
    assert rolling_out.error("pin", "bike", "v1") == (
        f"the files of bike-v1 were deleted {because}, so it cannot serve; pin another version"
    )
    assert rolling_out.error("report", "bike", "v1") == f"the page of bike-v1 was deleted with its files, {because}"
    assert "; its files are deleted" in rolling_out.output("history", "bike")


def test_no_command_changes_a_spec(rolling_out: Terminal) -> None:
    before = [rolling_out.spec("ModelDeployment", "bike"), rolling_out.spec("ModelVersion", "bike-v4")]
    set_phase(rolling_out, "AwaitingApproval")
    for words in (("approve", "bike"), ("reject", "bike"), ("retrain", "bike"), ("pin", "bike", "v1")):
        rolling_out.output(*words)
    assert [rolling_out.spec("ModelDeployment", "bike"), rolling_out.spec("ModelVersion", "bike-v4")] == before
