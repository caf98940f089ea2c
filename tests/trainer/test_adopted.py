"""An existing model becomes a version: nothing is fitted, and the same files, digests and pages are stored."""

import io
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from perennial_trainer.artifacts.model_file import load_model
from tests.trainer.tasks import (
    Frame,
    Json,
    Trainer,
    a_training,
    a_validation,
    a_version,
    breast_cancer,
    diabetes,
    iris,
    written,
)

NUMBERS = ["age", "bmi", "bp", "s1", "s5"]
FEATURES = {"numeric": NUMBERS, "categorical": []}
PATIENTS, FLOWERS, TUMOURS = diabetes(), iris(), breast_cancer()
FEW = {"verbosity": -1, "num_threads": 1}


def joblib_bytes(model: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return buffer.getvalue()


def lightgbm_bytes(model: lightgbm.Booster) -> bytes:
    return model.model_to_string().encode()


def scaled(columns: list[str] = NUMBERS) -> Any:
    return make_pipeline(StandardScaler(), LinearRegression()).fit(PATIENTS[columns], PATIENTS["target"])


def trees(rows: Any, target: Any, **parameters: Any) -> lightgbm.Booster:
    return lightgbm.train(FEW | parameters, lightgbm.Dataset(rows, target), 10)


def boosted(rows: Any, target: Any, **parameters: Any) -> bytes:
    return bytes(xgboost.train(parameters, xgboost.DMatrix(rows, target), 10).save_raw("json"))


def an_adoption(folder: Path, content: bytes, form: str, data: Frame, model: str = "diabetes", **changes: Any) -> Json:
    """A task that adopts these bytes as version 1 of a model of this data."""
    file = folder / f"existing.{form}"
    file.write_bytes(content)
    adopt = {"uri": file.as_uri(), "sha256": sha256(content).hexdigest(), "format": form}
    uri = written(data, folder / "data" / "rows.csv")
    changes = {"model__features": FEATURES, **changes} if model == "diabetes" else changes
    return a_training(uri, (folder / "v1").as_uri(), model, adopt=adopt, **changes)


CASES: dict[str, tuple[Callable[[], bytes], str, Callable[[], Any]]] = {
    "a Pipeline": (lambda: skops.io.dumps(scaled()), "skops", lambda: scaled().predict(PATIENTS[NUMBERS])),
    "fitted to unnamed columns": (
        lambda: skops.io.dumps(LinearRegression().fit(PATIENTS[NUMBERS].to_numpy(), PATIENTS["target"])),
        "skops",
        lambda: LinearRegression().fit(PATIENTS[NUMBERS], PATIENTS["target"]).predict(PATIENTS[NUMBERS]),
    ),
    "LightGBM": (
        lambda: lightgbm_bytes(trees(PATIENTS[NUMBERS], PATIENTS["target"])),
        "lightgbm",
        lambda: trees(PATIENTS[NUMBERS], PATIENTS["target"]).predict(PATIENTS[NUMBERS]),
    ),
    "XGBoost": (
        lambda: boosted(PATIENTS[NUMBERS], PATIENTS["target"]),
        "xgboost",
        lambda: xgboost.train({}, xgboost.DMatrix(PATIENTS[NUMBERS], PATIENTS["target"]), 10).predict(
            xgboost.DMatrix(PATIENTS[NUMBERS])
        ),
    ),
}


@pytest.mark.parametrize(("name", "stored_as"), [*((name, "skops") for name in CASES), ("a Pipeline", "joblib")])
def test_its_answers_are_those_of_the_file(trainer: Trainer, tmp_path: Path, name: str, stored_as: str) -> None:
    content, form, expected = CASES[name]
    task = an_adoption(tmp_path, content(), form, PATIENTS, model__format=stored_as)
    answer = trainer.done(task)
    loaded = load_model(answer["artifact"]["uri"], answer["artifact"]["sha256"])
    assert np.allclose(loaded.predict(PATIENTS[NUMBERS]), expected(), rtol=1e-6)
    assert answer["parameters"] == {} and "refit" not in answer and "blend" not in answer
    validated = trainer.done(a_validation(task, answer))
    assert validated["metrics"]["candidate"]["r2"] == pytest.approx(answer["metrics"]["r2"])


CLASSIFIERS: dict[str, tuple[Callable[[], bytes], str, Frame, str]] = {
    "two classes of LightGBM": (
        lambda: lightgbm_bytes(trees(TUMOURS.drop(columns="target"), TUMOURS["target"], objective="binary")),
        "lightgbm",
        TUMOURS,
        "breast_cancer",
    ),
    "three classes of LightGBM": (
        lambda: lightgbm_bytes(trees(FLOWERS.iloc[:, :4], as_numbers(FLOWERS), objective="multiclass", num_class=3)),
        "lightgbm",
        FLOWERS.assign(target=FLOWERS["target"].factorize()[0]),
        "iris",
    ),
    "three classes of XGBoost": (
        lambda: boosted(FLOWERS.iloc[:, :4], as_numbers(FLOWERS), objective="multi:softmax", num_class=3),
        "xgboost",
        FLOWERS.assign(target=FLOWERS["target"].factorize()[0]),
        "iris",
    ),
    "named classes": (
        lambda: skops.io.dumps(LogisticRegression(max_iter=500).fit(FLOWERS.iloc[:, :4], FLOWERS["target"])),
        "skops",
        FLOWERS,
        "iris",
    ),
}


def as_numbers(frame: Frame) -> Any:
    return frame["target"].factorize()[0]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_keeps_its_classes(trainer: Trainer, tmp_path: Path, name: str) -> None:
    content, form, data, model = CLASSIFIERS[name]
    answer = trainer.done(an_adoption(tmp_path, content(), form, data, model))
    assert answer["metrics"]["accuracy"] > 0.9
    assert "roc_auc" in answer["metrics"]


def test_that_it_may_know_its_holdout_is_said(trainer: Trainer, tmp_path: Path) -> None:
    content = skops.io.dumps(scaled())
    answer = trainer.done(an_adoption(tmp_path, content, "skops", PATIENTS))
    flatters = "it may have learned the rows of its holdout, so its metrics may flatter it"
    assert flatters in answer["message"] and flatters in answer["findings"][0]
    page, record = ((tmp_path / "v1" / name).read_text() for name in ("report.html", "metadata.json"))
    assert "StandardScaler, LinearRegression for regression" in page and "Ridge" not in page
    assert "so its metrics may flatter it" in page
    assert json.loads(record)["adopted"]["sha256"] == sha256(content).hexdigest()


def test_no_row_that_it_may_know_proves_its_successor(trainer: Trainer, tmp_path: Path) -> None:
    first = an_adoption(tmp_path, skops.io.dumps(scaled()), "skops", PATIENTS, data__timeColumn="day")
    live = a_version(trainer.done(first))
    second = first | {"version": "progression-v2", "storage": (tmp_path / "v2").as_uri(), "live": live}
    second = {name: value for name, value in second.items() if name != "adopt"} | {"blend": "fits"}
    trained = trainer.done(second)
    assert trained["blend"]["message"] == (
        "no blend: progression-v1 was adopted, and which rows it has learned is not known"
    )
    _, refused = trainer(a_validation(second, trained, live))
    assert refused["reason"] == "HoldoutTooSmall"


SKOPS = skops.io.dumps(scaled())
CODE = joblib_bytes(scaled())
REFUSALS: dict[str, tuple[bytes, str, Json, str, str]] = {
    "another digest": (b"not a model", "skops", {"adopt__sha256": "0" * 64}, "DigestMismatch", "give its digest"),
    "no file": (SKOPS, "skops", {"adopt__uri": "file:///none/model.skops"}, "AdoptedFileMissing", "does not exist"),
    "code": (CODE, "joblib", {}, "CodeNotAllowed", "PERENNIAL_ADOPT_JOBLIB"),
    "a class that is not listed": (
        skops.io.dumps(make_pipeline(MinMaxScaler(), LinearRegression()).fit(PATIENTS[NUMBERS], PATIENTS["target"])),
        "skops",
        {},
        "UntrustedArtifact",
        "MinMaxScaler",
    ),
    "another format": (SKOPS, "lightgbm", {}, "UnreadableArtifact", "begin with tree"),
    "nothing": (b"", "xgboost", {}, "UnreadableArtifact", "JSON or UBJSON"),
    "a classifier for a number": (
        skops.io.dumps(LogisticRegression(max_iter=500).fit(FLOWERS.iloc[:, :4], FLOWERS["target"])),
        "skops",
        {},
        "EstimatorOfOtherTask",
        "does no regression",
    ),
    "no estimator": (joblib_bytes({"a": 1}), "joblib", {"adopt__allowCode": True}, "EstimatorOfOtherTask", "a dict"),
    "other features": (
        skops.io.dumps(scaled(["age", "bmi"])),
        "skops",
        {},
        "AdoptedDoesNotFit",
        "model.features, which are age, bmi, bp, s1, s5",
    ),
    "another order of features": (
        lightgbm_bytes(trees(PATIENTS[NUMBERS[::-1]], PATIENTS["target"])),
        "lightgbm",
        {},
        "AdoptedDoesNotFit",
        "it was fitted to s5, s1, bp, bmi, age",
    ),
    "fewer features without names": (
        lightgbm_bytes(trees(PATIENTS[NUMBERS[:2]].to_numpy(), PATIENTS["target"])),
        "lightgbm",
        {},
        "AdoptedDoesNotFit",
        "in its order",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_adopted_is_refused(trainer: Trainer, tmp_path: Path, name: str) -> None:
    content, form, changes, reason, text = REFUSALS[name]
    task = an_adoption(tmp_path, content, form, PATIENTS)
    for path, value in changes.items():
        task["adopt"][path.partition("__")[2]] = value
    code, answer = trainer(task)
    assert (code, answer["reason"]) == (3, reason), answer
    assert text in answer["message"]
    assert not (tmp_path / "v1").exists()


def test_classes_of_another_name_are_refused(trainer: Trainer, tmp_path: Path) -> None:
    """LightGBM's file has places, not names: to guess them could serve one class as another."""
    content = lightgbm_bytes(trees(FLOWERS.iloc[:, :4], as_numbers(FLOWERS), objective="multiclass", num_class=3))
    _, answer = trainer(an_adoption(tmp_path, content, "lightgbm", FLOWERS, "iris"))
    assert answer["reason"] == "AdoptedDoesNotFit"
    assert "it knows the classes 0, 1, 2, and the rows have setosa, versicolor, virginica" in answer["message"]


def test_code_runs_only_where_it_is_allowed(trainer: Trainer, tmp_path: Path) -> None:
    task = an_adoption(tmp_path, CODE, "joblib", PATIENTS)
    task["adopt"]["allowCode"] = True
    assert trainer.done(task)["metrics"]["r2"] > 0.3


@pytest.mark.parametrize("changes", [{"live": {"name": "v1", "uri": "file:///m", "sha256": "0" * 64}}])
def test_only_a_first_version_is_adopted(trainer: Trainer, tmp_path: Path, changes: Json) -> None:
    _, answer = trainer(an_adoption(tmp_path, SKOPS, "skops", PATIENTS) | changes)
    assert answer["reason"] == "InvalidTask" and "first version" in answer["message"]
