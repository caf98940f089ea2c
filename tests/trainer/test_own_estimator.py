"""The package of docs/own-estimator.md goes from a training to a second version, and nothing else is imported."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.models.estimators import build_estimator
from perennial_trainer.models.frameworks.entry_points import ALLOWED
from tests.trainer.own_package import ESTIMATOR, MODULE, PACKAGE, image_with_package
from tests.trainer.tasks import Json, Trainer, a_check, a_training, a_validation, a_version, diabetes, written
from tests.trainer.test_estimators import a_described

UNSUITABLE = """
from acme_estimators import TrimmedRegression
class Keywords(TrimmedRegression):
    def __init__(self, **more): ...
class Alone:
    def fit(self, X, y): ...
from sklearn.base import BaseEstimator
class Unfinished(BaseEstimator):
    def fit(self, X, y): ...
"""


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    named = {
        "broken": "absent:Class",
        "value": "unsuitable:UNKNOWN",
        "keywords": "unsuitable:Keywords",
        "alone": "unsuitable:Alone",
        "unfinished": "unsuitable:Unfinished",
    }
    with image_with_package(tmp_path / "package", monkeypatch, {"estimator": named}, UNSUITABLE) as patched:
        yield patched


def test_documented_package_goes_to_a_second_version(trainer: Trainer, tmp_path: Path, image: Any) -> None:
    patients, recent = diabetes(), tmp_path / "recent"
    search = {"method": "grid", "space": {"share": [0.0, 0.2]}, "folds": 3, "iterations": 2}
    trained: list[tuple[Json, Json]] = []
    for number, rows in ((1, 360), (2, 442)):
        uri = written(patients.head(rows), tmp_path / f"data{number}" / "a.csv")
        storage = (tmp_path / f"v{number}").as_uri()
        task = a_training(uri, storage, model__estimator=ESTIMATOR, search=search, data__timeColumn="day", refit=True)
        task |= {"version": f"progression-v{number}"}
        answer = trainer.done(task)
        live = a_version(trained[0][1]) if trained else None
        validated = trainer.done(a_validation(task, answer, live))
        assert validated["metrics"]["candidate"]["r2"] > 0.2
        assert ("live" in validated["metrics"]) == (number == 2)
        trained.append((task, answer))
    task, answer = trained[1]
    checked = trainer.done(a_check(task, answer, written(patients.tail(100), recent / "a.csv")))
    assert checked["samples"] == 100
    metadata = json.loads((tmp_path / "v2" / "metadata.json").read_text())
    assert metadata["libraries"][PACKAGE] == "1.0"
    assert ESTIMATOR in (tmp_path / "v2" / "report.html").read_text()


@pytest.mark.parametrize(
    ("estimator", "changes", "reason", "words"),
    [
        (ESTIMATOR, {ALLOWED: "other"}, "PackageNotAllowed", [ESTIMATOR, "allowedPackages", ALLOWED]),
        (ESTIMATOR, {ALLOWED: ""}, "PackageNotAllowed", ["administrator"]),
        ("other:any", {}, "FrameworkNotInstalled", ["package other", "training.pod.image"]),
        (f"{PACKAGE}:trimmed", {}, "UnknownEstimator", ["trimmed-regression"]),
        (f"{PACKAGE}:broken", {}, "FrameworkNotInstalled", ["absent:Class", "No module named 'absent'"]),
        (f"{PACKAGE}:value", {}, "FrameworkNotInstalled", ["unsuitable:UNKNOWN"]),
        (f"{PACKAGE}:keywords", {}, "UnknownEstimator", ["**kwargs"]),
        (f"{PACKAGE}:alone", {}, "UnknownEstimator", ["BaseEstimator"]),
        (f"{PACKAGE}:unfinished", {}, "UnknownEstimator", ["predict"]),
    ],
)
def test_refusal_names_the_package_and_the_fix(
    image: pytest.MonkeyPatch, estimator: str, changes: dict[str, str], reason: str, words: list[str]
) -> None:
    for name, value in changes.items():
        image.setenv(name, value)
    bag = {"estimator": {"estimator": estimator}}
    for model, field in (
        (a_described(estimator, {}), "model.estimator"),
        (a_described("sklearn.ensemble.BaggingRegressor", bag), "model.parameters.estimator.estimator"),
    ):
        with pytest.raises(RejectedTask) as refused:
            build_estimator(model)
        assert refused.value.reason == reason
        assert [word for word in [field, *words] if word not in str(refused.value)] == [], str(refused.value)
    if reason == "PackageNotAllowed":
        assert MODULE not in sys.modules


@pytest.mark.parametrize(
    ("parameters", "changes", "reason", "words"),
    [
        ({"shar": 0.1}, {}, "InvalidParameter", ["shar", "share"]),
        ({}, {"format": "skops"}, "UntrustedArtifact", ["skops", "joblib"]),
        ({}, {"task": "classification"}, "EstimatorOfOtherTask", ["classification"]),
        ({"share": 0.7}, {}, "FitFailed", ["give a number from 0 to 0.5"]),
    ],
)
def test_own_estimator_is_held_to_the_same_rules(
    trainer: Trainer, tmp_path: Path, image: Any, parameters: Json, changes: Json, reason: str, words: list[str]
) -> None:
    uri = written(diabetes(), tmp_path / "data" / "a.csv")
    task = a_training(uri, (tmp_path / "v1").as_uri(), model__estimator=ESTIMATOR, model__parameters=parameters)
    task["model"] |= changes
    code, answer = trainer(task)
    assert (code, answer["reason"]) == (3, reason), answer
    assert [word for word in words if word not in answer["message"]] == [], answer["message"]


def test_image_without_the_package_says_what_is_missing(
    trainer: Trainer, tmp_path: Path, image: pytest.MonkeyPatch
) -> None:
    task = a_training(
        written(diabetes(), tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri(), model__estimator=ESTIMATOR
    )
    answer = trainer.done(task)
    image.undo()
    sys.modules.pop(MODULE)
    trainer = Trainer(tmp_path, image)
    code, refused = trainer(a_validation(task, answer))
    assert (code, refused["reason"]) == (3, "FrameworkNotInstalled"), refused
    assert f"needs the module {MODULE}" in refused["message"]
