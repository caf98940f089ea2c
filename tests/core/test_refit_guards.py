"""Which of the two models of a version serves, and why, by the status and the measurements alone."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core.api.artifacts import Refit
from perennial_operator.core.rules.job_results import Validated
from perennial_operator.core.rules.trainings.refit_guards import (
    artifact_fields,
    is_unwanted,
    judged_refit,
    proving_fields,
)
from tests.builders import a_deployment, a_version, a_world, merged
from tests.simulation.results import validated

SECOND = {"uri": "s3://models/perennial/default/bike/bike-v2/refit.joblib", "sha256": "9" * 64, "bytes": 1}
FIRST = {"uri": "s3://models/perennial/default/bike/bike-v2/model.joblib", "sha256": "8" * 64, "bytes": 1}
REFIT = {"message": "a second model", "rows": 1000, "artifact": SECOND, "proven": FIRST}
MEASURED: dict[str, Any] = {"metrics": {"mse": 80.0, "r2": 0.9}, "difference": 0.1, "error": 0.1}
SERVES = "the model that serves is the proven recipe fitted again to 1000 rows, the holdout included"
SLICE = {"column": "region", "metric": "mse", "maxRatio": 1.5}
GROUP = {"column": "region", "metric": "mse", "group": "north", "rows": 45, "live": 100.0, "candidate": 160.0}


def a_refit(**changes: Any) -> Refit:
    return Refit.model_validate(merged(REFIT, changes))


def judged(
    spec: dict[str, Any] | None = None, refit: Any = REFIT, measured: Any = MEASURED, live: bool = True, by: str = "mse"
) -> Refit | None:
    """The refit of version 2 after the validation beside version 1, or alone."""
    candidate = a_version(2, "Validating", status={"refit": refit})
    versions = (a_version(1), candidate) if live else (candidate,)
    deployment = a_deployment(spec=merged({"validation": {"against": {"metric": by}}}, spec or {}))
    world = a_world(deployment=deployment, versions=versions)
    result = Validated.model_validate(validated(80.0, live=100.0) | {"refit": measured})
    return judged_refit(world, candidate, world.spec.validation.against, result)  # type: ignore[arg-type]


def why_not(refit: Refit | None) -> str:
    """Why the refit does not serve, or an empty text."""
    assert refit
    before = "the validated model serves, and not its refit: "
    assert refit.serves or refit.message.startswith(before)
    return "" if refit.serves else refit.message.removeprefix(before)


def increase(name: str, value: float) -> dict[str, Any]:
    return {"quality": [{"name": name, "feature": "town", "value": value}]}


@pytest.mark.parametrize(
    ("spec", "refit", "measured", "why"),
    [
        ({}, {}, {}, ""),
        ({"training": {"refit": False}}, {}, {}, "spec.training.refit is false"),
        ({}, {"proven": None}, {}, "its status does not say which model was validated"),
        ({}, increase("missing_increase", 0.2), {}, ""),
        (
            {},
            increase("missing_increase", 0.25),
            {},
            "town is missing in 25% more of the holdout rows than of the training rows, and "
            "spec.drift.quality.maxMissing is 0.2",
        ),
        ({"drift": {"quality": {"maxNew": 0.1}}}, increase("new_share", 0.1), {}, ""),
        (
            {"drift": {"quality": {"maxNew": 0.1}}},
            increase("new_share", 0.2),
            {},
            "town has a value that is new in 20% of the holdout rows, and spec.drift.quality.maxNew is 0.1",
        ),
        ({}, increase("new_share", 1.0), {}, ""),
        ({}, increase("another", 1.0), {}, ""),
        ({"drift": None}, increase("missing_increase", 0.25), {}, "town is missing in 25% more of the holdout rows"),
        ({}, {}, None, "the validation has not measured it"),
        ({}, {}, {"metrics": {"mse": 80.0}}, ""),
        ({}, {}, {"metrics": {"mse": 80.5}}, "its mse on the holdout is 80.5, worse than the validated model's 80"),
        ({}, {}, {"metrics": {"mse": 80.5}, "difference": 1e-6}, ""),
        ({}, {}, {"metrics": {"mse": None}}, "mse was not measured on the holdout"),
        (
            {},
            {},
            {"difference": 0.2},
            "its answers on the holdout differ from those of the validated model by 0.2, and those differ from the "
            "target by only 0.1",
        ),
        ({}, {}, {"difference": 1e-6, "error": 0.0}, ""),
        (
            {"validation": {"thresholds": [{"metric": "r2", "min": 0.95}]}},
            {},
            {},
            "r2 is 0.9 on 200 holdout rows, below min 0.95",
        ),
        ({"validation": {"slices": [SLICE]}}, {}, {"slices": [GROUP | {"ratio": 1.5}]}, ""),
        (
            {"validation": {"slices": [SLICE]}},
            {},
            {"slices": [GROUP | {"ratio": 1.6}]},
            "for region north (45 holdout rows) mse is 160, bike-v1 has 100: 1.6 times as bad",
        ),
    ],
)
def test_refit_serves_unless_something_speaks_against_it(spec: Any, refit: Any, measured: Any, why: str) -> None:
    judgement = judged(spec, merged(REFIT, refit), None if measured is None else merged(MEASURED, measured))
    assert why_not(judgement).startswith(why) and bool(why_not(judgement)) == bool(why)
    assert judgement and (judgement.message == SERVES) is judgement.serves


@pytest.mark.parametrize(("r2", "why"), [(0.9, ""), (0.91, ""), (0.89, "its r2 on the holdout is 0.89, worse")])
def test_of_a_score_less_is_worse(r2: float, why: str) -> None:
    text = why_not(judged(measured=merged(MEASURED, {"metrics": {"r2": r2}}), by="r2"))
    assert text.startswith(why) and bool(text) == bool(why)


def test_slices_are_compared_only_with_a_live_version() -> None:
    assert why_not(judged({"validation": {"slices": [SLICE]}}, live=False)) == ""
    assert why_not(judged({"validation": {"slices": [SLICE]}})).startswith("mse could be compared with bike-v1 in no")


def test_version_without_a_second_model_keeps_what_it_says() -> None:
    none = {"message": "no refit: it needs data.timeColumn"}
    assert judged(refit=none) == Refit.model_validate(none)
    assert judged(refit=None) is None
    assert artifact_fields(None) == artifact_fields(Refit.model_validate(none)) == {}


@pytest.mark.parametrize(("serves", "model"), [(True, SECOND), (False, FIRST)])
def test_artifact_is_that_of_the_model_that_serves(serves: bool, model: dict[str, Any]) -> None:
    fields = artifact_fields(a_refit(serves=serves))
    assert fields["refit"] == a_refit(serves=serves)
    assert fields["artifact"].to_api() == model


def test_validated_model_is_proven_again() -> None:
    fields = proving_fields(a_version(2, status={"refit": REFIT | {"serves": True}}))
    message = "a second model is the proven recipe fitted again to 1000 rows, the holdout included"
    assert fields["refit"] == a_refit(serves=False, message=message)
    assert fields["artifact"].to_api() == FIRST
    assert proving_fields(a_version(2, status={"refit": REFIT})) == {} == proving_fields(a_version(2))


@pytest.mark.parametrize(
    ("wanted", "refit", "unwanted"),
    [(False, REFIT | {"serves": True}, True), (True, REFIT | {"serves": True}, False), (False, REFIT, False)],
)
def test_refit_that_was_to_serve_may_be_unwanted(wanted: bool, refit: Any, unwanted: bool) -> None:
    world = a_world(deployment=a_deployment(spec={"training": {"refit": wanted}}))
    assert is_unwanted(world, a_version(2, status={"refit": refit})) is unwanted
    assert is_unwanted(world, a_version(2)) is False
