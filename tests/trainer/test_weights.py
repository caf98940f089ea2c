"""Captured rows stand for those that were not captured: in metrics and their errors, in profiles, and in fits."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from perennial_trainer.captured.keys import is_captured
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.rows import Rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.captured.index import hash_keys
from perennial_trainer.data.values.weights import Weights
from perennial_trainer.metrics.computation import Measurement, standard_error_of_mean
from perennial_trainer.metrics.evaluate import measure_all, metric_value
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.models.pipeline import build_pipeline, fit

REQUESTS, EACH = 2000, 5
SHARES = 0.1, 0.3  # in the first and the second half of the time, in which the model is worse
RANDOM = np.random.default_rng(7)
KEYS = np.repeat([f"r{n}" for n in range(REQUESTS)], EACH)
LATE = np.repeat(np.arange(REQUESTS) >= REQUESTS // 2, EACH)
ALIKE = np.repeat(RANDOM.normal(size=REQUESTS), EACH)  # the rows of a request have one error in common
ERRORS = (1 + LATE) * (ALIKE + RANDOM.normal(size=len(KEYS)))
PROBABILITY = np.clip(0.5 + 0.2 * ERRORS, 0.01, 0.99)
TRUTH = (RANDOM.uniform(size=len(KEYS)) < PROBABILITY).astype(np.intp)


def scored(kind: str) -> ScoredRows:
    if kind == "regression":
        target = 5 * RANDOM.normal(size=len(KEYS))
        return ScoredRows(target, target + ERRORS)
    both = np.stack([1 - PROBABILITY, PROBABILITY], axis=1)
    return ScoredRows(TRUTH, (both[:, 1] > 0.6).astype(np.intp), ("0", "1"), both)


ALL = {kind: scored(kind) for kind in ("regression", "classification")}


def captured(rows: ScoredRows, secret: bytes) -> ScoredRows:
    share = np.where(LATE, SHARES[1], SHARES[0])
    each = np.repeat([is_captured(secret, f"r{n}", share[n * EACH]) for n in range(REQUESTS)], EACH)
    weights = Weights(SHARES[0] / share[each], hash_keys(KEYS[each]))
    sample = rows.take(each)
    return ScoredRows(sample.target, sample.prediction, sample.classes, sample.probability, weights=weights)


def distances(kind: str, secret: bytes) -> dict[str, float]:
    """How many standard errors each metric of the captured rows is away from that of all rows."""
    of_all, of_sample = measure_all(ALL[kind]), measure_all(captured(ALL[kind], secret))
    return {
        name: abs(each.value - of_all[name].value) / each.standard_error
        for name, each in of_sample.items()
        if each.standard_error
    }


@settings(max_examples=20)
@given(secret=st.binary(min_size=16, max_size=16), kind=st.sampled_from(sorted(ALL)))
def test_metrics_of_a_share_are_those_of_all_rows(secret: bytes, kind: str) -> None:
    of = distances(kind, secret)
    assert set(of) >= ({"mse", "rmse", "mae"} if kind == "regression" else {"accuracy", "log_loss"})
    assert max(of.values()) < 5
    sample, every = captured(ALL[kind], secret), ALL[kind]
    for name in ("r2",) if kind == "regression" else ("f1", "precision", "recall", "roc_auc"):
        assert metric_value(name, sample) == pytest.approx(metric_value(name, every), abs=0.1)


def test_standard_errors_say_how_far_a_share_may_be_away() -> None:
    of = [distances("regression", bytes([n]) * 16)["mae"] for n in range(60)]
    assert 0.9 < np.mean([each < 2 for each in of]) <= 1  # without the requests it would be 0.7


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_batches_do_not_matter(parts: int) -> None:
    from perennial_trainer.metrics.streaming import StreamedMetrics

    rows = captured(ALL["regression"], b"secret")
    metrics = StreamedMetrics()
    for part in np.array_split(np.arange(len(rows)), parts):
        metrics.add(rows.take(part))
    assert metrics.measurements() == measure_all(rows)


def test_equal_weights_of_single_rows_change_nothing() -> None:
    rows = ALL["regression"]
    alone = Weights(np.full(len(rows), 0.25), hash_keys([str(n) for n in range(len(rows))]))
    weighted = measure_all(ScoredRows(rows.target, rows.prediction, weights=alone))
    for name, each in measure_all(rows).items():
        assert weighted[name] == Measurement(pytest.approx(each.value), pytest.approx(each.standard_error)), name


def test_rows_of_one_request_are_one_draw() -> None:
    values = np.asarray([1.0, 2.0, 5.0])
    repeated = Weights(np.ones(30), np.repeat(hash_keys(["a", "b", "c"]), 10))
    assert standard_error_of_mean(np.repeat(values, 10), repeated) == pytest.approx(standard_error_of_mean(values))
    assert standard_error_of_mean(values, Weights(np.ones(3), hash_keys(["a"] * 3))) is None


def rows_of(x: list[float], target: list[float], weight: list[float]) -> Rows:
    columns = Columns(Features(numeric=("x",), categorical=()), "target", "regression", None)
    weights = Weights(np.asarray(weight), hash_keys([str(n) for n in range(len(x))]))
    return Rows(columns, pd.DataFrame({"x": x}), pd.Series(target), None, weights=weights)


def test_equal_rows_are_in_the_proportions_of_all() -> None:
    n = 4000
    rows = rows_of([0.0] * n + [1.0] * n, [0.0] * 2 * n, [1.0] * n + [0.1] * n)
    assert rows.equal.features.x.mean() == pytest.approx(0.1 / 1.1, abs=0.01)


def test_fit_takes_weights_that_differ() -> None:
    x, target = [0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 4.0]
    features = rows_of(x, target, [1.0] * 4).columns.features

    def predicted(weight: list[float], estimator: object) -> float:
        fitted = fit(build_pipeline(estimator, features), rows_of(x, target, weight))
        return float(fitted.predict(pd.DataFrame({"x": [1.0]}))[0])

    assert predicted([1, 1, 1, 1], Ridge(alpha=1e-9)) == predicted([0.1] * 4, Ridge(alpha=1e-9)) == pytest.approx(2)
    assert predicted([1, 1, 1, 0.25], Ridge(alpha=1e-9)) == pytest.approx(0.8)
    assert predicted([1, 1, 1, 0.25], KNeighborsRegressor(2)) == pytest.approx(2)
