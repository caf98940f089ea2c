"""Rows of one group are on one side of every split; kept columns are for slices only."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Features
from perennial_trainer.data.holdout import split_holdout
from perennial_trainer.data.rows import convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.training.folds import search_folds
from tests.trainer.tasks import Frame, Json, Trainer, a_training, a_validation, a_version, written


def patients(count: int = 200, rows: int = 10, seed: int = 0) -> Frame:
    """Kind 18: ten rows of each patient, whose features name the patient and whose target is the patient's own."""
    generator = np.random.default_rng(seed)
    of = np.repeat(np.arange(count), rows)
    features = generator.normal(size=(count, 4))[of] + generator.normal(size=(count * rows, 4)) * 0.01
    frame = pd.DataFrame(features, columns=list("abcd"))
    times = pd.date_range("2026-01-01", periods=len(frame), freq="h")
    return frame.assign(
        patient=[f"p{each:03}" for each in of],
        region=np.where(of % 3 == 0, "north", "south"),
        day=generator.permutation(times.to_numpy()),
        y=generator.normal(size=count)[of] + generator.normal(size=len(of)) * 0.01 + 0.1 * features[:, 0],
    )


def training_of(frame: Frame, folder: Path, **changes: Any) -> Json:
    task = a_training(written(frame, folder / "data" / "a.csv"), (folder / "v1").as_uri(), **changes)
    task["model"] |= {
        "estimator": "sklearn.neighbors.KNeighborsRegressor",
        "parameters": {"n_neighbors": 3},
        "target": "y",
        "features": {"numeric": list("abcd"), "categorical": []},
    }
    return task


def converted(frame: Frame, time: str | None = None) -> Any:
    columns = Columns(Features(numeric=tuple("abcd"), categorical=()), "y", "regression", time, None, "patient")
    rows = convert_rows(frame, columns)
    return rows if time is None else rows.take(np.argsort(frame[time].to_numpy(), kind="stable"))


def test_a_group_is_on_one_side_of_the_holdout() -> None:
    frame = patients()
    rows = converted(frame)
    split = split_holdout(rows, 0.2)
    holdout, trained = set(frame["patient"][split.mask(rows)]), set(frame["patient"][split.training_mask(rows)])
    assert not holdout & trained and holdout | trained == set(frame["patient"])
    assert len(holdout) / 200 == pytest.approx(0.2, abs=0.1)
    more = patients(400)
    grown = converted(more)
    in_both = set(more["patient"][split_holdout(grown, 0.2).mask(grown)]) & set(frame["patient"])
    assert in_both == holdout  # whatever rows and groups are added


def test_with_a_time_the_holdout_has_only_new_groups() -> None:
    frame = patients(300, 2)
    ordered = frame.sort_values("day", ignore_index=True)
    rows = converted(frame, "day")
    split = split_holdout(rows, 0.5)
    holdout, trained = split.mask(rows), split.training_mask(rows)
    assert ordered["day"][trained].max() < ordered["day"][holdout].min()
    later = ordered["day"] >= ordered["day"][~trained].min()
    seen = ordered["patient"].isin(ordered["patient"][trained])
    assert (holdout == (later & ~seen)).all()


def test_a_model_that_knows_its_patients_is_found_out(trainer: Trainer, tmp_path: Path) -> None:
    frame = patients()
    by_row = trainer.done(training_of(frame, tmp_path))
    assert by_row["metrics"]["r2"] > 0.9
    code, answer = trainer(training_of(frame, tmp_path, data__groupColumn="patient"))
    assert (code, answer["reason"]) == (3, "WorseThanBaseline") or answer["metrics"]["r2"] < 0.1, answer


@pytest.mark.parametrize("kind", ["regression", "classification"])
@pytest.mark.parametrize("time", [None, "day"])
def test_a_group_is_in_one_part_of_every_fold(kind: Any, time: str | None) -> None:
    rows = converted(patients(300, 2), time)
    if kind == "classification":
        rows.columns = Columns(rows.columns.features, "y", kind, time, None, "patient")
        rows.target = pd.Series(np.where(rows.target > 0, "a", "b"))
    for train, test in search_folds(4, rows):
        assert len(test) and not np.isin(rows.group[train], rows.group[test]).any()
    with pytest.raises(RejectedTask, match="groups"):
        search_folds(4, rows.take(np.isin(rows.group, np.unique(rows.group)[:3])))


@pytest.mark.parametrize("method", ["grid", "halving"])
def test_a_search_with_groups_trains_a_version(trainer: Trainer, tmp_path: Path, method: str) -> None:
    frame = patients().assign(y=lambda f: 1.5 * f["a"] + f["y"])
    search = {"method": method, "space": {"n_neighbors": [1, 40, 60]}, "folds": 3, "iterations": 3}
    task = training_of(frame, tmp_path, data__groupColumn="patient", data__keep=["region"], search=search)
    trained = trainer.done(task)
    assert trained["parameters"]["n_neighbors"] > 1
    holdout = pd.read_parquet(tmp_path / "v1" / "holdout.parquet")
    assert set(holdout) == {*"abcd", "y", "region", "perennial.group"}
    slices = [{"column": "region", "metric": "mse"}]
    validation = a_validation(task, trained, a_version(trained), slices=slices)
    validation["against"] = {"metric": "mse", "confidence": 0.95}
    answer = trainer.done(validation)
    assert [each["column"] for each in answer["slices"]] == ["region"]
    assert answer["worsening"]["estimate"] == 0
    validation["slices"] = [{"column": "patient", "metric": "mse"}]
    code, refused = trainer(validation)
    assert (code, refused["reason"]) == (3, "InvalidTask") and "data.keep" in refused["message"]


def test_bootstrap_of_groups_is_wider_than_of_rows() -> None:
    from perennial_trainer.metrics.scored_rows import ScoredRows
    from perennial_trainer.validation.bootstrap import estimate_worsening

    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(50), 40).astype(np.uint64)
    target = generator.normal(size=2000)
    live = ScoredRows(target, target + 1.0)
    candidate = ScoredRows(target, target + 1.0 + generator.normal(size=50)[group.astype(int)] * 0.3)
    by_row = estimate_worsening("mse", candidate, live, 0.95)
    by_group = estimate_worsening("mse", candidate, live, 0.95, group_of=group)
    assert by_row.estimate == pytest.approx(by_group.estimate)
    assert by_group.upper - by_group.estimate > 3 * (by_row.upper - by_row.estimate)
    means = ((candidate.prediction - target) ** 2).reshape(50, 40).mean(axis=1)
    assert by_group.upper - by_group.estimate == pytest.approx(1.645 * means.std(ddof=1) / 50**0.5, rel=0.25)


def test_no_r2_is_taken_from_rows_of_known_groups() -> None:
    frame = patients()
    assert r2_score(frame["y"], frame.groupby("patient")["y"].transform("mean")) > 0.9
