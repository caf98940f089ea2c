"""What a candidate must prove before it may serve."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core.api.validation import ValidationSpec
from perennial_operator.core.rules.job_results import Validated
from perennial_operator.core.rules.validation_gate import gate, gate_again, gate_digest, is_routine
from tests.builders import a_version, merged
from tests.simulation.results import validated

ALONE = validated(80.0)
WORSE = validated(150.0, live=100.0, upper=0.6)
UNSURE = validated(99.0, live=100.0, upper=0.04)
BETTER = validated(80.0, live=100.0, upper=-0.1)
SAME = validated(100.0, live=100.0, upper=0.0)
NOT_COMPARED = "holdout rows; no version is live to compare with"
REGION = {"column": "region", "metric": "mse", "maxRatio": 1.5}


def sliced(ratio: float) -> dict[str, Any]:
    """The answer for a candidate that is better on the whole, and for one group so many times as bad."""
    north = {"column": "region", "metric": "mse", "group": "north", "rows": 45, "live": 100.0}
    return merged(BETTER, {"slices": [north | {"candidate": 100 * ratio, "ratio": ratio}]})


@pytest.mark.parametrize(
    ("spec", "answer", "live", "passed", "reason", "message"),
    [
        (
            {},
            ALONE,
            None,
            True,
            "ThresholdsMet",
            "mse 80, r2 0.9 on 200 holdout rows; no version is live to compare with",
        ),
        (
            {},
            merged(ALONE, {"holdoutRows": 29}),
            None,
            False,
            "HoldoutTooSmall",
            "29 holdout rows are too few to prove anything; at least 30 are needed",
        ),
        ({}, merged(ALONE, {"holdoutRows": 30}), None, True, "ThresholdsMet", f"mse 80, r2 0.9 on 30 {NOT_COMPARED}"),
        (
            {},
            merged(ALONE, {"metrics": {"candidate": {"mae": 1, "rmse": 2, "f1": 3}}}),
            None,
            True,
            "ThresholdsMet",
            f"mse 80, r2 0.9, mae 1, rmse 2 on 200 {NOT_COMPARED}",
        ),
        (
            {},
            merged(BETTER, {"holdoutRows": 0}),
            "bike-v1",
            False,
            "HoldoutTooSmall",
            "0 holdout rows are too few to prove anything; at least 30 are needed",
        ),
        (
            {"thresholds": [{"metric": "r2", "min": 0.95}]},
            ALONE,
            None,
            False,
            "ThresholdNotMet",
            "r2 is 0.9 on 200 holdout rows, below min 0.95",
        ),
        (
            {"thresholds": [{"metric": "mse", "max": 70}]},
            BETTER,
            "bike-v1",
            False,
            "ThresholdNotMet",
            "mse is 80 on 200 holdout rows, above max 70",
        ),
        (
            {"thresholds": [{"metric": "mse", "max": 80}]},
            BETTER,
            "bike-v1",
            True,
            "BetterThanLive",
            "mse is 80, bike-v1 has 100 on the same 200 holdout rows",
        ),
        (
            {"thresholds": [{"metric": "r2", "min": 0.9}]},
            BETTER,
            "bike-v1",
            True,
            "BetterThanLive",
            "mse is 80, bike-v1 has 100 on the same 200 holdout rows",
        ),
        (
            {"thresholds": [{"metric": "f1", "min": 0.5}]},
            ALONE,
            None,
            False,
            "MetricMissing",
            "spec.validation.thresholds asks for f1, which was not measured; ask for one of mse, r2, or set model.positiveClass if there are two classes of text",
        ),
        ({}, BETTER, "bike-v1", True, "BetterThanLive", "mse is 80, bike-v1 has 100 on the same 200 holdout rows"),
        ({}, SAME, "bike-v1", True, "NotWorseThanLive", "mse is 100, bike-v1 has 100 on the same 200 holdout rows"),
        (
            {},
            WORSE,
            "bike-v1",
            False,
            "WorseThanLive",
            "mse is 150, bike-v1 has 100 on the same 200 holdout rows; at 95 % confidence it may be worse by 0.6, and spec.validation.against.tolerance is 0",
        ),
        (
            {},
            UNSURE,
            "bike-v1",
            False,
            "NotProvenBetter",
            "mse is 99, bike-v1 has 100 on the same 200 holdout rows; at 95 % confidence it may be worse by 0.04, and spec.validation.against.tolerance is 0: more holdout rows are needed",
        ),
        (
            {"against": {"metric": "mse", "tolerance": 0.05}},
            UNSURE,
            "bike-v1",
            True,
            "NotWorseThanLive",
            "mse is 99, bike-v1 has 100 on the same 200 holdout rows",
        ),
        (
            {"slices": [REGION]},
            sliced(1.5),
            "bike-v1",
            True,
            "BetterThanLive",
            "mse is 80, bike-v1 has 100 on the same 200 holdout rows",
        ),
        (
            {"slices": [REGION]},
            sliced(1.51),
            "bike-v1",
            False,
            "SliceWorse",
            "for region north (45 holdout rows) mse is 151, bike-v1 has 100: 1.51 times as bad, and spec.validation.slices allows 1.5; give that group more training rows, or raise maxRatio if it may be served so",
        ),
        (
            {"slices": [REGION, REGION | {"metric": "mae"}]},
            sliced(1.0),
            "bike-v1",
            False,
            "SliceNotMeasured",
            "mae could be compared with bike-v1 in no group of region of 30 holdout rows or more, so it is not proven that none is worse off; collect more rows, or change spec.validation.slices",
        ),
        (
            {"slices": [REGION]},
            ALONE,
            None,
            True,
            "ThresholdsMet",
            "mse 80, r2 0.9 on 200 holdout rows; no version is live to compare with",
        ),
        (
            {"slices": [REGION]},
            WORSE,
            "bike-v1",
            False,
            "WorseThanLive",
            "mse is 150, bike-v1 has 100 on the same 200 holdout rows; at 95 % confidence it may be worse by 0.6, and spec.validation.against.tolerance is 0",
        ),
        ({}, sliced(9.0), "bike-v1", True, "BetterThanLive", "mse is 80, bike-v1 has 100 on the same 200 holdout rows"),
        (
            {},
            ALONE,
            "bike-v1",
            False,
            "NotCompared",
            "the candidate was not compared with bike-v1 by mse, so it does not pass",
        ),
        *(
            (
                {},
                merged(BETTER, {"metrics": {which: {"mse": None}}}),
                "bike-v1",
                False,
                "NotCompared",
                "the candidate was not compared with bike-v1 by mse, so it does not pass",
            )
            for which in ("candidate", "live")
        ),
        (
            {"against": {"metric": "mae"}},
            merged(BETTER, {"metrics": {"candidate": {"mae": 5.0}, "live": {"mae": 6.0}}}),
            "bike-v1",
            False,
            "NotCompared",
            "the candidate was not compared with bike-v1 by mae, so it does not pass",
        ),
    ],
)
def test_the_gate_opens_only_to_what_is_proven(
    spec: dict[str, Any], answer: dict[str, Any], live: str | None, passed: bool, reason: str, message: str
) -> None:
    validation = ValidationSpec.model_validate(spec)
    verdict = gate(
        validation, validation.compared_by("regression"), Validated.model_validate(answer), live, routine=False
    )
    assert (verdict.passed, verdict.reason, verdict.message) == (passed, reason, message)


@pytest.mark.parametrize(
    ("reason", "routine", "estimate", "passed"),
    [
        ("Drift", None, 0.01, "WorseThanLive"),
        ("Growth", None, 0.01, "NotShownWorse"),
        ("Schedule", None, 0.01, "NotShownWorse"),
        ("Schedule", None, 0.3, "WorseThanLive"),
        ("Schedule", None, -0.3, "BetterThanLive"),
        ("Growth", "NotWorse", -0.01, "NotProvenBetter"),
        ("Request", None, -0.01, "NotProvenBetter"),
        ("Reweighing", None, 0.01, "NotShownWorse"),
        ("Reweighing that became a fit", None, 0.01, "WorseThanLive"),
    ],
)
def test_routine_candidates_pass_unless_shown_to_be_worse(
    reason: str, routine: str | None, estimate: float, passed: str
) -> None:
    validation = ValidationSpec.model_validate({"routine": routine} if routine else {})
    worsening = {"metric": "mse", "estimate": estimate, "upper": estimate + 0.1, "confidence": 0.95}
    metrics = {"candidate": {"mse": 100.0}, "live": {"mse": 100.0}}
    result = Validated.model_validate({"message": "", "holdoutRows": 200, "metrics": metrics, "worsening": worsening})
    trigger, _, became = reason.partition(" ")
    blend = {"models": 1, "fits": 1, "message": "no blend: few rows"} if became else None
    routinely = is_routine(validation, a_version(2, "Validating", {"trigger": {"reason": trigger}}, {"blend": blend}))
    assert gate(validation, validation.compared_by("regression"), result, "bike-v1", routinely).reason == passed


@pytest.mark.parametrize(("task", "metric"), [("regression", "mse"), ("classification", "accuracy")])
def test_candidates_are_compared_by_the_usual_metric_of_the_task(task: str, metric: str) -> None:
    assert ValidationSpec().compared_by(task).metric == metric


PASSED: dict[str, Any] = {
    "metrics": {"candidate": {"mse": 99.0, "r2": 0.9}, "live": {"mse": 100.0}},
    "comparison": {
        "rows": 150,
        "worsening": {"metric": "mse", "estimate": -0.01, "upper": 0.04, "confidence": 0.95},
        "slices": [sliced(1.2)["slices"][0]],
    },
}


@pytest.mark.parametrize(
    ("spec", "status", "live", "failed"),
    [
        ({"against": {"tolerance": 0.04}}, {}, "bike-v1", None),
        ({"against": {"tolerance": 0.03}}, {}, "bike-v1", "NotProvenBetter"),
        ({"against": {"tolerance": 0.03}}, {}, None, None),
        ({"against": {"tolerance": 0.03}}, {"comparison": None}, "bike-v1", None),
        ({"against": {"tolerance": 0.03}}, {"comparison": {"worsening": None}}, "bike-v1", None),
        ({"against": {"tolerance": 0.03, "confidence": 0.99}}, {}, "bike-v1", None),
        ({"against": {"metric": "r2"}}, {}, "bike-v1", None),
        ({"thresholds": [{"metric": "r2", "min": 0.95}]}, {}, None, "ThresholdNotMet"),
        ({"thresholds": [{"metric": "f1", "min": 0.95}]}, {}, None, "MetricMissing"),
        ({"thresholds": [{"metric": "r2", "min": 0.95}]}, {"metrics": None}, None, None),
        ({"against": {"tolerance": 0.04}, "slices": [REGION]}, {}, "bike-v1", None),
        ({"against": {"tolerance": 0.04}, "slices": [REGION | {"maxRatio": 1.1}]}, {}, "bike-v1", "SliceWorse"),
        ({"against": {"tolerance": 0.04}, "slices": [REGION | {"metric": "mae"}]}, {}, "bike-v1", None),
        ({"against": {"tolerance": 0.04}, "slices": [REGION | {"column": "town"}]}, {}, "bike-v1", None),
    ],
)
def test_candidate_that_passed_is_judged_by_the_spec_of_now(
    spec: dict[str, Any], status: dict[str, Any], live: str | None, failed: str | None
) -> None:
    validation = ValidationSpec.model_validate(merged({"against": {"metric": "mse"}}, spec))
    version = a_version(2, "AwaitingApproval", status=merged(PASSED, status))
    against = validation.compared_by("regression")
    gate_now = gate_again(validation, against, version, live)
    assert (gate_now and gate_now.reason) == failed
    assert gate_now is None or not gate_now.passed


@pytest.mark.parametrize(("compared", "rows"), [({}, 150), (None, 200)])
def test_message_of_the_gate_has_the_rows_of_the_comparison(compared: Any, rows: int) -> None:
    validation = ValidationSpec.model_validate({"thresholds": [{"metric": "r2", "min": 0.95}]})
    version = a_version(2, "AwaitingApproval", status=merged(PASSED, {"comparison": compared}))
    failed = gate_again(validation, validation.compared_by("regression"), version, None)
    assert failed and failed.message == f"r2 is 0.9 on {rows} holdout rows, below min 0.95"


def test_routine_candidate_stays_routine() -> None:
    for reason, failed in (("Growth", False), ("Drift", True)):
        version = a_version(2, "AwaitingApproval", {"trigger": {"reason": reason}}, PASSED)
        validation = ValidationSpec()
        again = gate_again(validation, validation.compared_by("regression"), version, "bike-v1")
        assert (again is not None) is failed


def test_digest_of_the_gate_changes_with_what_is_to_be_proven() -> None:
    validation, live = ValidationSpec(), a_version(1)
    other = ValidationSpec.model_validate({"routine": "NotWorse"})
    digests = [
        gate_digest(validation, None),
        gate_digest(validation, live),
        gate_digest(other, live),
        gate_digest(validation, a_version(3)),
        gate_digest(validation, a_version(1, status={"artifact": {"sha256": "e" * 64}})),
    ]
    assert len(set(digests)) == len(digests)
    assert {len(each) for each in digests} == {16}
    assert gate_digest(ValidationSpec(), a_version(1)) == digests[1]
