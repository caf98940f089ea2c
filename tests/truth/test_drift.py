"""A drift check of plausible data says what is true of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial_trainer.drift.column_drift import column_statistics
from perennial_trainer.drift.histogram import empty_histogram
from perennial_trainer.profiling.columns import profile_column
from tests.trainer.tasks import Frame, Json, Trainer, a_check, a_training, written

Numbers = np.ndarray[Any, np.dtype[np.float64]]


def psi(old: Numbers, new: Numbers) -> float:
    recent = empty_histogram(profile_column(pd.Series(old)))
    recent.add(new)
    return column_statistics(recent, len(old))["psi"]


def zeros(generator: np.random.Generator, size: int) -> Numbers:
    return np.where(generator.random(size) < 0.92, 0.0, generator.gamma(2, size=size))


def with_code(values: Numbers, generator: np.random.Generator, code: float) -> Numbers:
    return np.where(generator.random(len(values)) < 0.03, code, values)


@pytest.mark.parametrize(
    ("made", "change"),
    [
        (zeros, lambda values, _: values * 100),
        (lambda g, n: g.normal(size=n), lambda v, _: np.where(v > np.quantile(v, 0.9), v * 1000, v)),
        (lambda g, n: g.normal(size=n), lambda v, g: with_code(v, g, -999.0)),
        (lambda g, n: g.gamma(2, size=n), lambda v, g: with_code(v, g, 1e6)),
        (
            lambda g, n: np.where(g.random(n) < 0.5, 100.0, g.uniform(0, 100, n)),
            lambda v, _: np.where(v < 100, v / 3, v),
        ),
    ],
    ids=["rest x100", "top decile x1000", "code below", "code above", "rest beside a frequent maximum"],
)
def test_psi_detects_outliers_and_values_beside_a_frequent_one(
    made: Callable[[np.random.Generator, int], Numbers], change: Callable[[Numbers, np.random.Generator], Numbers]
) -> None:
    """Kind 13."""
    generator = np.random.default_rng(0)
    old, new = made(generator, 5000), made(generator, 5000)
    assert psi(old, new) < 0.02
    assert psi(old, change(new, generator)) > 0.2


def of_category(metrics: list[Json], name: str) -> dict[str | None, Json]:
    return {each.get("feature"): each for each in metrics if each["name"] == name}


def trained_and_checked(
    trainer: Trainer, folder: Path, frame: Frame, recent: Frame, numeric: list[str], thresholds: list[Json], **more: Any
) -> Json:
    training = a_training(written(frame, folder / "data" / "a.parquet"), (folder / "v1").as_uri(), **more)
    training["model"]["features"] = {"numeric": numeric, "categorical": []}
    training["model"]["target"] = "y"
    trained = trainer.done(training)
    check = a_check(training, trained, written(recent, folder / "recent" / "a.parquet"))
    return trainer.done({**check, "thresholds": thresholds})


def test_prediction_psi_of_a_rare_class_sees_the_probabilities(trainer: Trainer, tmp_path: Path) -> None:
    """Kind 10: 1.1 % positives, six features shifted by 0.3 standard deviations."""
    generator = np.random.default_rng(1)
    names = [f"x{i}" for i in range(6)]

    def made(shift: float) -> Frame:
        x = generator.normal(size=(6000, 6))
        rare = generator.random(6000) < 1 / (1 + np.exp(5.6 - 0.6 * x.sum(axis=1)))
        return pd.DataFrame(x + shift, columns=names).assign(y=rare.astype(int))

    threshold = {"metric": "prediction_psi", "max": 0.2}
    answer = trained_and_checked(
        trainer, tmp_path, made(0), made(0.3), names, [threshold],
        model__task="classification", model__estimator="sklearn.linear_model.LogisticRegression", model__parameters={},
    )  # fmt: skip
    first = answer["metrics"][0]
    assert first["name"] == "prediction_psi"
    assert first["value"] > 0.2
    assert first["chance"] < 0.005


@pytest.mark.parametrize("metric", ["ks_p", "ks", "wasserstein", "js"])
def test_what_a_threshold_names_comes_first_whatever_the_width(trainer: Trainer, tmp_path: Path, metric: str) -> None:
    """Kind 3 (a): 150 features, one sensor stuck."""
    generator = np.random.default_rng(2)
    names = [f"sensor_{i:03}" for i in range(150)]
    frame = pd.DataFrame(generator.normal(size=(400, 150)), columns=names)
    frame["y"] = frame["sensor_000"] + generator.normal(size=400) / 10
    recent = frame.assign(sensor_077=0.5)
    limit = {"min": 0.05} if metric == "ks_p" else {"max": 0.2}
    thresholds = [{"metric": metric, **limit}, {"metric": metric, "features": ["sensor_003"], **limit}]
    answer = trained_and_checked(trainer, tmp_path, frame, recent, names, thresholds)
    assert [(each["name"], each["feature"]) for each in answer["metrics"][:2]] == [
        (metric, "sensor_077"),
        (metric, "sensor_003"),
    ]
    assert answer["metrics"][0]["chance"] <= 0.005
    assert "chance" not in answer["metrics"][1] or answer["metrics"][1]["chance"] > 0.005


def test_a_threshold_that_cannot_be_measured_is_named(trainer: Trainer, tmp_path: Path) -> None:
    """Kind 3 (b): labels come late, so no row of the window has a target."""
    generator = np.random.default_rng(3)
    frame = pd.DataFrame(generator.normal(size=(400, 2)), columns=["a", "b"]).assign(y=lambda f: f["a"] + f["b"])
    thresholds = [{"metric": "mse"}, {"metric": "psi", "max": 0.2}, {"metric": "chi2", "max": 3.0}, {"metric": "mine"}]
    answer = trained_and_checked(trainer, tmp_path, frame, frame.drop(columns="y"), ["a", "b"], thresholds)
    reasons = {each["metric"]: each["reason"] for each in answer["notMeasured"]}
    assert set(reasons) == {"mse", "chi2", "mine"}
    assert reasons["mse"] == "no row of the window has a target"


def test_5000_features_are_checked_and_the_named_one_breaches(trainer: Trainer, tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    names = [f"spectrum_{i:04}" for i in range(5000)]
    frame = pd.DataFrame(generator.normal(size=(300, 5000)), columns=names).assign(y=lambda f: f[names[:3]].sum(axis=1))
    recent = frame.assign(spectrum_4321=lambda f: f["spectrum_4321"] + 3)
    thresholds = [{"metric": "psi", "max": 0.2, "features": ["spectrum_4321"]}, {"metric": "drifted_share", "max": 0.5}]
    answer = trained_and_checked(trainer, tmp_path, frame, recent, names, thresholds)
    first, second = answer["metrics"][:2]
    assert (first["name"], first["feature"]) == ("psi", "spectrum_4321")
    assert first["chance"] < 0.005
    assert (second["name"], second["value"]) == ("drifted_share", pytest.approx(1 / 5000, abs=1e-6))
    assert answer["omitted"] > 4000


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_named_feature_without_a_value_is_not_measured(trainer: Trainer, tmp_path: Path, suffix: str) -> None:
    """Kind 3: a has a value, and b is missing in all recent rows."""
    generator = np.random.default_rng(1)
    frame = pd.DataFrame({"a": generator.normal(size=500), "b": generator.normal(size=500)})
    frame["y"] = frame["a"] + generator.normal(size=500)
    task = a_training(written(frame, tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri())
    task["model"] |= {"target": "y", "features": {"numeric": ["a", "b"], "categorical": []}}
    trained = trainer.done(task)
    uri = written(frame.assign(b=np.nan), tmp_path / "recent" / f"a.{suffix}")
    limit = {"metric": "ks", "max": 0.2, "features": ["a", "b"]}
    checked = trainer.done(a_check(task, trained, uri, thresholds=[limit]))
    assert checked["notMeasured"] == [{"metric": "ks", "reason": "it is not defined for these rows of b"}]
    assert [each["feature"] for each in checked["metrics"] if each["name"] == "ks"] == ["a"]
