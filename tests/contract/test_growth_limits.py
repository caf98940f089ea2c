"""The page of a drift check has the limits that the operator decides by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from perennial_operator.core.api.drift_report import Measurement
from perennial_operator.core.api.thresholds import DriftThreshold
from perennial_operator.core.rules.limits import Baseline, limit_for
from perennial_trainer.contract.result import DriftMetric
from perennial_trainer.contract.thresholds import Increase, Threshold
from perennial_trainer.drift.page.limits import compare_value

LOSS = st.floats(0, 1e6)


@given(LOSS, LOSS, st.none() | st.floats(0, 1e3), st.floats(0, 1e3), st.floats(0, 9), st.floats(0, 9), st.none() | LOSS)
def test_both_sides_have_one_limit(
    value: float,
    baseline: float,
    error: float | None,
    baseline_error: float,
    share: float,
    sigmas: float,
    most: float | None,
) -> None:
    fields = {"max": most} if most is not None else {}
    asked = DriftThreshold.model_validate({"metric": "mse", "maxIncrease": share, "sigmas": sigmas, **fields})
    measured = Measurement.model_validate({"name": "mse", "value": value, "standardError": error})
    decided = limit_for(asked, measured, Baseline(baseline, baseline_error))
    increase = Increase(baseline=baseline, standard_error=baseline_error, share=share, sigmas=sigmas)
    metric = DriftMetric(name="mse", value=value, standard_error=UNSET if error is None else error)
    shown = compare_value(Threshold(metric="mse", max=most, increase=increase), metric)
    assert shown.limit == (decided and decided.value)
    assert shown.is_beyond == bool(decided and decided.is_crossed(value))
