"""Keras's networks, from the task to the server. `make test-keras` runs these where Keras is installed."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial_trainer.artifacts.model_file import load_model
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Features
from perennial_trainer.data import conversion
from perennial_trainer.models.frameworks import keras_layers as layers
from perennial_trainer.storage.digest import sha256_digest
from tests.serve.processes import free_port, running, until
from tests.stage import ROOT
from tests.trainer.tasks import (
    Json,
    Trainer,
    a_check,
    a_training,
    a_validation,
    a_version,
    breast_cancer,
    diabetes,
    iris,
    written,
)

keras = pytest.importorskip("keras", reason="Keras is not installed here; make test-keras runs this file")

NETWORK: Json = {
    "layers": [{"class": "Dense", "units": 32}, {"class": "BatchNormalization"}, {"class": "Dropout", "rate": 0.1}],
    "epochs": 40,
    "batch_size": 16,
    "learning_rate": 0.01,
}
KERAS = {"model__framework": "keras", "model__estimator": "keras.Sequential"}


def a_network(uri: str, storage: Path, model: str = "diabetes", **changes: Any) -> Json:
    parameters = {"model__parameters": NETWORK} | changes
    return a_training(uri, storage.as_uri(), model, **(KERAS | parameters))


def test_a_network_is_trained_validated_and_checked(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(diabetes(), tmp_path / "data" / "patients.csv")
    task = a_network(uri, tmp_path / "v1")
    trained = trainer.done(task)
    assert trained["metrics"]["r2"] > 0.3
    assert trained["artifact"]["uri"].endswith("/model.keras")

    second = a_network(uri, tmp_path / "v2", version="progression-v2", model__parameters=NETWORK | {"epochs": 30})
    candidate = trainer.done(second)
    against = {"metric": "mse", "confidence": 0.95}
    validated = trainer.done(a_validation(second, candidate, a_version(trained), against=against))
    assert validated["metrics"] == {"candidate": candidate["metrics"], "live": trained["metrics"]}

    checked = trainer.done(a_check(task, trained, uri))
    assert {metric["name"] for metric in checked["metrics"]} >= {"mse", "psi"}


def test_network_and_linear_model_are_compared_on_same_rows(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(diabetes(), tmp_path / "data" / "patients.csv")
    live = trainer.done(a_training(uri, (tmp_path / "v1").as_uri()))
    task = a_network(uri, tmp_path / "v2", version="progression-v2")
    candidate = trainer.done(task)
    against = {"metric": "mse", "confidence": 0.95}
    answer = trainer.done(a_validation(task, candidate, a_version(live), against=against))
    assert answer["metrics"] == {"candidate": candidate["metrics"], "live": live["metrics"]}


@pytest.mark.parametrize(("model", "frame", "classes"), [("iris", iris(), 3), ("breast_cancer", breast_cancer(), 2)])
def test_a_network_tells_classes_and_how_sure_it_is(
    trainer: Trainer, tmp_path: Path, model: str, frame: pd.DataFrame, classes: int
) -> None:
    trained = trainer.done(a_network(written(frame, tmp_path / "data" / "a.csv"), tmp_path / "v1", model))
    assert trained["metrics"]["accuracy"] > 0.9
    assert trained["metrics"]["roc_auc"] > 0.95
    pipeline = load_model(trained["artifact"]["uri"], trained["artifact"]["sha256"])
    assert sorted(pipeline.classes_) == sorted(frame["target"].unique())
    probability = pipeline.predict_proba(frame)
    assert probability.shape == (len(frame), classes)
    assert probability.sum(axis=1) == pytest.approx(np.ones(len(frame)), abs=1e-5)


def test_the_same_data_make_the_same_bytes_in_every_process(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(diabetes(), tmp_path / "data" / "patients.csv")
    here = trainer.done(a_network(uri, tmp_path / "v1"))
    result = tmp_path / "result"
    task = json.dumps(a_network(uri, tmp_path / "v2"))
    environment = os.environ | {"PERENNIAL_TASK": task, "PERENNIAL_RESULT": str(result)}
    environment["PYTHONPATH"] = str(ROOT / "trainer")
    subprocess.run([sys.executable, "-m", "perennial_trainer"], env=environment, check=True, capture_output=True)
    assert json.loads(result.read_text())["artifact"]["sha256"] == here["artifact"]["sha256"]


def test_a_search_tries_the_given_space(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(diabetes(), tmp_path / "data" / "patients.csv")
    wide = [{"class": "Dense", "units": 24}]
    space = {"epochs": [1, 30], "layers": [[], wide]}
    search = {"method": "grid", "space": space, "folds": 3, "iterations": 20}
    trained = trainer.done(a_network(uri, tmp_path / "v1", search=search))
    assert trained["parameters"]["epochs"] == 30
    metrics = json.loads((tmp_path / "v1" / "metrics.json").read_text())
    scores = [each["score"] for each in metrics["search"]["ranking"]]
    assert len(set(scores)) == 4, "a fold that forgot its parameters would score as another"


def test_training_ends_when_newest_rows_do_not_improve(trainer: Trainer, tmp_path: Path) -> None:
    from perennial_trainer.models.frameworks.keras_estimators import Regressor

    random = np.random.default_rng(0)
    rows = random.normal(size=(200, 3)).astype(np.float32)
    regressor = Regressor(epochs=500, patience=2, learning_rate=0.1).fit(rows, rows[:, 0] * 100 + 500)
    assert len(regressor.history_.epoch) < 500
    assert regressor.predict(rows) == pytest.approx(rows[:, 0] * 100 + 500, abs=40)


BAD: list[tuple[str, Json, list[str]]] = [
    ("UnknownEstimator", {"model__estimator": "keras.Model"}, ["keras.Model", "keras.Sequential"]),
    ("InvalidParameter", {"model__parameters": {"layers": [{"class": "Lambda"}]}}, ["layers[0]", "Lambda"]),
    ("InvalidParameter", {"model__parameters": {"layers": [{"class": "Dense", "units": 0}]}}, ["layers[0].units", "1"]),
    ("InvalidParameter", {"model__parameters": {"layers": [{"class": "Dense"}]}}, ["layers[0]", "units"]),
    ("InvalidParameter", {"model__parameters": {"epoch": 3}}, ["epoch", "epochs"]),
    ("InvalidParameter", {"model__parameters": {"optimizer": "lion"}}, ["optimizer", "lion", "adam"]),
]


@pytest.mark.parametrize(("reason", "change", "words"), BAD)
def test_a_network_that_is_not_on_the_list_is_refused(
    trainer: Trainer, tmp_path: Path, reason: str, change: Json, words: list[str]
) -> None:
    code, answer = trainer(a_network((tmp_path / "data").as_uri(), tmp_path / "v1", **change))
    assert (code, answer["reason"]) == (3, reason), answer
    assert [word for word in words if word not in answer["message"]] == [], answer["message"]


@pytest.fixture
def stored(trainer: Trainer, tmp_path: Path) -> Json:
    """An answer to a training, whose model is stored."""
    uri = written(diabetes(), tmp_path / "data" / "patients.csv")
    return trainer.done(a_network(uri, tmp_path / "v1", model__parameters={"epochs": 15, "learning_rate": 0.01}))


def test_keras_reads_the_file_and_predicts_the_same(stored: Json) -> None:
    path = stored["artifact"]["uri"].removeprefix("file://")
    pipeline = load_model(stored["artifact"]["uri"], stored["artifact"]["sha256"])
    rows = diabetes().head(50)
    network = keras.saving.load_model(path)
    assert pipeline.predict(rows) == pytest.approx(network(pipeline[:-1].transform(rows)).numpy().reshape(-1))


def test_a_changed_file_is_not_loaded(stored: Json) -> None:
    path = Path(stored["artifact"]["uri"].removeprefix("file://"))
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(RejectedTask, match="changed after it was stored"):
        load_model(stored["artifact"]["uri"], stored["artifact"]["sha256"])


def test_network_with_a_layer_off_the_list_is_rejected(stored: Json, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.keras"
    keras.Sequential([keras.Input((6,)), keras.layers.Lambda(lambda x: x), keras.layers.Dense(1)]).save(foreign)
    good = Path(stored["artifact"]["uri"].removeprefix("file://"))
    content = io.BytesIO(foreign.read_bytes())
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(content, "a") as target:
        for name in ("columns.skops", "classes.json"):
            target.writestr(name, source.read(name))
    foreign.write_bytes(content.getvalue())
    with pytest.raises(RejectedTask, match="Lambda") as caught:
        load_model(foreign.as_uri(), sha256_digest(content.getvalue()))
    assert caught.value.reason == "UntrustedArtifact"


def test_a_network_is_served(stored: Json, tmp_path: Path) -> None:
    task = a_network("file:///nowhere", tmp_path / "v1")
    serve = {key: task[key] for key in ("namespace", "modelDeployment", "version", "model")}
    serve |= {"task": "serve", "artifact": a_version(stored), "port": free_port()}
    rows = diabetes().head(3)
    names = [*task["model"]["features"]["numeric"], *task["model"]["features"]["categorical"]]
    kinds = {name: "BYTES" if name == "sex" else "FP64" for name in names}
    values = {name: rows[name].astype(str if name == "sex" else float).tolist() for name in names}
    inputs = [{"name": name, "shape": [3], "datatype": kinds[name], "data": values[name]} for name in names]
    with running(tmp_path, serve, ready=False) as server:
        until(lambda: server.status("/v2/health/ready") == 200, "the server is ready", 240)
        answer = server.infer({"inputs": inputs}, "/v2/models/progression/infer").json()
    pipeline = load_model(stored["artifact"]["uri"], stored["artifact"]["sha256"])
    seen = conversion.feature_frame(
        rows, Features(**{name: tuple(columns) for name, columns in task["model"]["features"].items()})
    )
    assert answer["outputs"][0]["data"] == pytest.approx(list(pipeline.predict(seen)))


def test_a_list_of_layers_is_read_with_keras_s_defaults() -> None:
    (dense, drop) = layers.parse_layers(
        [{"class": "Dense", "units": 8, "activation": "tanh"}, {"class": "Dropout", "rate": 0.5}]
    )
    assert (dense, drop) == (layers.Dense(units=8, activation="tanh"), layers.Dropout(rate=0.5))
