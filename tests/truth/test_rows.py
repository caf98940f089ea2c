"""Training, validation and a check count the same rows, and count them alike."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, mean_squared_error, r2_score

from perennial_trainer.artifacts.model_file import load_model
from perennial_trainer.metrics.evaluate import measure_all
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.metrics.streaming import StreamedMetrics
from tests.trainer.tasks import (
    Frame,
    Json,
    Trainer,
    a_check,
    a_training,
    a_validation,
    a_version,
    breast_cancer,
    changed,
    diabetes,
    written,
)

CHECK_FILES = ("csv", "parquet")


def with_gaps(rows: int = 2000) -> Frame:
    """Kind 1: x decides the target, and 5 % of its values are missing."""
    generator = np.random.default_rng(1)
    x, z = generator.normal(size=(2, rows))
    gaps = np.where(generator.random(rows) < 0.05, np.nan, x)
    return pd.DataFrame({"x": gaps, "z": z, "y": 5 * x + z + generator.normal(size=rows) * 0.5})


def training_of(frame: Frame, folder: Path, target: str, **changes: Any) -> Json:
    task = a_training(written(frame, folder / "data" / "a.csv"), (folder / "v1").as_uri(), **changes)
    features = {"numeric": [name for name in frame if name not in (target, "day")], "categorical": []}
    task["model"] |= {"target": target, "features": features}
    return task


def quality(checked: Json, names: Any) -> dict[str, float]:
    return {each["name"]: each["value"] for each in checked["metrics"] if each["name"] in names}


def holdout_of(task: Json) -> Frame:
    return pd.read_parquet(Path(task["storage"].removeprefix("file://")) / "holdout.parquet")


@pytest.mark.parametrize("missing", ["drop", "impute"])
@pytest.mark.parametrize("time", [None, "day"])
def test_rows_with_a_missing_feature_count_in_every_metric(
    trainer: Trainer, tmp_path: Path, missing: str, time: str | None
) -> None:
    frame = with_gaps().assign(day=pd.date_range("2026-01-01", periods=2000, freq="min"))
    changes: dict[str, Any] = {"data__timeColumn": time} if time else {}
    task = training_of(frame, tmp_path, "y", data__cleaning__missing=missing, **changes)
    trained = trainer.done(task)
    holdout = holdout_of(task)
    assert 0.01 < holdout["x"].isna().mean() < 0.1
    model = load_model(trained["artifact"]["uri"], trained["artifact"]["sha256"])
    predicted = model.predict(holdout[["x", "z"]])
    assert trained["metrics"]["mse"] == pytest.approx(mean_squared_error(holdout["y"], predicted), rel=1e-12)
    assert trained["metrics"]["r2"] == pytest.approx(r2_score(holdout["y"], predicted), rel=1e-12)
    fitted_to = frame.dropna() if missing == "drop" else frame
    assert trained["data"]["rows"] == pytest.approx(0.8 * len(fitted_to), rel=0.05)


@pytest.mark.parametrize("suffix", CHECK_FILES)
@pytest.mark.parametrize("made", [with_gaps, lambda: diabetes().drop(columns="day"), breast_cancer])
def test_check_and_validation_of_the_holdout_repeat_its_metrics(
    trainer: Trainer, tmp_path: Path, made: Any, suffix: str
) -> None:
    frame = made()
    target = "y" if "y" in frame else "target"
    task = training_of(frame, tmp_path, target)
    if made is breast_cancer:
        task["model"] |= {"task": "classification", "estimator": "sklearn.ensemble.RandomForestClassifier"}
        task["model"]["parameters"] = {"n_estimators": 10}
    trained = trainer.done(task)
    uri = written(holdout_of(task), tmp_path / "recent" / f"a.{suffix}")
    checked = trainer.done(a_check(task, trained, uri))
    assert quality(checked, trained["metrics"]) == trained["metrics"]
    psi = {each["name"]: each["value"] for each in checked["metrics"] if each["name"] == "prediction_psi"}
    assert psi == {"prediction_psi": 0.0}
    validated = trainer.done(a_validation(task, trained))
    assert validated["metrics"]["candidate"] == trained["metrics"]


@pytest.mark.parametrize("made", [with_gaps, lambda: diabetes().drop(columns="day"), breast_cancer])
def test_reference_rows_have_no_distance_from_themselves(trainer: Trainer, tmp_path: Path, made: Any) -> None:
    frame = made()
    target = "y" if "y" in frame else "target"
    frame.loc[::7, target] = np.nan  # rows that wait for a target are part of the reference too
    frame = frame.assign(day=pd.date_range("2026-01-01", periods=len(frame), freq="min"))
    task = training_of(frame, tmp_path, target, data__timeColumn="day", data__window="all")
    if made is breast_cancer:
        task["model"] |= {"task": "classification", "estimator": "sklearn.linear_model.LogisticRegression"}
    trained = trainer.done(task)
    before = frame[frame["day"].dt.tz_localize("UTC") < holdout_of(task)["day"].min()]
    checked = trainer.done(a_check(task, trained, written(before, tmp_path / "recent" / "a.csv")))
    details = json.loads((tmp_path / "v1-check" / "drift.json").read_text())["features"]
    for name, statistics in details.items():
        distances = {key: statistics[key] for key in ("psi", "ks", "js") if key in statistics}
        assert distances == pytest.approx(dict.fromkeys(distances, 0.0), abs=1e-9), name
        assert (
            statistics.get("wasserstein", 0) < 0.002
        )  # deviations: the profile of many columns has a few hundred points each
        assert statistics["missing_increase"] == 0
    assert checked["samples"] == len(before)


def test_rows_without_a_target_wait_and_are_reported(trainer: Trainer, tmp_path: Path) -> None:
    """Kind 15: a quarter is not labelled yet."""
    frame = diabetes()
    frame.loc[frame.index % 4 == 0, "target"] = np.nan
    task = a_training(written(frame, tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri())
    trained = trainer.done(task)
    labelled = int(frame["target"].notna().sum())
    assert trained["data"]["rows"] + trained["data"]["holdoutRows"] == labelled
    assert f"{len(frame) - labelled} of {len(frame)} rows have no target yet" in " ".join(trained["findings"])
    frame["target"] = np.nan
    frame.to_csv(tmp_path / "data" / "a.csv", index=False)
    assert trainer(task).answer["reason"] == "AllMissingColumn"


@pytest.mark.parametrize("suffix", CHECK_FILES)
@pytest.mark.parametrize("window", ["all", "90d", 10_000])
def test_rows_without_a_time_count_neither_in_training_nor_check(
    trainer: Trainer, tmp_path: Path, suffix: str, window: str | int
) -> None:
    """Kind 1: a tenth of the rows has no time, and other values."""
    frame = with_gaps().assign(day=pd.date_range("2026-01-01", periods=2000, freq="min"))
    without = np.random.default_rng(2).random(2000) < 0.1
    frame.loc[without, "day"] = pd.NaT
    frame.loc[without, "y"] += 100
    uri = written(frame, tmp_path / "recent" / f"a.{suffix}")
    task = training_of(frame, tmp_path, "y", data__timeColumn="day", data__window="all")
    trained = trainer.done(task)
    checked = trainer.done(a_check(task, trained, uri, data__timeColumn="day", data__window=window))
    timed = frame[~without]
    assert checked["samples"] == len(timed)
    model = load_model(trained["artifact"]["uri"], trained["artifact"]["sha256"])
    mse = mean_squared_error(timed["y"], model.predict(timed[["x", "z"]]))
    assert quality(checked, ["mse"])["mse"] == pytest.approx(mse, rel=1e-6)
    for result in (trained, checked):
        assert f"{without.sum()} rows have no time and were left out" in result["message"]


def test_row_of_tomorrow_does_not_move_the_window(trainer: Trainer, tmp_path: Path) -> None:
    """Kind 4: up to a day after the task's start is allowed for clocks and time zones."""
    frame = with_gaps().assign(day=pd.date_range("2026-01-01", periods=2000, freq="min"))
    now = frame["day"].max() + pd.Timedelta("1min")
    task = training_of(frame, tmp_path, "y", data__timeColumn="day", data__window="all")
    trained = trainer.done(task)
    frame.loc[0, "day"] = now + pd.Timedelta("23h")
    uri = written(frame, tmp_path / "recent" / "a.csv")
    changes = {"data__timeColumn": "day", "data__window": "5h", "now": now.isoformat() + "Z"}
    assert trainer.done(a_check(task, trained, uri, **changes))["samples"] == 5 * 60
    again = changed(task, data__uri=uri, data__window="5h", now=changes["now"])
    data = trainer.done(again)["data"]
    complete = frame[(frame["day"] > now - pd.Timedelta("5h"))]
    assert data["rows"] + data["holdoutRows"] == pytest.approx(len(complete), rel=0.07)


