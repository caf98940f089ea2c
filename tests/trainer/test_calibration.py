"""Where it is asked for, a classifier's probabilities are calibrated on its training rows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial_trainer.artifacts.model_file import load_model
from perennial_trainer.contract.task import Features, Model
from perennial_trainer.data.rows import Rows, convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.models.calibration import calibrate
from perennial_trainer.models.estimators import build_estimator
from perennial_trainer.models.pipeline import build_pipeline, fit
from tests.trainer.tasks import Frame, Json, Trainer, a_training, breast_cancer, iris, written

BAYES = "sklearn.naive_bayes.GaussianNB"  # which is far too sure of itself where features say the same thing twice
CANCER = breast_cancer().assign(day=lambda f: pd.date_range("2026-01-01", periods=len(f), freq="h", tz="UTC"))


class Hospital:
    def __init__(self, trainer: Trainer, folder: Path) -> None:
        self.trainer, self.folder = trainer, folder

    def task(self, name: str, frame: Frame = CANCER, model: str = "breast_cancer", **changes: Any) -> Json:
        uri = written(frame, self.folder / f"data-{name}" / "a.parquet")
        changes = {"model__estimator": BAYES} | changes
        return a_training(uri, (self.folder / name).as_uri(), model, **changes)

    def metrics(self, name: str, **changes: Any) -> dict[str, float]:
        metrics: dict[str, float] = self.trainer.done(self.task(name, **changes))["metrics"]
        return metrics


@pytest.fixture
def hospital(trainer: Trainer, tmp_path: Path) -> Hospital:
    return Hospital(trainer, tmp_path)


@pytest.mark.parametrize(
    ("method", "time", "stored_as"),
    [
        ("sigmoid", {}, "joblib"),
        ("isotonic", {}, "skops"),
        ("sigmoid", {"data__timeColumn": "day"}, "skops"),
        ("isotonic", {"data__timeColumn": "day"}, "joblib"),
    ],
)
def test_calibrated_probabilities_are_nearer_to_what_comes_true(
    hospital: Hospital, method: str, time: Json, stored_as: str
) -> None:
    plain = hospital.metrics("plain", **time)
    metrics = hospital.metrics("calibrated", calibration=method, model__format=stored_as, **time)
    assert metrics["log_loss"] < 0.7 * plain["log_loss"]
    assert metrics["roc_auc"] > plain["roc_auc"] - 0.02


def test_a_classifier_without_probabilities_gets_some(hospital: Hospital) -> None:
    svc = {"model__estimator": "sklearn.svm.LinearSVC"}
    assert "log_loss" not in hospital.metrics("plain", **svc)
    metrics = hospital.metrics("calibrated", calibration="sigmoid", **svc)
    assert metrics["log_loss"] < 0.3


def test_calibration_works_with_a_search(hospital: Hospital) -> None:
    search = {"method": "grid", "space": {"var_smoothing": [1e-9, 1e-3]}, "folds": 3, "iterations": 2}
    answer = hospital.trainer.done(hospital.task("v1", calibration="isotonic", search=search))
    assert set(answer["parameters"]) == {"var_smoothing"}
    assert json.loads((hospital.folder / "v1" / "metadata.json").read_text())["calibration"] == "isotonic"
    assert "isotonic" in (hospital.folder / "v1" / "report.html").read_text()
    model = load_model(answer["artifact"]["uri"], answer["artifact"]["sha256"])
    assert model[-1].calibrated_classifiers_[0].estimator.var_smoothing == answer["parameters"]["var_smoothing"]


def test_the_same_data_give_the_same_calibrated_bytes(hospital: Hospital) -> None:
    forest = {"model__estimator": "sklearn.ensemble.RandomForestClassifier", "model__parameters": {"n_estimators": 9}}
    task = hospital.task("v1", calibration="isotonic", **forest)
    assert hospital.trainer.done(task)["artifact"] == hospital.trainer.done(task)["artifact"]


def rows(time: str | None) -> Rows:
    features = Features(numeric=("mean radius", "mean texture"), categorical=())
    return convert_rows(CANCER, Columns(features, "target", "classification", time))


def classifier(estimator: str = BAYES) -> Any:
    return build_estimator(
        Model(
            framework="sklearn",
            format="joblib",
            estimator=estimator,
            parameters={},
            task="classification",
            features=rows(None).columns.features,
            target="target",
        )
    )


def test_folds_are_stretches_of_time_where_there_is_one() -> None:
    by_time, without = rows("day"), rows(None)
    folds = [
        list(calibrate(classifier(), "sigmoid", each).cv.split(each.features, each.target))
        for each in (by_time, without)
    ]
    ones = np.flatnonzero(by_time.target == "1")
    ordered, shuffled = (
        [np.searchsorted(ones, np.intersect1d(ones, holdout)) for _, holdout in some] for some in folds
    )
    assert all((np.diff(places) == 1).all() for places in ordered)
    assert not any((np.diff(places) == 1).all() for places in shuffled)


def test_the_map_is_learned_from_training_rows_alone() -> None:
    some = rows(None).take(np.arange(300))
    pipeline = fit(build_pipeline(calibrate(classifier(), "sigmoid", some), some.columns.features), some)
    assert len(pipeline[-1].calibrated_classifiers_) == 1  # one model to serve, fitted to every row
    np.testing.assert_allclose(pipeline[-1].calibrated_classifiers_[0].estimator.class_count_.sum(), 300)


def test_too_few_rows_of_a_class_are_refused(hospital: Hospital) -> None:
    code, answer = hospital.trainer(hospital.task("v1", iris().head(103), "iris", calibration="sigmoid"))
    assert (code, answer["reason"]) == (3, "TooFewToCalibrate"), answer
    for words in ("class virginica", "target", "needs 5", "collect more rows"):
        assert words in answer["message"]
    assert not (hospital.folder / "v1").exists()
