"""`approve`, `reject`, `retrain`, `pin`: annotations and words, never `spec`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from perennial_operator.core import names
from tests.plugin.terminal import Terminal


def now_is(terminal: Terminal, phase: str, version: str = "bike-v4") -> None:
    terminal.kubectl.patch("ModelVersion", version, {"status": {"phase": phase, "message": "so it is"}}, "status")


@pytest.mark.parametrize("words", [("bike",), ("bike", "v4"), ("bike-v4",), ("v4",)])
def test_a_candidate_is_approved_by_whoever_types(told: Terminal, words: tuple[str, ...]) -> None:
    now_is(told, "AwaitingApproval")
    assert told.reads("approve", *words) == "bike-v4 approved by ada\n"
    assert told.annotations("ModelVersion", "bike-v4")[names.APPROVED] == "ada"


def test_who_it_is_can_be_said_and_is_else_the_users_or_the_kubeconfigs(told: Terminal) -> None:
    now_is(told, "AwaitingApproval")
    assert told.reads("approve", "bike", "--by", "grace") == "bike-v4 approved by grace\n"
    assert told.reads("approve", "bike") == "bike-v4 was approved by grace already\n"
    assert told.reads("reject", "bike", USER="") == "bike-v4 rejected by local\n"  # the kubeconfig's user


@pytest.mark.parametrize(
    ("phase", "sentence"),
    [
        (
            "Training",
            "bike-v4 does not wait for approval: it is Training and not proven yet; ask again when its phase is AwaitingApproval",
        ),
        (
            "RollingOut",
            "bike-v4 does not wait for approval: it is RollingOut; kubectl perennial reject bike-v4 stops it",
        ),
        ("Live", "bike-v4 does not wait for approval: it serves already"),
        ("Rejected", "bike-v4 does not wait for approval: it has ended as Rejected: so it is"),
    ],
)
def test_only_what_waits_can_be_approved(told: Terminal, phase: str, sentence: str) -> None:
    now_is(told, phase)
    assert told.hears("approve", "bike", "v4") == sentence
    assert names.APPROVED not in told.annotations("ModelVersion", "bike-v4")


def test_a_rejection_stands_against_an_approval(told: Terminal) -> None:
    now_is(told, "AwaitingApproval")
    told.reads("reject", "bike", "--by", "grace")
    assert told.hears("approve", "bike") == (
        "bike-v4 was rejected by grace, which stands; ask anew: kubectl perennial retrain bike"
    )


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        ("Training", "bike-v4 rejected by ada\n"),
        ("AwaitingApproval", "bike-v4 rejected by ada\n"),
        ("RollingOut", "bike-v4 rejected by ada; it is rolled back\n"),
    ],
)
def test_a_candidate_is_rejected_wherever_it_stands(told: Terminal, phase: str, said: str) -> None:
    now_is(told, phase)
    assert told.reads("reject", "bike") == said
    assert told.annotations("ModelVersion", "bike-v4")[names.REJECTED] == "ada"


def test_what_serves_or_has_ended_cannot_be_rejected(told: Terminal) -> None:
    assert told.hears("reject", "bike", "v3") == (
        "bike-v3 serves; to serve another one instead: kubectl perennial pin bike VERSION"
    )
    assert told.hears("reject", "bike", "v2").startswith("bike-v2 has ended already, as Rejected: mse is 155")


def test_without_a_candidate_there_is_nothing_to_approve(terminal: Terminal) -> None:
    terminal.put_model()
    assert terminal.hears("approve", "bike") == (
        "no version of bike waits for approval; kubectl perennial history bike shows what there was"
    )


def test_a_retraining_is_asked_for_by_the_time_of_day(told: Terminal) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    said = told.reads("retrain", "bike")
    at = told.annotations("ModelDeployment", "bike")[names.RETRAIN]
    assert before <= datetime.fromisoformat(at) <= datetime.now(UTC)
    assert said == f"bike: retraining requested at {at}; it waits until bike-v4 has come to its end\n"


@pytest.mark.parametrize(
    ("spec", "why"), [({"suspend": True}, "spec.suspend is true"), ({"pin": "bike-v3"}, "spec.pin holds bike-v3")]
)
def test_what_puts_a_request_off_is_said_at_once(told: Terminal, spec: dict[str, object], why: str) -> None:
    told.put_model(spec=spec)
    assert told.reads("retrain", "bike").endswith(f"; it waits, since {why}\n")


def test_pin_prints_the_patch_for_git_and_writes_nothing(told: Terminal) -> None:
    said = told.types("pin", "bike", "v1")
    assert said.code == 0
    assert yaml.safe_load(said.out) == {
        "apiVersion": "perennial.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "bike", "namespace": told.kubectl.namespace},
        "spec": {"pin": "bike-v1"},
    }
    assert "Nothing was written" in said.err and """--type merge -p '{"spec": {"pin": "bike-v1"}}'""" in said.err
    assert "pin" not in told.spec("ModelDeployment", "bike")


def test_the_patch_of_pin_does_what_it_says(told: Terminal) -> None:
    for words, pin in ((("v3",), "bike-v3"), (("--off",), None)):
        patch = json.loads(told.reads("pin", "bike", *words, "-o", "json"))
        told.kubectl.patch("ModelDeployment", "bike", {"spec": patch["spec"]})
        assert told.spec("ModelDeployment", "bike").get("pin") == pin


def test_a_version_that_came_to_nothing_is_pinned_with_a_warning_and_one_without_a_model_not_at_all(
    told: Terminal,
) -> None:
    assert "# Look twice: bike-v2 was Rejected: mse is 155" in told.types("pin", "bike", "v2").err
    told.put_version("bike-v5", status={"phase": "Failed", "message": "no rows"})
    assert told.hears("pin", "bike", "v5") == (
        "bike-v5 has no stored model (it is Failed), so it cannot serve; pin another version"
    )
    assert told.hears("pin", "bike", code=2) == (
        "name the one version to serve: kubectl perennial pin bike v1; or --off"
    )


def test_no_command_ever_changes_a_spec(told: Terminal) -> None:
    before = [told.spec("ModelDeployment", "bike"), told.spec("ModelVersion", "bike-v4")]
    now_is(told, "AwaitingApproval")
    for words in (("approve", "bike"), ("reject", "bike"), ("retrain", "bike"), ("pin", "bike", "v1")):
        told.reads(*words)
    assert [told.spec("ModelDeployment", "bike"), told.spec("ModelVersion", "bike-v4")] == before
