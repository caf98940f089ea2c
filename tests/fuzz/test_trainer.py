"""For any task, data and files the trainer writes a result with a message, and no traceback."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from perennial_trainer.storage.digest import sha256_digest
from tests.fuzz.malformed import NASTY, VALUES, corrupted, damaged, with_examples
from tests.trainer.tasks import Trainer, a_check, a_training, a_validation, a_version, diabetes, written

Frame = pd.DataFrame
ROWS: Frame = diabetes().head(60)
SEARCH = {"method": "grid", "space": {"alpha": [0.1, 1.0]}, "folds": 2, "iterations": 2}


def answered(trainer: Trainer, task: Any, capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The result: succeeded, refused or failed, with an expected reason."""
    capfd.readouterr()
    code, answer = trainer(task if isinstance(task, str) else json.dumps(task), in_contract=False)
    output = "".join(capfd.readouterr())
    assert "Traceback" not in output
    assert (code, answer["outcome"]) in [(0, "Succeeded"), (1, "Failed"), (3, "Refused")]
    assert answer.get("reason") != "Unexpected"
    assert answer["message"].strip()
    return dict(answer)


@pytest.fixture
def data(tmp_path: Path) -> str:
    return written(ROWS, tmp_path / "data" / "a.csv")


TASK = a_training("file:///data", "file:///store", search=SEARCH)
SPOILT_TASKS = corrupted(TASK).filter(lambda task: not str(task.get("storage")).startswith("/"))


@with_examples(25)
@given(task=(SPOILT_TASKS | st.text(max_size=50) | VALUES).filter(lambda task: "\0" not in str(task)))
def test_any_task_has_a_result(trainer: Trainer, tmp_path: Path, data: str, capfd: Any, task: Any) -> None:
    if isinstance(task, dict):
        if isinstance(task.get("data"), dict) and task["data"].get("uri") == "file:///data":
            task["data"]["uri"] = data
        if task.get("storage") == "file:///store":
            task["storage"] = (tmp_path / "v1").as_uri()
        assume(not str(task.get("storage")).startswith("file:///store"))
    answered(trainer, task, capfd)


ESTIMATORS = [
    "sklearn.linear_model.Ridge",
    "sklearn.linear_model.ElasticNet",
    "sklearn.neighbors.KNeighborsRegressor",
    "sklearn.tree.DecisionTreeRegressor",
    "sklearn.svm.SVR",
    "sklearn.dummy.DummyRegressor",
]
NAMES = ["alpha", "max_iter", "solver", "positive", "n_neighbors", "metric", "p", "max_depth", "criterion", "kernel",
         "gamma", "C", "strategy", "constant", "random_state", "tol", "l1_ratio", "weights", "min_samples_leaf"]  # fmt: skip
SMALL = st.none() | st.booleans() | st.integers(-3, 50) | st.floats(-10, 10) | st.sampled_from(NASTY) | VALUES


@with_examples(40)
@given(estimator=st.sampled_from(ESTIMATORS), parameters=st.dictionaries(st.sampled_from(NAMES), SMALL, max_size=2))
@example("sklearn.neighbors.KNeighborsRegressor", {"n_neighbors": None})  # can be fitted, and not be asked
def test_any_parameters_have_a_result(
    trainer: Trainer, tmp_path: Path, data: str, capfd: Any, estimator: str, parameters: dict[str, Any]
) -> None:
    task = a_training(data, (tmp_path / "v1").as_uri(), model__estimator=estimator, model__parameters=parameters)
    answered(trainer, task, capfd)


def _bytes(kind: str) -> bytes:
    buffer = io.BytesIO()
    ROWS.to_parquet(buffer, index=False) if kind == "parquet" else ROWS.to_csv(buffer, index=False)
    return buffer.getvalue()


CELLS = st.sampled_from(["", "NaN", "inf", "-1", "1e400", "x" * 1000, '"', '""', ",", "\n", "\x00", "2026-13-45", "١٢"])
TABLES = st.lists(st.lists(CELLS | st.text(max_size=5), min_size=7, max_size=9), max_size=8)


@with_examples(60)
@given(kind=st.sampled_from(["csv", "parquet"]), draw=st.data())
def test_any_data_have_a_result(trainer: Trainer, tmp_path: Path, capfd: Any, kind: str, draw: st.DataObject) -> None:
    content = draw.draw(damaged(_bytes(kind)))
    if kind == "csv" and draw.draw(st.booleans()):
        rows = [",".join(row) for row in draw.draw(TABLES)]
        content += "\n".join(rows).encode("utf-8", "surrogatepass")
    path = tmp_path / "data" / f"a.{kind}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    column = draw.draw(st.sampled_from([{}, {"data__timeColumn": "day"}]))
    answered(trainer, a_training(path.parent.as_uri(), (tmp_path / "v1").as_uri(), **column), capfd)


FILES = ["model.joblib", "metadata.json", "metrics.json", "profile.json", "holdout.parquet", "rows.npy"]


@pytest.fixture(params=["joblib", "skops"])
def version(request: pytest.FixtureRequest, trainer: Trainer, tmp_path: Path, data: str) -> tuple[Any, Any, Path]:
    """A trained version: its task, its result and its folder."""
    task = a_training(data, (tmp_path / "v1").as_uri(), model__format=request.param)
    return task, trainer.done(task), tmp_path / "v1"


@with_examples(10)
@given(draw=st.data())
def test_any_stored_files_have_a_result(
    trainer: Trainer, version: tuple[Any, Any, Path], data: str, capfd: Any, draw: st.DataObject
) -> None:
    """With the old digest, or with a digest that matches the changed file."""
    task, trained, folder = version
    name = draw.draw(st.sampled_from([name.replace("joblib", task["model"]["format"]) for name in FILES]))
    whole = (folder / name).read_bytes()
    if name.endswith(".json") and draw.draw(st.booleans()):
        content = json.dumps(draw.draw(corrupted(json.loads(whole)))).encode()
    else:
        content = draw.draw(damaged(whole))
    (folder / name).write_bytes(content)
    try:
        known = {"sha256": sha256_digest(content)} if name == "model.skops" else {}
        live = {**a_version(trained), **known}
        validation = a_validation(task, trained, live)
        validation["candidate"] |= known
        check = a_check(task, trained, data)
        check["live"] |= known
        for each in (validation, check):
            answered(trainer, each, capfd)
    finally:
        (folder / name).write_bytes(whole)
