"""The refit: the proven recipe, fitted to the holdout too, and what its guards are judged by."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial_trainer.artifacts.model_file import load_model
from tests.trainer.tasks import (
    ABSENT,
    Frame,
    Json,
    Trainer,
    a_check,
    a_model,
    a_training,
    a_validation,
    a_version,
    breast_cancer,
    changed,
    diabetes,
    written,
)

BY_TIME = {"data__timeColumn": "day", "refit": True}


class Clinic:
    """Trains versions on rows of patients, each with a refit."""

    def __init__(self, trainer: Trainer, folder: Path) -> None:
        self.trainer, self.folder = trainer, folder

    def task(self, frame: Frame, name: str = "v1", **changes: Any) -> Json:
        uri = written(frame, self.folder / f"data-{name}" / "a.parquet")
        task = a_training(uri, (self.folder / name).as_uri(), version=name, **BY_TIME | changes)
        return task if task["data"]["timeColumn"] else changed(task, data__timeColumn=ABSENT)

    def train(self, frame: Frame, name: str = "v1", **changes: Any) -> Json:
        return self.trainer.done(self.task(frame, name, **changes))

    def validate(self, training: Json, trained: Json, live: Json | None = None, **changes: Any) -> Json:
        refit = a_version({"artifact": trained["refit"]["artifact"]}, training["version"])
        return self.trainer.done(a_validation(training, trained, live, refit=refit, **changes))


@pytest.fixture
def clinic(trainer: Trainer, tmp_path: Path) -> Clinic:
    return Clinic(trainer, tmp_path)


def the_refit(trained: Json, name: str = "v1") -> Json:
    return a_version({"artifact": trained["refit"]["artifact"]}, name)


def test_refit_learns_the_holdout_and_changes_no_other_file(clinic: Clinic) -> None:
    trained = clinic.train(diabetes())
    files = {each.name: each.read_bytes() for each in (clinic.folder / "v1").iterdir()}
    shutil.rmtree(clinic.folder / "v1")
    without = clinic.train(diabetes(), refit=False)
    assert trained["artifact"]["sha256"] == without["artifact"]["sha256"] and trained["metrics"] == without["metrics"]
    assert (trained["data"]["rows"], trained["refit"]["rows"]) == (354, 442)
    assert trained["refit"]["message"] == "fitted again to 442 rows, the holdout included"
    same = {each.name for each in (clinic.folder / "v1").iterdir() if files[each.name] == each.read_bytes()}
    assert files.keys() - same == {
        "refit.joblib",
        "refit.npz",
        "refit-rows.npy",
        "metadata.json",
        "metrics.json",
        "profile.json",
        "report.html",
    }
    listed = json.loads(files["metadata.json"])["files"]
    assert listed["refit.joblib"]["sha256"] == trained["refit"]["artifact"]["sha256"]
    assert len(np.load(clinic.folder / "v1" / "rows.npy")) == 354


def test_without_a_time_column_there_is_none(clinic: Clinic) -> None:
    trained = clinic.train(diabetes(), data__timeColumn=None)
    assert trained["refit"] == {"message": "without data.timeColumn the same rows stay in the holdout of every version"}
    assert not (clinic.folder / "v1" / "refit.joblib").exists()


@pytest.mark.parametrize(
    ("estimator", "parameters", "expected"),
    [
        ("sklearn.ensemble.HistGradientBoostingRegressor", {"early_stopping": True}, {"early_stopping": False}),
        ("sklearn.ensemble.HistGradientBoostingRegressor", {"max_iter": 7}, {"early_stopping": False, "max_iter": 7}),
        ("sklearn.ensemble.GradientBoostingRegressor", {"n_iter_no_change": 2}, {"n_iter_no_change": None}),
        ("sklearn.linear_model.SGDRegressor", {"early_stopping": True}, {"early_stopping": False, "tol": None}),
        (
            "sklearn.neural_network.MLPRegressor",
            {"early_stopping": True, "learning_rate_init": 0.1},
            {"early_stopping": False},
        ),
        ("sklearn.linear_model.Ridge", {"alpha": 2.0}, {"alpha": 2.0}),
    ],
)
def test_iterations_are_those_of_the_proven_model(
    clinic: Clinic, estimator: str, parameters: Json, expected: Json
) -> None:
    trained = clinic.train(diabetes(), model__estimator=estimator, model__parameters=parameters)
    proven, refit = fitted(trained["artifact"]), fitted(trained["refit"]["artifact"])
    assert expected.items() <= refit.get_params().items()
    done = [iterations(each) for each in (proven, refit)]
    assert done[0] == done[1], done


def fitted(artifact: Json) -> Any:
    return load_model(artifact["uri"], artifact["sha256"])[-1]


def iterations(estimator: Any) -> int | None:
    if getattr(estimator, "validation_scores_", None):
        return int(np.argmax(estimator.validation_scores_)) + 1  # the weights of its best epoch
    if hasattr(estimator, "n_estimators_"):
        return int(estimator.n_estimators_)
    return getattr(estimator, "n_iter_", None)


def test_calibrated_model_is_fitted_again_with_its_iterations(clinic: Clinic) -> None:
    rows = breast_cancer().assign(day=pd.date_range("2026-01-01", periods=569, freq="h", tz="UTC"))
    model = a_model("breast_cancer") | {
        "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
        "parameters": {"early_stopping": True, "n_iter_no_change": 1},
    }
    task = clinic.task(rows, calibration="sigmoid") | {"model": model}
    trained = clinic.trainer.done(task)
    models = [fitted(each).calibrated_classifiers_ for each in (trained["artifact"], trained["refit"]["artifact"])]
    done = [int(each.estimator.n_iter_) for (each,) in models]
    assert done[0] == done[1] < 100


def test_window_of_the_proven_model_grows_by_the_holdout(clinic: Clinic) -> None:
    trained = clinic.train(diabetes(), data__window=100)
    assert (trained["data"]["rows"], trained["refit"]["rows"]) == (80, 100)


def test_holdout_is_compared_with_the_training_rows(clinic: Clinic) -> None:
    frame = diabetes()
    frame.loc[frame.index[-44:], "bmi"] = None
    frame["sex"] = frame["sex"].astype(str)
    frame.loc[frame.index[-11:], "sex"] = "other"
    trained = clinic.train(frame, data__cleaning__missing="impute")
    quality = {each["name"]: (each["feature"], round(each["value"], 3)) for each in trained["refit"]["quality"]}
    assert quality == {"missing_increase": ("bmi", 0.5), "new_share": ("sex", 0.125)}


def test_validation_measures_both_models_on_the_same_rows(clinic: Clinic) -> None:
    training = clinic.task(diabetes())
    trained = clinic.trainer.done(training)
    plain = clinic.trainer.done(a_validation(training, trained))
    result = clinic.validate(training, trained)
    measured = result.pop("refit")
    assert result == plain and result["metrics"]["candidate"] == trained["metrics"]
    assert measured["metrics"]["mse"] < result["metrics"]["candidate"]["mse"]
    assert 0 < measured["difference"] < measured["error"]
    assert measured["error"] == pytest.approx(1 - result["metrics"]["candidate"]["r2"])
    page = (clinic.folder / "v1" / "validation.html").read_text()
    assert "The refit on the same rows, which it has learned" in page


def test_next_gate_uses_rows_newer_than_the_refit(clinic: Clinic) -> None:
    first = clinic.train(diabetes().head(390))
    training = clinic.task(diabetes(), "v2")
    second = clinic.trainer.done(training)
    by_proven, by_refit = (
        clinic.validate(training, second, a_version({"artifact": each}, "v1"))
        for each in (first["artifact"], first["refit"]["artifact"])
    )
    assert (by_proven["holdoutRows"], by_refit["holdoutRows"]) == (88, 52)
    few = clinic.train(diabetes().head(390), "v0", model__features__numeric=["age", "bmi"])
    assert clinic.validate(training, second, the_refit(few, "v0"))["holdoutRows"] == 52  # by time: it has other columns


def test_changed_refit_file_is_not_loaded(clinic: Clinic) -> None:
    training = clinic.task(diabetes())
    trained = clinic.trainer.done(training)
    (clinic.folder / "v1" / "refit.joblib").write_bytes(b"other")
    code, answer = clinic.trainer(a_validation(training, trained, refit=the_refit(trained)))
    assert (code, answer["reason"]) == (3, "DigestMismatch")


def test_check_of_the_holdout_repeats_the_proven_metrics(clinic: Clinic) -> None:
    training = clinic.task(diabetes())
    trained = clinic.trainer.done(training)
    holdout = Path(clinic.folder / "v1" / "holdout.parquet").as_uri()
    answer = clinic.trainer.done(a_check(training, trained, holdout))
    measured = {each["name"]: each["value"] for each in answer["metrics"]}
    assert trained["metrics"].items() <= measured.items()
    of_refit = clinic.trainer.done(a_check(training, trained, holdout, live=the_refit(trained)))
    assert next(each["value"] for each in of_refit["metrics"] if each["name"] == "mse") < trained["metrics"]["mse"]
