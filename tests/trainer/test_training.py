"""A training leaves a whole version behind: explained, scored on rows it has not seen, the same bytes each time."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial_trainer.artifacts.model_file import load_model
from perennial_trainer.contract.metric_table import quality_metrics
from perennial_trainer.contract.task import Features
from perennial_trainer.data.rows import convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.storage.digest import sha256_digest
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

FILES = {"holdout.parquet", "rows.npy", "profile.json", "metrics.json", "report.html", "metadata.json"}
ALPHAS = {"method": "grid", "space": {"alpha": [0.01, 1.0, 1000.0]}, "folds": 5, "iterations": 10}


def folder(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))


def stored(task: Json) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder(task["storage"]).iterdir()}


def metadata(task: Json) -> Any:
    return json.loads(stored(task)["metadata.json"])


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return written(diabetes(), tmp_path / "data" / "patients.csv")


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return (tmp_path / "models" / "v1").as_uri()


@pytest.mark.parametrize("stored_as", ["joblib", "skops"])
def test_metadata_names_every_stored_file(trainer: Trainer, uri: str, storage: str, stored_as: str) -> None:
    task = a_training(uri, storage, model__format=stored_as)
    answer = trainer.done(task)
    files = stored(task)
    assert set(files) == FILES | {f"model.{stored_as}", "model.npz"}
    listed = metadata(task)["files"]
    assert listed == {
        name: {"sha256": sha256_digest(content), "bytes": len(content)}
        for name, content in files.items()
        if name != "metadata.json"
    }
    model = listed[f"model.{stored_as}"]
    recorded = {"metadataSha256": sha256_digest(files["metadata.json"])}
    assert answer["artifact"] == {"uri": f"{storage}/model.{stored_as}", **model, **recorded}
    assert answer["data"]["holdoutSha256"] == listed["holdout.parquet"]["sha256"]
    assert answer["data"]["rows"] + answer["data"]["holdoutRows"] == 442
    assert set(answer["metrics"]) == {"mse", "rmse", "mae", "r2"}
    assert answer["metrics"]["r2"] > 0.3
    load_model(answer["artifact"]["uri"], model["sha256"])


@pytest.mark.parametrize("stored_as", ["joblib", "skops"])
@pytest.mark.parametrize("model", ["diabetes", "iris"])
def test_the_same_data_and_task_give_the_same_bytes(
    trainer: Trainer, tmp_path: Path, storage: str, stored_as: str, model: str
) -> None:
    frame = diabetes() if model == "diabetes" else iris()
    kind = "Regressor" if model == "diabetes" else "Classifier"
    forest = f"sklearn.ensemble.RandomForest{kind}"
    search = {"method": "random", "space": {"max_depth": [2, 3], "n_estimators": [5, 7]}, "folds": 3, "iterations": 3}
    task = a_training(
        written(frame, tmp_path / "data" / "a.csv"),
        storage,
        model,
        model__estimator=forest,
        model__format=stored_as,
        search=search,
    )
    first, before = trainer.done(task), stored(task)
    again = trainer.done(task)  # a restart after everything was done
    assert (again, stored(task)) == (first, before)
    (folder(storage) / "metadata.json").unlink()  # and one after half of it was
    (folder(storage) / "rows.npy").write_bytes(b"half")
    assert (trainer.done(task), stored(task)) == (first, before)


def test_the_holdout_and_the_training_rows_share_no_row(trainer: Trainer, uri: str, storage: str) -> None:
    task = a_training(uri, storage)
    answer = trainer.done(task)
    holdout = pd.read_parquet(folder(storage) / "holdout.parquet")
    trained = np.load(folder(storage) / "rows.npy", allow_pickle=False)
    assert (len(holdout), len(trained)) == (answer["data"]["holdoutRows"], answer["data"]["rows"])
    assert set(holdout) == {"age", "bmi", "bp", "s1", "s5", "sex", "target"}  # only needed columns were read
    assert (np.diff(trained.astype(object)) > 0).all()  # sorted, and each once
    model = task["model"]
    features = Features(**{role: tuple(names) for role, names in model["features"].items()})
    held_digests = convert_rows(holdout, Columns(features, "target", "regression", None)).digests
    assert not np.isin(held_digests, trained).any()


def test_more_data_move_no_row_from_one_side_to_the_other(trainer: Trainer, tmp_path: Path, storage: str) -> None:
    patients = diabetes()
    known = patients.head(300)

    def holdout_of(frame: Frame, name: str) -> Frame:
        trainer.done(a_training(written(frame, tmp_path / name / "a.csv"), storage))
        return pd.read_parquet(folder(storage) / "holdout.parquet")

    before, after = holdout_of(known, "known"), holdout_of(patients.sample(frac=1, random_state=0), "more")
    both = after.merge(known.astype({"sex": str})[list(after)].drop_duplicates())
    assert sorted(both.itertuples(index=False)) == sorted(before.itertuples(index=False))


def test_with_a_time_the_newest_rows_are_held_out(trainer: Trainer, uri: str, storage: str) -> None:
    task = a_training(uri, storage, data__timeColumn="day")
    answer = trainer.done(task)
    holdout = pd.read_parquet(folder(storage) / "holdout.parquet")
    assert holdout["day"].min() == diabetes()["day"].iloc[442 - round(442 * 0.2)]
    record = metadata(task)["data"]
    assert (answer["data"]["start"], answer["data"]["end"]) == ("2026-01-01T00:00:00Z", "2026-01-19T09:00:00Z")
    assert record["trainedUntil"] < holdout["day"].min().isoformat() <= record["end"]


def test_a_numeric_feature_may_be_the_time_as_well(trainer: Trainer, uri: str, storage: str) -> None:
    task = a_training(uri, storage, data__timeColumn="age", data__timeFormat="epoch-s")
    trained = trainer.done(task)
    holdout = pd.read_parquet(folder(storage) / "holdout.parquet")
    assert holdout["age"].min() > 55
    live = a_version(trained)
    code, answer = trainer(a_validation(task, trained, live))
    assert (code, answer["holdoutRows"]) == (0, len(holdout))


@pytest.mark.parametrize(
    ("window", "rows"), [("all", 442), (200, 200), ("10d", 240), ("99h", 99), ("3600m", 60), ("144000s", 40)]
)
def test_a_fixed_window_counts_back_from_the_newest_row(
    trainer: Trainer, uri: str, storage: str, window: str | int, rows: int
) -> None:
    answer = trainer.done(a_training(uri, storage, data__timeColumn="day", data__window=window))
    assert answer["data"]["rows"] + answer["data"]["holdoutRows"] == rows
    assert answer["data"]["end"] == "2026-01-19T09:00:00Z"


def test_automatic_window_keeps_an_unchanged_history(trainer: Trainer, uri: str, storage: str) -> None:
    task = a_training(uri, storage, data__timeColumn="day", data__window="auto")
    assert trainer.done(task)["data"]["rows"] == 442 - round(442 * 0.2)
    assert metadata(task)["data"]["span"] == "the whole history"


def test_the_automatic_window_forgets_a_past_that_misleads(trainer: Trainer, tmp_path: Path, storage: str) -> None:
    patients = diabetes()
    old = patients.index < 250
    changed = patients.assign(target=patients["target"].where(~old, 700 - patients["target"]))
    uri = written(changed, tmp_path / "changed" / "a.csv")
    whole = trainer(a_training(uri, storage, data__timeColumn="day", data__window="all"))
    assert whole.answer["reason"] == "WorseThanBaseline"
    task = a_training(uri, storage, data__timeColumn="day", data__window="auto", data__minRows=60)
    chosen = trainer.done(task)
    assert metadata(task)["data"]["span"] == "the newest quarter"
    assert chosen["metrics"]["r2"] > 0.3
    assert chosen["data"]["start"] > "2026-01-01T00:00:00Z"


def test_the_automatic_window_tries_no_span_below_the_least_rows(trainer: Trainer, uri: str, storage: str) -> None:
    task = a_training(uri, storage, data__timeColumn="day", data__window="auto", data__minRows=400)
    trainer.done(task)
    assert json.loads(stored(task)["metrics.json"])["spans"] == {}


@pytest.mark.parametrize("method", ["grid", "random", "halving"])
@pytest.mark.parametrize("time", [None, "day"])
def test_a_search_finds_the_better_parameters(
    trainer: Trainer, uri: str, storage: str, method: str, time: str | None
) -> None:
    task = a_training(uri, storage, search=ALPHAS | {"method": method}, model__parameters={"solver": "svd"})
    if time:
        task["data"]["timeColumn"] = time
    answer = trainer.done(task)
    assert answer["parameters"]["solver"] == "svd"
    assert answer["parameters"]["alpha"] in (0.01, 1.0)  # 1000 shrinks everything away
    worse = trainer.done(a_training(uri, storage, model__parameters={"alpha": 1000.0}))
    assert answer["metrics"]["r2"] > worse["metrics"]["r2"]
    ranking = metrics_of(trainer, task)["search"]["ranking"]
    assert [each["score"] for each in ranking] == sorted((each["score"] for each in ranking), reverse=True)


def metrics_of(trainer: Trainer, task: Json) -> Any:
    trainer.done(task)
    return json.loads(stored(task)["metrics.json"])


def test_the_holdout_has_no_part_in_the_search(trainer: Trainer, tmp_path: Path, storage: str) -> None:
    """Whatever the newest rows say, they are only scored on."""
    patients = diabetes()
    spoiled = patients.assign(target=patients["target"].where(patients.index < 360, patients["target"] * 1.5))
    answers = [
        trainer.done(
            a_training(written(frame, tmp_path / name / "a.csv"), storage, search=ALPHAS, data__timeColumn="day")
        )
        for name, frame in (("good", patients), ("spoiled", spoiled))
    ]
    assert answers[0]["artifact"]["sha256"] == answers[1]["artifact"]["sha256"]
    assert answers[0]["metrics"] != answers[1]["metrics"]


def test_every_finding_of_the_cleaning_is_counted(trainer: Trainer, tmp_path: Path, storage: str) -> None:
    untidy = diabetes()
    untidy.loc[:4, "target"] = np.nan
    untidy.loc[10:19, "bmi"] = np.nan
    untidy = pd.concat([untidy, untidy.iloc[50:53]])
    task = a_training(written(untidy, tmp_path / "untidy" / "a.csv"), storage)
    trainer.done(task)
    assert metadata(task)["data"]["counts"] == {
        "rows read": 445,
        "without target or time": 5,
        "duplicates": 3,
        "with a missing feature": 10,
        "rows kept": 427,
    }
    imputed = a_training(
        task["data"]["uri"], storage, data__cleaning__missing="impute", data__cleaning__duplicates="keep"
    )
    trainer.done(imputed)
    assert metadata(imputed)["data"]["counts"]["rows kept"] == 440
    profile = json.loads(stored(imputed)["profile.json"])
    assert profile["features"]["bmi"]["shares"][-1] == pytest.approx(10 / 440, abs=0.01)


def test_a_profile_is_of_what_comes_in_so_dropped_rows_are_in_it(
    trainer: Trainer, tmp_path: Path, storage: str
) -> None:
    gaps = diabetes()
    gaps.loc[gaps.index % 10 == 0, "bmi"] = np.nan
    task = a_training(written(gaps, tmp_path / "gaps" / "a.csv"), storage, data__timeColumn="day")
    trainer.done(task)
    profile = json.loads(stored(task)["profile.json"])
    assert profile["features"]["bmi"]["shares"][-1] == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(("policy", "rows"), [("keep", 354), ("clip", 354), ("drop", 351)])
def test_outliers_are_handled_in_training_rows_only(
    trainer: Trainer, tmp_path: Path, storage: str, policy: str, rows: int
) -> None:
    wild = diabetes().astype({"bmi": float, "s1": float})
    wild.loc[[3, 4], "bmi"] = 1e6
    wild.loc[5, "s1"] = -1e6
    wild.loc[441, "bmi"] = 1e6  # the newest row: in the holdout
    uri = written(wild, tmp_path / "wild" / "a.csv")
    task = a_training(uri, storage, data__timeColumn="day", data__cleaning__outliers=policy)
    task["model"] |= {"estimator": "sklearn.tree.DecisionTreeRegressor", "parameters": {"max_depth": 2}}
    assert trainer.done(task)["data"]["rows"] == rows
    assert pd.read_parquet(folder(storage) / "holdout.parquet")["bmi"].max() == 1e6
    outliers = json.loads(stored(task)["metrics.json"])["outliers"]
    assert outliers == ({} if policy == "keep" else {"bmi": 2, "s1": 1})


def test_a_classifier_is_scored_by_chance_too(trainer: Trainer, tmp_path: Path, storage: str) -> None:
    uri = written(breast_cancer(), tmp_path / "cancer" / "a.parquet")
    task = a_training(uri, storage, "breast_cancer")
    answer = trainer.done(task)
    assert set(answer["metrics"]) == set(quality_metrics("classification"))
    assert answer["metrics"]["roc_auc"] > 0.95
    assert json.loads(stored(task)["metrics.json"])["average"] == "of class 1"
    svc = a_training(uri, storage, "breast_cancer", model__estimator="sklearn.svm.LinearSVC")
    assert set(trainer.done(svc)["metrics"]) == {"accuracy", "f1", "precision", "recall"}


def test_the_report_shows_no_row_and_escapes_what_others_named(trainer: Trainer, tmp_path: Path, storage: str) -> None:
    evil = "<script>alert(1)</script>"
    frame = diabetes().rename(columns={"bmi": evil})
    frame.loc[0, evil] = np.nan
    task = a_training(written(frame, tmp_path / "evil" / "a.csv"), storage)
    task["model"]["features"]["numeric"][1] = evil
    trainer.done(task)
    page = stored(task)["report.html"].decode()
    assert "script" in page and evil not in page
    assert not re.search(r"""(src|href)=|url\(|@import|<(script|link|img|iframe)""", page)  # self-contained
