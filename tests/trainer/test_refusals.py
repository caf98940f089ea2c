"""Every reason for which a task is rejected or fails has a message that names what to fix."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from perennial_trainer.storage import store
from tests.trainer.tasks import Frame, Trainer, a_training, diabetes, iris, refused, written

SEARCH = {"method": "grid", "space": {"alpha": [0.1, 1.0]}, "folds": 3, "iterations": 10}
STACK = "sklearn.ensemble.StackingRegressor"
XGBOOST = {"model__estimator": "xgboost.XGBRegressor"}
INNER = {"name": "a", "estimator": "sklearn.linear_model.Ridge"}
CLEANING = {"missing": "drop", "duplicates": "drop", "outliers": "keep"}

Change = Callable[[Frame], Frame]


def with_value(column: str, value: Any, rows: int = 1) -> Change:
    def change(frame: Frame) -> Frame:
        values = frame[column].astype(object)
        values.iloc[:rows] = value
        return frame.assign(**{column: values})

    return change


BAD_DATA: list[tuple[str, Change, dict[str, Any], list[str]]] = [
    ("MissingColumn", lambda f: f.drop(columns="bmi"), {}, ["bmi", "age, sex", "patients.csv", "fix what writes"]),
    ("MissingColumn", lambda f: f.drop(columns="target"), {}, ["target"]),
    ("MissingColumn", lambda f: f, {"data__timeColumn": "date"}, ["date"]),
    ("EmptyData", lambda f: f.head(0), {}, ["no row", "correct the URI"]),
    (
        "NonNumericTarget",
        with_value("target", "high", 90),
        {},
        ["line 2: 90 of 442", "target", "written as text without digits", "classification"],
    ),
    ("NonNumericFeature", with_value("bmi", "heavy", 90), {}, ["90 of 442", "bmi", "words", "categorical"]),
    (
        "NonNumericFeature",
        with_value("bmi", "heavy for her age", 90),
        {},
        ["words", "list bmi under model.features.text"],
    ),
    ("NonNumericFeature", with_value("bmi", "32 kg", 90), {}, ["bmi", "numbers with other characters"]),
    ("InfiniteValues", with_value("bmi", np.inf, 90), {}, ["bmi are infinite or beyond 3.4e+38", "90 of 442"]),
    ("InfiniteValues", with_value("target", -np.inf, 90), {}, ["target"]),
    ("AllMissingColumn", lambda f: f.assign(bp=None), {}, ["bp", "442", "fix what writes the column"]),
    (
        "TooManyMissing",
        with_value("bp", None, 100),
        {},
        ["bp", "22.6%", "data.maxMissing 20.0%", "fix what writes the column"],
    ),
    ("MissingValues", with_value("bp", None), {"data__cleaning": CLEANING | {"missing": "fail"}}, ["bp", "fail"]),
    ("TooFewRows", lambda f: f.head(19), {}, ["19", "data.minRows 20", "collect more"]),
    ("TooFewRows", lambda f: pd.concat([f.head(19)] * 3), {}, ["19", "38 duplicates"]),
    ("HoldoutTooSmall", lambda f: f.head(30), {"data__holdout": 0.001}, ["0 of 30", "data.holdout 0.001"]),
    ("HoldoutTooSmall", lambda f: f.assign(day="2026-01-01"), {"data__timeColumn": "day"}, ["the same time"]),
    (
        "UnreadableTime",
        with_value("day", "03/04/2026", 90),
        {"data__timeColumn": "day"},
        ["day", "99/99/9999", "ISO 8601"],
    ),
    ("WindowNeedsTimeColumn", lambda f: f, {"data__window": "90d"}, ["90d", "data.timeColumn"]),
    ("ConstantTarget", lambda f: f.assign(target=1.0), {}, ["target", "one value"]),
    (
        "SingleClass",
        lambda f: f.assign(target="ill"),
        {"model__task": "classification", "model__estimator": "sklearn.linear_model.LogisticRegression"},
        ["target", "one class"],
    ),
    (
        "TooManyClasses",
        lambda f: f.assign(target=f.index.astype(str) + " mg"),
        {"model__task": "classification", "model__estimator": "sklearn.linear_model.LogisticRegression"},
        ["target", "442 classes in 442 rows", "regression"],
    ),
    (
        "DuplicateColumn",
        lambda f: f.assign(again=f["bmi"]).rename(columns={"again": "bmi"}),
        {},
        ["bmi", "more than once"],
    ),
    (
        "FitFailed",
        lambda f: f.assign(target=-f["target"]),
        {"model__estimator": "sklearn.linear_model.PoissonRegressor"},
        ["PoissonRegressor", "HalfPoissonLoss"],
    ),
    (
        "PredictFailed",
        lambda f: f,
        {
            "model__estimator": "sklearn.neighbors.KNeighborsRegressor",
            "model__parameters": {"n_neighbors": None},
        },
        ["KNeighborsRegressor", "rows", "fix model.parameters"],
    ),
    (
        "SearchFailed",
        lambda f: f.head(60),
        {"search": SEARCH | {"folds": 60}},
        ["training.search", "n_splits=60"],
    ),
]

BAD_TASKS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("NoFilesMatched", {"data__uri": "file:///nowhere/*.csv"}, ["file:///nowhere/*.csv"]),
    ("UnknownScheme", {"data__uri": "ftpx://host/a.csv"}, ["ftpx", "s3"]),
    ("UnknownEstimator", {"model__estimator": "sklearn.linear_model.Rigde"}, ["sklearn.linear_model.Ridge"]),
    ("UnknownEstimator", {"model__estimator": "os.system"}, ["os.system", "allow-list"]),
    ("UnknownEstimator", {"model__estimator": "sklearn.linear_model._ridge.Ridge"}, ["allow-list"]),
    (
        "UnknownEstimator",
        {"model__estimator": "catboost.CatBoostRegressor"},
        [
            "catboost.CatBoostRegressor",
            "docs/estimators.md",
            "docs/own-estimator.md",
            "framework custom",
            "docs/own-trainer.md",
        ],
    ),
    ("UnknownEstimator", {"model__estimator": "lightgbm.LGBMRegresor"}, ["did you mean lightgbm.LGBMRegressor"]),
    ("EstimatorOfOtherTask", {"model__estimator": "sklearn.linear_model.LogisticRegression"}, ["regression"]),
    ("UnknownEstimator", {"model__framework": "keras"}, ["sklearn.linear_model.Ridge", "keras.Sequential"]),
    (
        "FrameworkNotInstalled",
        {"model__framework": "keras", "model__estimator": "keras.Sequential"},
        ["keras", "training.pod.image"],
    ),
    ("InvalidParameter", {"model__parameters": {"alhpa": 1}}, ["model.parameters", "alhpa", "alpha, "]),
    ("InvalidParameter", {"model__parameters": {"alpha": -1}}, ["model.parameters", "'alpha'", "-1"]),
    *(
        ("InvalidParameter", {"model__estimator": name, "model__parameters": parameters}, ["model.parameters", *words])
        for name, parameters, words in (
            ("lightgbm.LGBMRegressor", {"leaves": 3}, ["leaves", "LGBMRegressor", "num_leaves, "]),
            ("lightgbm.LGBMRegressor", {"n_jobs": 3}, ["n_jobs"]),
            ("lightgbm.LGBMRegressor", {"num_leaves": 1}, ["num_leaves is 1: expected int >= 2"]),
            (
                "lightgbm.LGBMRegressor",
                {"objective": "binary"},
                ['objective is "binary": give one of regression, regression_l1, huber,'],
            ),
            ("xgboost.XGBRegressor", {"max_depth": "deep"}, ['max_depth is "deep": expected int, got str']),
            ("xgboost.XGBRegressor", {"subsample": 1.5}, ["subsample is 1.5: expected float <= 1"]),
            ("xgboost.XGBRegressor", {"device": "cuda"}, ["device"]),
            (STACK, {}, ["has no estimators", "name, estimator and parameters"]),
            (STACK, {"estimators": []}, ["model.parameters.estimators: expected array of length >= 1"]),
            (STACK, {"estimators": [{"estimator": "a"}]}, ["model.parameters.estimators[0]", "name"]),
            (STACK, {"estimators": [INNER, INNER]}, ["model.parameters.estimators", "a twice"]),
            (STACK, {"estimators": [INNER | {"parameters": {"alpha": -1}}]}, ["estimators[0].parameters", "alpha"]),
            (STACK, {"estimators": [INNER], "a__alpha": -1}, ["'alpha'", "-1"]),
            (STACK, {"estimators": [INNER], "b__alpha": 1}, ["b__alpha", "no estimator b inside", "it has a"]),
        )
    ),
    (
        "UnknownEstimator",
        {"model__estimator": STACK, "model__parameters": {"estimators": [INNER | {"estimator": "os.system"}]}},
        ["model.parameters.estimators[0].estimator os.system"],
    ),
    (
        "EstimatorOfOtherTask",
        {
            "model__estimator": STACK,
            "model__parameters": {"estimators": [INNER | {"estimator": "xgboost.XGBClassifier"}]},
        },
        ["model.parameters.estimators[0].estimator xgboost.XGBClassifier", "regression"],
    ),
    (
        "UnknownEstimator",
        {
            "model__estimator": "sklearn.compose.TransformedTargetRegressor",
            "model__parameters": {"transformer": {"estimator": "sklearn.preprocessing.FunctionTransformer"}},
        },
        ["model.parameters.transformer.estimator", "PowerTransformer"],
    ),
    (
        "InvalidParameter",
        {
            "model__estimator": "lightgbm.LGBMRegressor",
            "search": SEARCH | {"space": {"num_leaves": [15, 1]}},
        },
        ["training.search.space", "num_leaves"],
    ),
    (
        "InvalidParameter",
        {
            "model__estimator": STACK,
            "model__parameters": {"estimators": [INNER]},
            "search": SEARCH | {"space": {"a__alpha": [1, "x"]}},
        },
        ["training.search.space", "alpha"],
    ),
    (
        "InvalidParameter",
        {
            "model__estimator": STACK,
            "model__parameters": {"estimators": [INNER]},
            "search": SEARCH | {"space": {"estimators": [[]]}},
        },
        ["training.search.space cannot replace estimators"],
    ),
    *(
        ("InvalidParameter", {"engine": {"dask": {"workers": 2}}, **asked}, [named, "hist", "remove training.engine"])
        for named, asked in {
            "model.parameters has tree_method exact": XGBOOST | {"model__parameters": {"tree_method": "exact"}},
            "training.search.space has tree_method exact": XGBOOST
            | {"search": SEARCH | {"space": {"tree_method": ["hist", "exact"]}}},
            "model.parameters has a__tree_method exact": {
                "model__estimator": STACK,
                "model__parameters": {
                    "estimators": [
                        INNER | {"estimator": "xgboost.XGBRegressor", "parameters": {"tree_method": "exact"}}
                    ]
                },
            },
        }.items()
    ),
    ("InvalidParameter", {"search": SEARCH | {"space": {"l1": [1]}}}, ["training.search.space", "l1", "alpha, "]),
    ("InvalidParameter", {"search": SEARCH | {"space": {"alpha": [1, "a"]}}}, ["training.search.space", "'a'"]),
    ("UnknownScoring", {"search": SEARCH | {"scoring": "accuracy"}}, ["accuracy", "regression", "r2"]),
    ("InvalidTask", {"model__target": "bmi"}, ["bmi", "more than once"]),
    ("InvalidTask", {"model__target": "perennial.weight"}, ["perennial.weight begins with 'perennial.'", "rename"]),
    ("InvalidTask", {"model__features": {"numeric": [], "categorical": []}}, ["numeric", "categorical"]),
    (
        "InvalidTask",
        {"calibration": "sigmoid", "model__framework": "keras", "model__task": "classification"},
        ["calibration sigmoid", "keras"],
    ),
    ("InvalidTask", {"calibration": "sigmoid"}, ["calibration sigmoid", "classes", "leave it out"]),
    ("InvalidTask", {"data__timeColumn": "sex"}, ["sex", "data.timeColumn"]),
]


@pytest.mark.parametrize(("reason", "change", "task", "words"), BAD_DATA)
def test_bad_data_are_rejected_and_nothing_is_stored(
    trainer: Trainer, tmp_path: Path, reason: str, change: Change, task: dict[str, Any], words: list[str]
) -> None:
    refused(trainer, tmp_path, reason, change, task, words)


@pytest.mark.parametrize(("reason", "change", "words"), BAD_TASKS)
def test_bad_tasks_are_rejected(
    trainer: Trainer, tmp_path: Path, reason: str, change: dict[str, Any], words: list[str]
) -> None:
    uri = written(diabetes(), tmp_path / "data" / "patients.parquet")
    code, answer = trainer(a_training(uri, (tmp_path / "v1").as_uri(), **change))
    assert (code, answer["outcome"], answer["reason"]) == (3, "Refused", reason), answer
    assert [word for word in words if word not in answer["message"]] == [], answer["message"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("torn.csv", b"age,sex,bmi,bp,s1,s5,target\n1,2,3\n"),
        ("torn.parquet", b"PAR1 and then nothing"),
        ("torn.csv.gz", b"no gzip"),
        ("latin.csv", "age,sex,bmi,bp,s1,s5,target\n1,é,3,4,5,6,7\n".encode("latin-1")),
    ],
)
def test_unreadable_file_is_rejected_by_name_without_its_rows(
    trainer: Trainer, tmp_path: Path, name: str, content: bytes
) -> None:
    written(diabetes(), tmp_path / "data" / "good.parquet")
    (tmp_path / "data" / name).write_bytes(content)
    code, answer = trainer(a_training((tmp_path / "data").as_uri(), (tmp_path / "v1").as_uri()))
    assert (code, answer["reason"]) == (3, "UnreadableFile")
    assert name in answer["message"]
    assert "1,2,3" not in answer["message"]


@pytest.mark.parametrize("name", ["empty.csv", "empty.parquet", "empty.csv.gz"])
def test_empty_file_is_rejected_as_empty_data(trainer: Trainer, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    code, answer = trainer(a_training((tmp_path / name).as_uri(), (tmp_path / "v1").as_uri()))
    assert (code, answer["reason"]) == (3, "EmptyData")


def test_message_shows_no_feature_value(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(with_value("bmi", "Ada Lovelace", 90)(diabetes()), tmp_path / "data" / "a.csv")
    assert "Ada" not in trainer(a_training(uri, (tmp_path / "v1").as_uri())).answer["message"]


def test_search_with_undefined_scoring_is_rejected(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(
        iris().assign(day=pd.date_range("2026-01-01", periods=150)), tmp_path / "data" / "a.csv"
    )  # sorted by class: early folds lack one
    search = {"method": "grid", "space": {"C": [1.0, 2.0]}, "folds": 4, "iterations": 2, "scoring": "roc_auc_ovr"}
    task = a_training(uri, (tmp_path / "v1").as_uri(), "iris", search=search, data__timeColumn="day")
    code, answer = trainer(task)
    assert (code, answer["reason"]) == (3, "SearchFailed"), answer


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["not JSON"]),
        ("{", ["not JSON"]),
        ('{"task": "brew"}', ["brew"]),
        ('{"task": "train"}', ["PERENNIAL_TASK", "missing required field"]),
    ],
)
def test_invalid_task_gives_a_result_without_traceback(
    trainer: Trainer, capfd: pytest.CaptureFixture[str], text: str, words: list[str]
) -> None:
    code, answer = trainer(text, in_contract=False)
    assert (code, answer["reason"]) == (3, "InvalidTask")
    assert [word for word in words if word not in answer["message"]] == []
    assert "Traceback" not in capfd.readouterr().err


def test_storage_without_write_access_fails_the_task(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(diabetes(), tmp_path / "data" / "a.csv")
    (tmp_path / "file").touch()
    code, answer = trainer(a_training(uri, (tmp_path / "file" / "v1").as_uri()))
    assert (code, answer["outcome"], answer["reason"]) == (1, "Failed", "StorageNotWritable")
    assert f"{tmp_path}/file/v1" in answer["message"]


def test_folder_is_tried_before_a_row_is_read(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "v1"))

    monkeypatch.setattr(store, "_put", denied)
    uri = written(diabetes().head(0), tmp_path / "data" / "a.csv")
    code, answer = trainer(a_training(uri, (tmp_path / "v1").as_uri()))
    assert (code, answer["outcome"], answer["reason"]) == (1, "Failed", "StorageNotWritable")
    assert "uid 65532 and gid 65532" in answer["message"]
    assert "chown -R 65532:65532" in answer["message"]


@pytest.mark.parametrize("asked", ["", "1"])
@pytest.mark.parametrize(
    ("error", "reason"), [(RuntimeError("row 7: Ada Lovelace"), "Unexpected"), (MemoryError(), "OutOfMemory")]
)
def test_unexpected_error_has_details_in_the_log_if_asked(
    trainer: Trainer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    error: Exception,
    reason: str,
    asked: str,
) -> None:
    monkeypatch.setenv("PERENNIAL_SHOW_VALUES", asked)

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr("perennial_trainer.training.train.train_version", broken)
    code, answer = trainer(a_training("file:///data", (tmp_path / "v1").as_uri()))
    assert (code, answer["outcome"], answer["reason"]) == (1, "Failed", reason)
    assert "Ada" not in answer["message"]
    log = capfd.readouterr().err
    assert ("RuntimeError" in log) == (reason == "Unexpected")
    assert ("Ada" in log) == (reason == "Unexpected" and bool(asked))


def test_valid_task_with_the_same_data_is_trained(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(diabetes(), tmp_path / "data" / "patients.csv")
    trainer.done(a_training(uri, (tmp_path / "v1").as_uri(), search=SEARCH, data__timeColumn="day", data__window="90d"))


def test_parquet_text_that_is_not_utf8_is_rejected_by_column(trainer: Trainer, tmp_path: Path) -> None:
    frame = diabetes()
    torn = pa.array([b"\xff" if sex == 2 else b"1" for sex in frame["sex"]]).buffers()
    table = pa.table(frame.drop(columns="sex")).append_column("sex", pa.Array.from_buffers(pa.string(), 442, torn))
    pq.write_table(table, tmp_path / "a.parquet")
    code, answer = trainer(a_training((tmp_path / "a.parquet").as_uri(), (tmp_path / "v1").as_uri()))
    assert (code, answer["outcome"], answer["reason"]) == (3, "Refused", "UnreadableFile")
    assert "column sex holds text that is not UTF-8" in answer["message"]
    assert not (tmp_path / "v1").exists()


def test_pandas_metadata_in_parquet_is_ignored(trainer: Trainer, tmp_path: Path) -> None:
    """Its index is a column like any other, and notes that nobody can read are none."""
    diabetes().set_index("day").to_parquet(tmp_path / "index.parquet")
    torn = {b"pandas": b'{"index_columns": \xff}'}
    pq.write_table(pa.Table.from_pandas(diabetes()).replace_schema_metadata(torn), tmp_path / "torn.parquet")
    fingerprints = {
        trainer.done(
            a_training((tmp_path / name).as_uri(), (tmp_path / f"{name}-v1").as_uri(), data__timeColumn="day")
        )["data"]["sha256"]
        for name in ("index.parquet", "torn.parquet")
    }
    assert len(fingerprints) == 1
