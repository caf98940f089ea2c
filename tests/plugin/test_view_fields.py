"""The fields of the views: progress, limits, differences, spans of time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kubectl_perennial.views.claims import claim_problems, claims_of
from kubectl_perennial.views.limits import limit_rows, share_of_limit
from kubectl_perennial.views.progress import progress_of
from kubectl_perennial.views.times import span
from kubectl_perennial.views.version import change
from perennial_operator.core.api.model_version import Phase


def a_version(phase: str, **conditions: str) -> dict[str, Any]:
    result = [{"type": kind, "status": status} for kind, status in conditions.items()]
    return {"status": {"phase": phase, "conditions": result}}


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        (None, "here ahead ahead ahead ahead"),
        ({}, "done here ahead ahead ahead"),
        (a_version("Training"), "done here ahead ahead ahead"),
        (a_version("Validating"), "done done here ahead ahead"),
        (a_version("RollingOut"), "done done done here ahead"),
        (a_version("Live"), "done done done done done"),
        (a_version("Superseded"), "done done done done done"),
        (a_version("Failed"), "done failed ahead ahead ahead"),
        (a_version("Failed", Trained="True", Validated="False"), "done done failed ahead ahead"),
        (a_version("Rejected", Trained="True", Validated="False"), "done done failed ahead ahead"),
        (a_version("RolledBack", Trained="True", Validated="True", RolledOut="False"), "done done done failed ahead"),
    ],
)
def test_progress_follows_phase_and_conditions(version: Any, shown: str) -> None:
    assert " ".join(each["state"] for each in progress_of(version, manual=False)) == shown


@pytest.mark.parametrize(
    ("reason", "shown"), [("Drift", "drift"), ("Initial", "first version"), ("SpecChange", "spec change")]
)
def test_progress_names_drift_only_if_it_was_the_reason(reason: str, shown: str) -> None:
    version = a_version("Training") | {"spec": {"trigger": {"reason": reason}}}
    assert progress_of(version, manual=False)[0] == {"name": shown, "state": "done", "label": shown}


@pytest.mark.parametrize(
    ("storage", "modes", "problem"),
    [
        ({}, ["ReadWriteMany"], ""),
        ({}, ["ReadWriteOnce", "ReadWriteMany"], ""),
        ({"sameNode": True}, ["ReadWriteOnce"], ""),
        ({}, ["ReadWriteOnce"], "may be mounted on one node at a time (ReadWriteOnce)"),
        ({"sameNode": True}, ["ReadWriteOncePod"], "may be mounted by one pod at a time (ReadWriteOncePod)"),
        ({}, ["ReadOnlyMany"], "cannot be written (ReadOnlyMany)"),
        ({}, None, "does not exist in this namespace"),
    ],
)
def test_claim_that_some_pods_cannot_mount_is_shown(storage: Any, modes: Any, problem: str) -> None:
    claim = {"persistentVolumeClaim": {"claimName": "models"}}
    spec = {"storage": claim | storage, "data": {"training": {"uri": "s3://rows/*.csv"}}}
    assert claims_of(spec) == ["models"]
    problems = claim_problems(spec, {"models": modes})
    assert len(problems) == bool(problem)
    assert not problem or problems[0].startswith(f"PersistentVolumeClaim models {problem}")


def test_claim_of_data_may_be_read_only() -> None:
    rows = {"persistentVolumeClaim": {"claimName": "rows"}}
    spec = {"storage": {"uri": "s3://models"}, "data": {"training": rows}, "drift": {"check": {"data": rows}}}
    assert claims_of(spec) == ["rows"]
    assert claim_problems(spec, {"rows": ["ReadOnlyMany"]}) == []


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_of_the_core_has_its_step(phase: Phase) -> None:
    names = [each["name"] for each in progress_of(a_version(phase.value), manual=True)]
    assert names == ["drift", "train", "validate", "approve", "roll out", "live"]


def test_unknown_phase_is_shown_before_the_rollout() -> None:
    steps = progress_of(a_version("Shadowing"), manual=False)
    assert [(each["name"], each["state"]) for each in steps][2:] == [
        ("validate", "done"),
        ("Shadowing", "here"),
        ("roll out", "ahead"),
        ("live", "ahead"),
    ]


@pytest.mark.parametrize(
    ("name", "before", "after", "difference"),
    [
        ("mse", 100.0, 88.0, {"difference": -12.0, "share": -0.12, "better": True}),
        ("mse", 100.0, 112.0, {"difference": 12.0, "share": 0.12, "better": False}),
        ("mse", 0.0, 1.0, {"difference": 1.0, "better": False}),
        ("r2", 0.5, 0.75, {"difference": 0.25, "better": True}),
        ("r2", -2.0, -3.0, {"difference": -1.0, "better": False}),
        ("accuracy", 0.5, 0.5, {"difference": 0.0}),
    ],
)
def test_lower_loss_and_higher_score_are_better(
    name: str, before: float, after: float, difference: dict[str, Any]
) -> None:
    assert change(name, before, after) == pytest.approx(difference)


LIVE = {"status": {"metrics": {"candidate": {"mse": 100.0}, "standardErrors": {"mse": 3.0}}}}


@pytest.mark.parametrize(
    ("threshold", "metrics", "row"),
    [
        ({"metric": "psi", "max": 0.2}, [("psi", "a", 0.1), ("psi", "b", 0.3)], ("b", 0.3, "max", 0.2, True)),
        (
            {"metric": "psi", "max": 0.2, "features": ["a"]},
            [("psi", "a", 0.1), ("psi", "b", 0.3)],
            ("a", 0.1, "max", 0.2, False),
        ),
        ({"metric": "r2", "min": 0.7}, [("r2", None, 0.6)], (None, 0.6, "min", 0.7, True)),
        ({"metric": "mse", "maxIncrease": 0.05}, [("mse", None, 104.0)], (None, 104.0, "max", 105.0, False)),
        (
            {"metric": "mse", "maxIncrease": 0.05, "sigmas": 3},
            [("mse", None, 104.0)],
            (None, 104.0, "max", 115.0, False),
        ),
        ({"metric": "mse", "maxIncrease": 0.05, "max": 90}, [("mse", None, 104.0)], (None, 104.0, "max", 90.0, True)),
        ({"metric": "mae", "maxIncrease": 0.05}, [("mae", None, 1.0)], None),
        ({"metric": "psi", "max": 0.2}, [("ks", "a", 0.9)], None),
    ],
)
def test_limit_row_has_the_measurement_nearest_to_the_limit(threshold: Any, metrics: Any, row: Any) -> None:
    measured = [
        {"name": name, "value": value, "standardError": 4.0, **({"feature": feature} if feature else {})}
        for name, feature, value in metrics
    ]
    rows = limit_rows([threshold], {"spec": {"metrics": measured}}, LIVE)
    fields = [(each.get("feature"), each["value"], each["side"], each["limit"], each["beyond"]) for each in rows]
    assert fields == ([row] if row else [])


@pytest.mark.parametrize(
    ("row", "share"),
    [
        ({"side": "max", "value": 0.1, "limit": 0.2}, 0.5),
        ({"side": "max", "value": -1.0, "limit": 0.2}, 0.0),
        ({"side": "max", "value": 0.0, "limit": 0.0}, None),
        ({"side": "min", "value": 0.8, "limit": 0.4}, 0.5),
        ({"side": "min", "value": -0.8, "limit": 0.4}, None),
    ],
)
def test_share_of_a_limit_where_it_has_a_meaning(row: Any, share: float | None) -> None:
    assert share_of_limit(row) == share


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (10800, "3h"),
        (12000, "3h20m"),
        (187200, "2d4h"),
        (2937600, "34d"),
        (-5, "0s"),
    ],
)
def test_spans_are_written_as_by_kubectl(seconds: int, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text


def test_limit_rows_show_chance_and_what_was_not_measured() -> None:
    report = {
        "spec": {"metrics": [{"name": "psi", "feature": "temp", "value": 0.3, "chance": 0.2}]},
        "status": {"notMeasured": [{"metric": "mse", "reason": "no row of the window has a target"}]},
    }
    psi, mse = limit_rows([{"metric": "psi", "max": 0.2}, {"metric": "mse", "max": 9}], report, LIVE)
    assert (psi["beyond"], psi["chance"]) == (False, 0.2)
    assert mse == {"metric": "mse", "notMeasured": "no row of the window has a target"}
