"""Objects as values: what is read, and what a bad one is answered with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from perennial_operator.core.api.drift_report import DriftReport
from perennial_operator.core.api.model_deployment import ModelDeployment
from perennial_operator.core.api.model_version import ModelVersion, Phase
from perennial_operator.core.api.parsing import BadObjectError, parse
from tests.builders import SPEC, a_body, a_version, merged


def body(change: Mapping[str, Any] = {}, status: Mapping[str, Any] = {}) -> dict[str, Any]:
    return a_body("ModelDeployment", "bike", merged(SPEC, change), status)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": None}, "spec.model: Field required"),
        ({"validation": {"slices": [{"column": "x"}]}}, "spec.validation.slices[0].metric: Field required"),
        (
            {"data": {"window": "3x"}},
            "give auto, all, a duration such as 90d, or a number of rows greater than 0 (it is '3x')",
        ),
        (
            {"training": {"schedule": "0 0 31 2 *"}},
            "spec.training.schedule: '0 0 31 2 *' is not a valid cron schedule",
        ),
        ({"rollout": {"timeout": "soon"}}, "spec.rollout.timeout: give a duration: a number and s, m, h or d"),
        (
            {"rollout": {"steps": [{"weight": 50}, {"weight": 20}]}},
            "spec.rollout: steps have the weights [50, 20]; give each",
        ),
        ({"drift": {"thresholds": [{"metric": "psi"}]}}, "the threshold on psi has no limit; give max or min"),
        (
            {"drift": {"thresholds": [{"metric": "psi", "min": 3, "max": 1}]}},
            "min 3.0 of psi is above max 1.0, so no value could pass; swap them",
        ),
        (
            {"data": {"training": {"uri": None, "persistentVolumeClaim": {"claimName": "a", "path": "../b"}}}},
            "path '../b' must not contain '..'",
        ),
        ({"serving": {"replicas": "two"}, "history": {"versions": 0}}, "; spec.history.versions: "),
    ],
)
def test_error_of_a_bad_spec_names_field_value_and_fix(change: dict[str, Any], message: str) -> None:
    """The API server refuses nearly all of these; what it lets through must not pass here."""
    with pytest.raises(BadObjectError) as caught:
        parse(ModelDeployment, body(change))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "schedule",
    ["0 3 * * 1", "*/15 * * * *", "0 0 L * *", "0 0 LW * *", "0 0 * * MON#2", "5,10 0-6/2 * jan-mar mon-fri"],
)
def test_every_usual_schedule_is_understood(schedule: str) -> None:
    assert parse(ModelDeployment, body({"training": {"schedule": schedule}})).spec.training.schedule == schedule


def test_fields_of_a_newer_release_are_ignored() -> None:
    deployment = parse(ModelDeployment, body({"novelty": 1}, {"novelty": 2, "liveVersion": "bike-v1"}))
    assert deployment.status.live_version == "bike-v1"


def test_unreadable_status_is_dropped_if_it_can_be_rebuilt() -> None:
    assert parse(ModelDeployment, body(status={"conditions": "gone"})).status.conditions == []
    report = a_body("DriftReport", "r", {"modelDeployment": "bike", "samples": 1}, {"outcome": "Unheard"})
    assert parse(DriftReport, report).status.outcome is None


def test_unreadable_version_status_is_an_error() -> None:
    version = a_body("ModelVersion", "bike-v1", a_version(1).spec.to_api(), {"phase": "Hibernating"})
    with pytest.raises(BadObjectError, match=r"status\.phase: .*Hibernating"):
        parse(ModelVersion, version)


def test_what_is_written_is_what_is_read() -> None:
    for phase in Phase:
        version = a_version(3, phase.value)
        again = a_body("ModelVersion", "bike-v3", version.spec.to_api(), version.status.to_api())
        assert parse(ModelVersion, again) == version
