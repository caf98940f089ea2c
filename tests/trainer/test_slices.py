"""A candidate that is better on the whole may be worse for some: each group that is asked for is measured."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, mean_absolute_error

from perennial_trainer.artifacts.model_file import load_model
from perennial_trainer.contract import result
from perennial_trainer.contract.task import SliceBy
from perennial_trainer.validation.slices import MAX_RATIO, groups, worst_groups
from tests.trainer.tasks import (
    RESULT,
    Json,
    Trainer,
    a_training,
    a_validation,
    a_version,
    breast_cancer,
    changed,
    diabetes,
    written,
)
from tests.trainer.test_report import rows_and_scored

MAE = {"metric": "mae", "confidence": 0.95}


@pytest.fixture
def wards(trainer: Trainer, tmp_path: Path) -> tuple[Json, Json, Json]:
    """A task, its candidate, and a live version; the candidate has learned nothing true about one sex."""
    patients = diabetes()
    spoiled = patients.assign(target=patients["target"] + 80 * (patients["sex"] == 2))
    spoiled.loc[360:, "target"] = patients["target"].loc[360:]
    done = []
    for name, frame in (("v1", patients), ("v2", spoiled)):
        uri = written(frame, tmp_path / f"data-{name}" / "a.csv")
        task = a_training(uri, (tmp_path / name).as_uri(), version=name, data__timeColumn="day")
        task["model"]["estimator"] = "sklearn.tree.DecisionTreeRegressor"
        task["model"]["parameters"] = {"max_depth": 3}
        done.append(trainer.done(task))
    return task, done[1], a_version(done[0], "v1")


def test_result_has_the_group_that_gets_worst(trainer: Trainer, wards: tuple[Json, Json, Json], tmp_path: Path) -> None:
    task, candidate, live = wards
    asked = [{"column": "sex", "metric": "mae"}, {"column": "bmi", "metric": "mse"}]
    answer = trainer.done(a_validation(task, candidate, live, against=MAE, slices=asked))
    by_sex = next(each for each in answer["slices"] if each["column"] == "sex")
    assert (by_sex["group"], by_sex["metric"]) == ("2", "mae")
    holdout = pd.read_parquet(tmp_path / "v2" / "holdout.parquet")
    of_sex = holdout[holdout["sex"] == "2"]
    for name, stored in (("candidate", candidate["artifact"]), ("live", live)):
        answers = load_model(stored["uri"], stored["sha256"]).predict(of_sex)
        assert by_sex[name] == pytest.approx(mean_absolute_error(of_sex["target"], answers))
    assert by_sex["rows"] == len(of_sex)
    assert by_sex["ratio"] == pytest.approx(by_sex["candidate"] / by_sex["live"]) and by_sex["ratio"] > 1.3
    assert [each["ratio"] for each in answer["slices"]] == sorted((e["ratio"] for e in answer["slices"]), reverse=True)
    page = (tmp_path / "v2" / "validation.html").read_text()
    assert "sex = 2" in page and f"{by_sex['candidate']:.4g}" in page
    assert json.loads((tmp_path / "v2" / "validation.json").read_text())["slices"] == answer["slices"]


def test_no_slice_is_compared_where_no_version_is_live(trainer: Trainer, wards: tuple[Json, Json, Json]) -> None:
    task, candidate, _ = wards
    assert "slices" not in trainer.done(a_validation(task, candidate, slices=[{"column": "sex", "metric": "mse"}]))


def test_lower_score_is_worse_and_undefined_metric_is_omitted(trainer: Trainer, tmp_path: Path) -> None:
    cancer = breast_cancer()
    uri = written(cancer, tmp_path / "data" / "a.csv")
    plain = a_training(uri, (tmp_path / "v1").as_uri(), "breast_cancer", version="v1")
    few = {"numeric": ["mean texture", "worst area", "worst smoothness"], "categorical": []}
    plain = changed(plain, model__features=few, data__holdout=0.4)
    stump = {"model__estimator": "sklearn.tree.DecisionTreeClassifier", "model__parameters": {"max_depth": 1}}
    task = a_training(uri, (tmp_path / "v2").as_uri(), "breast_cancer", version="v2", **stump)
    task = changed(task, model__features=few, data__holdout=0.4)
    live, candidate = trainer.done(plain), trainer.done(task)
    asked = [{"column": "worst area", "metric": "accuracy"}, {"column": "worst area", "metric": "roc_auc"}]
    answer = trainer.done(a_validation(task, candidate, a_version(live, "v1"), slices=asked))
    by_metric = {each["metric"]: each for each in answer["slices"]}
    assert by_metric["accuracy"]["ratio"] == pytest.approx(
        by_metric["accuracy"]["live"] / by_metric["accuracy"]["candidate"]
    )
    assert by_metric["accuracy"]["group"].startswith(("up to", "above"))
    holdout = pd.read_parquet(tmp_path / "v2" / "holdout.parquet")
    low = holdout["worst area"].quantile(0.25, interpolation="lower")
    smallest = holdout[holdout["worst area"] <= low]
    assert smallest["target"].nunique() == 1  # so that there roc_auc has no value
    if by_metric["accuracy"]["group"].startswith("up to"):
        model = load_model(candidate["artifact"]["uri"], candidate["artifact"]["sha256"])
        accuracy = accuracy_score(smallest["target"].astype(int), model.predict(smallest))
        assert by_metric["accuracy"]["candidate"] == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("slices", "reason", "words"),
    [
        ([{"column": "region", "metric": "mse"}], "InvalidTask", ["region", "not a feature"]),
        ([{"column": "sex", "metric": "f1"}], "UnknownMetric", ["validation.slices.metric f1", "mse, rmse, mae"]),
    ],
)
def test_what_cannot_be_sliced_is_refused(
    trainer: Trainer, wards: tuple[Json, Json, Json], slices: Any, reason: str, words: list[str]
) -> None:
    task, candidate, live = wards
    code, answer = trainer(a_validation(task, candidate, live, slices=slices))
    assert (code, answer["reason"]) == (3, reason), answer
    assert [word for word in words if word not in answer["message"]] == []


def test_groups_below_30_rows_are_ignored() -> None:
    rows, scored = rows_and_scored()
    (worst,) = worst_groups([SliceBy(column="sex", metric="mse")], rows, scored, scored)
    assert worst.ratio == 1.0
    few = rows.take(slice(0, 60))
    of_few = scored.take(np.arange(len(rows)) < 60)
    large = {name for name, which in groups(few.features["sex"]) if which.sum() >= 30}
    found_in = {each.group for each in worst_groups([SliceBy(column="sex", metric="mse")], few, of_few, of_few)}
    assert found_in <= large
    assert (
        worst_groups(
            [SliceBy(column="sex", metric="mse")], rows.take(slice(0, 29)), of_few.take(np.arange(60) < 29), of_few
        )
        == []
    )


def test_ratio_to_a_perfect_live_version_is_finite() -> None:
    rows, scored = rows_and_scored()
    perfect = type(scored)(scored.target, scored.target)
    (worst,) = worst_groups([SliceBy(column="sex", metric="mse")], rows, scored, perfect)
    assert worst.ratio == MAX_RATIO
    (worst,) = worst_groups([SliceBy(column="sex", metric="mse")], rows, perfect, perfect)
    assert worst.ratio == 1.0


@given(st.lists(st.none() | st.floats(-1e9, 1e9), min_size=1, max_size=60))
def test_each_number_is_in_exactly_one_quarter(values: list[float | None]) -> None:
    masks = list(groups(pd.Series(values, dtype="float64")))
    assert np.sum([which for _, which in masks], axis=0).tolist() == [1] * len(values)
    assert len(masks) <= 5


def test_eight_slices_of_long_names_fit_into_an_answer() -> None:
    each = result.SliceResult(
        column="c" * 128, metric="mse", group="g" * 64, rows=9, candidate=1 / 3, live=1 / 7, ratio=7 / 3
    )
    metrics = result.Metrics(candidate=dict.fromkeys("abcd", 1 / 3), live=dict.fromkeys("abcd", 1 / 3))
    answer = result.ValidateResult(
        message="m" * 200, holdout_rows=9, metrics=metrics, standard_errors={"a": 1 / 3}, slices=[each] * 8
    )
    content = result.encode_result(answer)
    assert len(content) <= result.MAX_BYTES
    assert len(json.loads(content)["slices"]) == 8
    RESULT.validate(json.loads(content))
