"""The metrics are scikit-learn's, and their errors and bounds are what they say."""

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.metric_table import LOSSES, quality_metrics
from perennial_trainer.metrics.evaluate import measure_all, resampled_values
from perennial_trainer.metrics.registry import COMPUTATIONS
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.validation.bootstrap import estimate_worsening

REGRESSION = {
    "mse": sk.mean_squared_error,
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "r2": sk.r2_score,
}


OF_CLASSES = {"f1": sk.f1_score, "precision": sk.precision_score, "recall": sk.recall_score}


def regression(n: int = 300, noise: float = 1.0, seed: int = 0) -> ScoredRows:
    generator = np.random.default_rng(seed)
    truth = np.random.default_rng(0).normal(100, 5, n)
    return ScoredRows(truth, truth + noise * generator.normal(size=n))


def classification(n: int = 300, classes: int = 2, seed: int = 0, noise: float = 1.0) -> ScoredRows:
    generator = np.random.default_rng(seed)
    truth = np.random.default_rng(0).integers(0, classes, n)
    score = np.exp(2 * np.eye(classes)[truth] + noise * generator.normal(size=(n, classes)).round(1))
    probability = score / score.sum(axis=1, keepdims=True)
    return ScoredRows(truth, probability.argmax(axis=1), tuple("abcdef"[:classes]), probability)


def expected(name: str, scored: ScoredRows, weights: Any = None) -> float:
    if name in REGRESSION:
        return float(REGRESSION[name](scored.target, scored.prediction, sample_weight=weights))
    binary = len(scored.classes) == 2
    if name == "accuracy":
        return float(sk.accuracy_score(scored.target, scored.prediction, sample_weight=weights))
    if name in OF_CLASSES:
        average = "binary" if binary else "macro"
        return float(OF_CLASSES[name](scored.target, scored.prediction, average=average, sample_weight=weights))
    assert scored.probability is not None
    labels = range(len(scored.classes))
    if name == "log_loss":
        return float(sk.log_loss(scored.target, scored.probability, labels=labels, sample_weight=weights))
    score = scored.probability[:, 1] if binary else scored.probability
    return float(sk.roc_auc_score(scored.target, score, multi_class="ovr", sample_weight=weights))


SCORED = [regression(), classification(), classification(classes=4)]


@pytest.mark.parametrize("scored", SCORED, ids=["regression", "binary", "multiclass"])
def test_each_metric_is_scikit_learns(scored: ScoredRows) -> None:
    measured = measure_all(scored)
    assert list(measured) == list(quality_metrics(scored.task))
    theirs = {name: expected(name, scored) for name in measured}
    assert {name: m.value for name, m in measured.items()} == pytest.approx(theirs)


@pytest.mark.parametrize("scored", SCORED, ids=["regression", "binary", "multiclass"])
def test_each_resample_is_scikit_learns_with_these_weights(scored: ScoredRows) -> None:
    generator = np.random.default_rng(1)
    group, weights = np.arange(300) % 50, generator.integers(0, 3, (5, 50)).astype(float)
    for name in measure_all(scored):
        theirs = [expected(name, scored, of_group[group]) for of_group in weights]
        assert resampled_values(name, scored, group, weights).tolist() == pytest.approx(theirs), name


@given(arrays(np.float64, 20, elements=st.floats(-1e6, 1e6)), arrays(np.float64, 20, elements=st.floats(-1e6, 1e6)))
def test_whatever_is_measured_is_finite(truth: np.ndarray, answer: np.ndarray) -> None:
    measured = measure_all(ScoredRows(truth, answer))
    assert {"mse", "rmse", "mae"} <= set(measured)
    assert np.isfinite([m.value for m in measured.values()]).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_precision_and_recall_of_a_class_without_hits_are_zero(classes: int) -> None:
    names = tuple("abc"[:classes])
    never_predicted = ScoredRows(np.arange(classes), np.zeros(classes, int), names)
    never_true = ScoredRows(np.zeros(classes, int), np.arange(classes), names)
    for scored in (never_predicted, never_true):
        average = "binary" if classes == 2 else "macro"
        measured = measure_all(scored)
        for name in ("precision", "recall"):
            theirs = OF_CLASSES[name](scored.target, scored.prediction, average=average, zero_division=0)
            assert measured[name].value == pytest.approx(theirs)