def counts_of_shops() -> Frame:
    """Kind 2: a few values by day and shop, so that equal rows are many and real."""
    generator = np.random.default_rng(1)
    promo = generator.integers(0, 2, 20_000)
    columns = {"shop": generator.integers(0, 30, 20_000), "day": generator.integers(0, 7, 20_000), "promo": promo}
    return pd.DataFrame(columns).assign(units=generator.poisson(1 + 2 * promo))


def test_equal_rows_are_kept_and_base_rates_stay(trainer: Trainer, tmp_path: Path) -> None:
    frame = counts_of_shops()
    task = a_training(written(frame, tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri())
    task["model"] |= {"target": "units", "features": {"numeric": ["promo"], "categorical": ["shop", "day"]}}
    task["data"]["cleaning"]["duplicates"] = "keep"
    trained = trainer.done(task)
    assert trained["data"]["rows"] + trained["data"]["holdoutRows"] == len(frame)
    assert trained["metrics"]["mse"] < frame["units"].var() - 0.5
    assert "findings" not in trained
    task["data"]["cleaning"]["duplicates"] = "drop"
    dropped = trainer(task).answer
    distinct = len(frame.drop_duplicates())
    sentence = f"{len(frame) - distinct} of {len(frame)} rows repeat another one"
    assert sentence in dropped["message"] and sentence in dropped["findings"][0]
    assert sentence in (tmp_path / "v1" / "report.html").read_text()


def of_few_values(rows: int, seed: int) -> Frame:
    """Kind 2: 30 different rows of features, as in a survey."""
    generator = np.random.default_rng(seed)
    a, b, c = (generator.integers(0, most, rows) for most in (5, 3, 2))
    chance = 1 / (1 + np.exp(2 - a * 0.8 - b * c))
    return pd.DataFrame({"a": a, "b": b, "c": c, "y": (generator.random(rows) < chance).astype(int)})


@pytest.mark.parametrize("suffix", CHECK_FILES)
def test_holdout_is_like_the_rows_where_many_are_equal(trainer: Trainer, tmp_path: Path, suffix: str) -> None:
    frame, recent = of_few_values(8000, 1), of_few_values(8000, 2)
    task = training_of(frame, tmp_path, "y", data__cleaning__duplicates="keep")
    task["model"] |= {"task": "classification", "estimator": "sklearn.linear_model.LogisticRegression"}
    trained = trainer.done(task)
    holdout = holdout_of(task)
    assert len(holdout) == pytest.approx(1600, rel=0.1)
    assert holdout["y"].astype(int).mean() == pytest.approx(frame["y"].mean(), abs=0.04)
    fitted = LogisticRegression().fit(frame[["a", "b", "c"]], frame["y"])
    loss = log_loss(recent["y"], fitted.predict_proba(recent[["a", "b", "c"]]))
    assert trained["metrics"]["log_loss"] == pytest.approx(loss, abs=0.04)
    uri = written(recent, tmp_path / "recent" / f"a.{suffix}")
    limits = [{"metric": "prediction_psi", "max": 0.0}, {"metric": "target_psi", "max": 0.0}]
    checked = trainer.done(a_check(task, trained, uri, thresholds=limits))
    for each in checked["metrics"]:
        if each["name"] in ("prediction_psi", "target_psi"):
            assert each["value"] < 0.05 and each["chance"] > 0.005, each
    again = task | {"version": "progression-v2", "storage": (tmp_path / "v2").as_uri()}
    written(pd.concat([frame, recent]), tmp_path / "data" / "a.csv")
    candidate = trainer.done(again)
    against = {"metric": "log_loss", "confidence": 0.95}
    validated = trainer.done(a_validation(again, candidate, a_version(trained), against=against))
    assert validated["holdoutRows"] == candidate["data"]["holdoutRows"]


def test_all_problems_of_a_file_are_reported_at_once(trainer: Trainer, tmp_path: Path) -> None:
    """Kind 26: a file with three faults."""
    frame = diabetes().assign(bmi=lambda f: f["target"] * 2, bp=np.nan)
    frame.loc[frame.index % 3 == 0, "s1"] = np.nan
    task = a_training(written(frame, tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri())
    frame["age"] = frame["age"].astype(object).where(frame.index % 4 > 0, "old")
    frame.to_csv(tmp_path / "data" / "a.csv", index=False)
    code, answer = trainer(task)
    assert (code, answer["outcome"]) == (3, "Refused")
    for part in (
        "4 problems",
        "NonNumericFeature",
        "111 of 442",
        "age",
        "AllMissingColumn",
        "bp",
        "TooManyMissing",
        "s1",
        "% of column s1",
        "LeakingColumn",
        "bmi",
    ):
        assert part in answer["message"], answer["message"]


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 400_000), st.lists(st.integers(1, 200_000), min_size=1, max_size=5), st.integers(0, 5))
def test_metrics_are_the_same_floats_in_batches_of_any_size(rows: int, sizes: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    target = generator.normal(1e6, 1, rows)
    scored = ScoredRows(target, target + generator.normal(size=rows))
    streamed, start = StreamedMetrics(), 0
    while start < rows:
        for size in sizes:
            streamed.add(scored.take(np.arange(start, min(start + size, rows))))
            start = min(start + size, rows)
    assert streamed.measurements() == measure_all(scored)
