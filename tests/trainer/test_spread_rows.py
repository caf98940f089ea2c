"""One model of LightGBM or XGBoost on rows that are spread over workers: the same model as of one process."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from perennial_trainer.contract.errors import FailedTask, RejectedTask
from perennial_trainer.contract.features.columns import Features, Text
from perennial_trainer.contract.task import Dask, Engine, Model
from perennial_trainer.data.memory import IDLE
from perennial_trainer.data.rows import Rows, convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.models import blocks
from perennial_trainer.models.boosting.lightgbm_estimators import LGBMClassifier
from perennial_trainer.models.boosting.spreading import spread_by
from perennial_trainer.models.estimators import build_estimator
from perennial_trainer.models.frameworks import sklearn
from perennial_trainer.models.pipeline import build_pipeline, check_encoded_size, fit
from perennial_trainer.training.workers import engine
from perennial_trainer.training.workers.dask_worker import MEMORY
from perennial_trainer.training.workers.spread_rows import ONE_FIT, SpreadRows, shares_of
from tests.stage import ROOT
from tests.trainer.tasks import Json, Trainer, a_training, breast_cancer, diabetes, written
from tests.trainer.test_engine import port, workers

__all__ = ["port"]  # a fixture
MB = 1_000_000


@pytest.mark.parametrize(
    ("target", "count", "whole", "expected"),
    [
        ([4, 3, 2, 1, 0], 2, False, [[0, 2, 4], [1, 3]]),
        ([0, 0, 0, 0, 1, 1], 2, True, [[0, 2, 4], [1, 3, 5]]),
        (["a", "b", "a", "a"], 3, True, [[0, 1, 2, 3]]),
        ([1.5, 2.5], 3, False, [[0], [1]]),
    ],
)
def test_rows_are_dealt_in_the_order_of_the_target(
    target: list[Any], count: int, whole: bool, expected: list[list[int]]
) -> None:
    assert [each.tolist() for each in shares_of(np.array(target), count, whole_classes=whole)] == expected


class Here:
    """Spreads nothing: the estimator of the Dask interface is fitted by the class that it comes from."""

    def fitted(self, remote: Any, rows: Any, target: Any, weights: Any) -> Any:
        alone = next(each for each in type(remote).__mro__ if each.__module__.endswith(".sklearn"))
        known = {name: value for name, value in remote.get_params().items() if name not in ("client", "coll_cfg")}
        estimator = (alone if "lightgbm" in alone.__module__ else _OF_XGBOOST[type(remote).__name__])(**known)
        estimator.fit(rows[np.arange(len(target))], target, sample_weight=weights)
        return Fitted(estimator)


class Fitted:
    """As an estimator of a Dask interface gives what it has learned."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def to_local(self) -> Any:
        return self._estimator

    def __getattr__(self, name: str) -> Any:
        return getattr(self._estimator, name)


def _xgboost() -> dict[str, Any]:
    import xgboost

    return {"DaskXGBRegressor": xgboost.XGBRegressor, "DaskXGBClassifier": xgboost.XGBClassifier}


_OF_XGBOOST = _xgboost()