def test_what_is_undefined_is_left_out() -> None:
    assert "r2" not in measure_all(ScoredRows(np.ones(5), np.zeros(5)))
    one_class = ScoredRows(np.zeros(5, int), np.zeros(5, int), ("a", "b"), np.tile([0.9, 0.1], (5, 1)))
    assert "roc_auc" not in measure_all(one_class)
    assert set(measure_all(ScoredRows(one_class.target, one_class.prediction, ("a", "b")))) == {"accuracy"}
    assert measure_all(ScoredRows(np.ones(0), np.ones(0))) == {}


@pytest.mark.parametrize("name", ["mse", "mae", "rmse", "accuracy", "log_loss"])
def test_a_standard_error_is_the_spread_over_repeated_samples(name: str) -> None:
    make = regression if name in REGRESSION else classification
    measured = [measure_all(make(400, seed=seed))[name] for seed in range(1, 201)]
    claimed = np.mean([m.standard_error for m in measured if m.standard_error is not None])
    assert claimed == pytest.approx(np.std([m.value for m in measured], ddof=1), rel=0.2)


@pytest.mark.parametrize("metric", COMPUTATIONS)
def test_a_version_is_no_worse_than_itself(metric: str) -> None:
    scored = regression() if metric in REGRESSION else classification()
    measured = estimate_worsening(metric, scored, scored, 0.95)
    assert (measured.estimate, measured.upper) == (0, 0)


@pytest.mark.parametrize("metric", COMPUTATIONS)
@pytest.mark.parametrize("n", [200, 5000])
def test_upper_bound_of_worsening_exceeds_its_estimate(metric: str, n: int) -> None:
    make = regression if metric in REGRESSION else classification
    good, bad = make(n=n, noise=1.0), make(n=n, noise=3.0, seed=1)
    worse, better = estimate_worsening(metric, bad, good, 0.95), estimate_worsening(metric, good, bad, 0.95)
    assert worse.upper > worse.estimate > 0
    assert better.estimate < better.upper < 0


def test_a_loss_worsens_by_a_share_and_a_score_by_a_difference() -> None:
    live, candidate = regression(noise=1.0), regression(noise=2.0)
    assert estimate_worsening("mse", candidate, live, 0.9).estimate == pytest.approx(3.0)
    difference = measure_all(live)["r2"].value - measure_all(candidate)["r2"].value
    assert estimate_worsening("r2", candidate, live, 0.9).estimate == pytest.approx(difference)
    assert "mse" in LOSSES and "r2" not in LOSSES


@pytest.mark.parametrize(("n", "groups"), [(150, 4096), (600, 100)])
def test_the_bound_covers_as_often_as_its_confidence(monkeypatch: pytest.MonkeyPatch, n: int, groups: int) -> None:
    """Two equally good versions: the true worsening of the mse is 0. Also where rows are resampled in groups."""
    monkeypatch.setattr("perennial_trainer.validation.bootstrap.MAX_GROUPS", groups)
    covered = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        truth = np.zeros(n)
        candidate, live = ScoredRows(truth, generator.normal(size=n)), ScoredRows(truth, generator.normal(size=n))
        covered += estimate_worsening("mse", candidate, live, 0.9, seed).upper >= 0
    assert 0.84 <= covered / 200 <= 0.96


def test_higher_confidence_gives_a_higher_bound() -> None:
    candidate, live = regression(seed=1), regression(seed=2)
    bounds = [estimate_worsening("mae", candidate, live, confidence).upper for confidence in (0.8, 0.95, 0.99)]
    assert bounds == sorted(bounds)
    assert estimate_worsening("mae", candidate, live, 0.8).upper == bounds[0]


@pytest.mark.parametrize(
    ("metric", "scored"),
    [
        ("mse", ScoredRows(np.ones(9), np.ones(9))),
        ("log_loss", ScoredRows(np.zeros(9, int), np.zeros(9, int), ("a", "b"))),
    ],
)
def test_what_cannot_be_compared_is_refused(metric: str, scored: ScoredRows) -> None:
    other = ScoredRows(scored.target, scored.prediction + 1.0) if metric == "mse" else scored
    with pytest.raises(RejectedTask, match=metric):
        estimate_worsening(metric, other, scored, 0.95)


@pytest.mark.parametrize("n", [2, 3, 4095, 4096, 4097, 9000])
def test_any_number_of_rows_is_bounded(n: int) -> None:
    measured = estimate_worsening("mae", regression(n, noise=2.0, seed=1), regression(n, seed=2), 0.95)
    assert np.isfinite(measured.upper)