def some_rows(kind: Any) -> Rows:
    """Of numbers with missing ones, categories of which one comes late, and texts."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=300).round(2), "z": random.normal(size=300).round(2)})
    frame.loc[::7, "x"] = None
    frame["kind"] = np.where(np.arange(300) > 250, "late", np.where(frame.z > 0, "a", "b"))
    frame["words"] = np.where(frame.z > 0.3, "high and dry", "low")
    number = frame.z * 2 + frame.x.fillna(0)
    frame["y"] = number if kind == "regression" else np.where(number > 1, "high", np.where(number < -1, "low", "mid"))
    features = Features(numeric=("x", "z"), categorical=("kind",), text=(Text(column="words", buckets=16),))
    columns = Columns(features, "y", kind, None)
    return convert_rows(frame, columns)


@pytest.mark.parametrize(
    "estimator",
    ["lightgbm.LGBMRegressor", "lightgbm.LGBMClassifier", "xgboost.XGBRegressor", "xgboost.XGBClassifier"],
)
def test_fit_in_blocks_is_that_of_the_whole_matrix(estimator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "HEAD", 100)
    kind: Any = "regression" if "Regressor" in estimator else "classification"
    rows = some_rows(kind)
    model = Model(
        framework="sklearn",
        format="joblib",
        estimator=estimator,
        task=kind,
        target="y",
        features=rows.columns.features,
        parameters={"n_estimators": 5},
    )
    alone = fit(build_pipeline(build_estimator(model), model.features), rows)
    with spread_by(Here()):
        spread = fit(build_pipeline(build_estimator(model), model.features), rows)
    method = "predict" if kind == "regression" else "predict_proba"
    assert np.array_equal(getattr(alone, method)(rows.features), getattr(spread, method)(rows.features))
    assert vars(alone[-1]).keys() == vars(spread[-1]).keys()


def test_rows_that_one_pod_holds_whole_are_counted() -> None:
    """A calibration and a search prepare all rows in one pod, although the fits after them are spread."""
    rows, estimator = some_rows("classification"), LGBMClassifier()
    with spread_by(Here()):
        check_encoded_size(rows, estimator, IDLE)
        with pytest.raises(RejectedTask, match="n-grams of text words in 300 rows need up to"):
            check_encoded_size(rows, estimator, IDLE, whole=True)


@pytest.mark.parametrize(
    ("model", "estimator", "metric"),
    [("diabetes", "xgboost.XGBRegressor", "r2"), ("breast_cancer", "lightgbm.LGBMClassifier", "accuracy")],
)
def test_spread_training_equals_that_of_one_pod(
    trainer: Trainer, tmp_path: Path, port: int, model: str, estimator: str, metric: str
) -> None:
    uri = written({"diabetes": diabetes, "breast_cancer": breast_cancer}[model](), tmp_path / "data" / "rows.csv")
    asked: Json = {"model__estimator": estimator, "model__parameters": {"n_estimators": 40, "learning_rate": 0.1}}
    alone = trainer.done(a_training(uri, (tmp_path / "alone").as_uri(), model, **asked))
    with workers(tmp_path, f"tcp://127.0.0.1:{port}") as started:
        spread = {"dask": {"workers": 2}}
        together = trainer.done(a_training(uri, (tmp_path / "spread").as_uri(), model, engine=spread, **asked))
        assert [process.wait(120) for process in started] == [0, 0]
    assert together["metrics"][metric] == pytest.approx(alone["metrics"][metric], abs=0.05)
    one, two = (
        sklearn.load_pipeline(each["artifact"]["uri"], (tmp_path / name / "model.joblib").read_bytes(), "joblib")
        for name, each in (("alone", alone), ("spread", together))
    )
    assert type(one[-1]) is type(two[-1])
    assert vars(one[-1]).keys() == vars(two[-1]).keys()
    assert b"127.0.0.1" not in (tmp_path / "spread" / "model.joblib").read_bytes()


@contextmanager
def limited_workers(folder: Path, port: int, count: int, more: int) -> Iterator[None]:
    """Workers whose processes get so many bytes more than they need to start."""
    task = {"task": "work", "namespace": "clinic", "modelDeployment": "progression", "version": "progression-v1"}
    environment = os.environ | {
        "PERENNIAL_TASK": json.dumps(task | {"scheduler": f"tcp://127.0.0.1:{port}"}),
        "PERENNIAL_RESULT": str(folder / "result"),
        "PYTHONPATH": f"{ROOT / 'trainer'}:{ROOT}",
    }
    command = [sys.executable, "-m", "tests.trainer.limited_worker", str(more)]
    started = [subprocess.Popen(command, env=environment) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_rows_too_large_for_one_worker_are_fitted_by_two(tmp_path: Path, port: int) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(1_200_000, 20))  # 192 MB, of which a worker holds its share twice
    target = 2 * rows[:, 0] + np.sin(2 * rows[:, 1]) + np.abs(rows[:, 2])
    model = Model(
        framework="sklearn",
        format="joblib",
        estimator="lightgbm.LGBMRegressor",
        task="regression",
        target="y",
        features=Features(numeric=("x",), categorical=()),
        parameters={"n_estimators": 5, "max_bin": 63, "subsample_for_bin": 50_000},
    )

    def fitted(count: int) -> Any:
        with (
            limited_workers(tmp_path, port, count, 370 * MB),
            engine.use_engine(Engine(dask=Dask(workers=count))),
        ):
            return build_estimator(model).fit(rows, target)

    with pytest.raises(FailedTask, match=r"the memory of a worker ran out .* give training\.engine\.dask more workers"):
        fitted(1)
    spread = fitted(2).predict(rows[:20_000])
    alone = build_estimator(model).fit(rows, target).predict(rows[:20_000])
    assert np.mean((spread - alone) ** 2) < 0.01 * np.var(target)


class Remote(BaseEstimator):  # type: ignore[misc]
    """In the place of an estimator of a library's Dask interface."""

    client: Any = None


class Endless(RegressorMixin, Remote):  # type: ignore[misc]
    def fit(self, rows: Any, target: Any, sample_weight: Any) -> None:
        """As LightGBM's, which waits for a worker that is lost."""
        self.client.retire_workers([*self.client.ncores()][:1])
        threading.Event().wait(60)


@pytest.fixture
def client() -> Iterator[Any]:
    """Of two workers in this process, which say that they may use 300 MB."""
    import dask
    from distributed import Client, LocalCluster

    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with (
        dask.config.set(MEMORY),
        LocalCluster(memory_limit=300 * MB, **options) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_a_lost_worker_ends_the_fit_that_waits_for_it(client: Any) -> None:
    with pytest.raises(FailedTask, match="1 of 2 workers were lost while they fitted") as caught:
        SpreadRows(lambda: client).fitted(Endless(), np.ones((10, 2)), np.arange(10.0), None)
    assert caught.value.reason == "WorkersLost"


class Alone(RegressorMixin, Remote):  # type: ignore[misc]
    def fit(self, rows: Any, target: Any, sample_weight: Any) -> Any:
        from distributed import Lock

        assert Lock(ONE_FIT).locked()
        return self


def test_two_trainings_fit_one_after_the_other_on_one_scheduler(client: Any) -> None:
    from distributed import Lock

    SpreadRows(lambda: client).fitted(Alone(), np.ones((10, 2)), np.arange(10.0), None)
    with client.as_current():
        assert not Lock(ONE_FIT).locked()


class Never(ClassifierMixin, Remote):  # type: ignore[misc]
    """Is not fitted."""


@pytest.mark.parametrize(
    ("rare", "message"),
    [
        (
            50_000,
            r"spread over 2 workers, need about 0\.4 GB of memory on each, more than the 0\.3 GB .*: give more work",
        ),
        (
            1,
            r"spread over 1 of 2 workers, .*: each has rows of all classes, and one has only 1 rows; join rare classes",
        ),
    ],
)
def test_too_many_rows_are_refused_before_any_is_sent(client: Any, rare: int, message: str) -> None:
    rows, target = np.broadcast_to(np.ones((1, 100)), (100_000, 100)), np.arange(100_000) < rare
    with pytest.raises(RejectedTask, match=message) as caught:
        SpreadRows(lambda: client).fitted(Never(), rows, target, None)
    assert caught.value.reason == "DataTooLarge"
