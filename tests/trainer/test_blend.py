"""A blend: models of the live version and new fits, weighed by the newest rows, stored and served as one model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn import ensemble
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline

from perennial_trainer.artifacts.model_file import load_model
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Features
from perennial_trainer.data.rows import convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.models.blend import answers, blended, fitted_weights, is_blend, members_of, weights_of
from perennial_trainer.models.pipeline import build_pipeline
from perennial_trainer.serve.answers.pipeline import PipelineAnswers
from perennial_trainer.serve.bounds import Bounds
from perennial_trainer.training.blending.blend import heaviest
from tests.trainer.tasks import (
    ABSENT,
    Frame,
    Json,
    Trainer,
    a_check,
    a_training,
    a_validation,
    a_version,
    changed,
    written,
)

FIRST, MORE = 400, 420


def stream(count: int, slope: float = 1.0, begin: int = 0, kind: str = "regression") -> Frame:
    """Hourly rows whose target depends on x by the slope."""
    generator = np.random.default_rng([begin, count])
    x, noise = generator.normal(size=(2, count))
    at = pd.date_range("2026-01-01", periods=begin + count, freq="h", tz="UTC")[begin:]
    target = slope * x + 0.3 * noise
    color = np.where(np.arange(count) % 2, "red", "new" if begin else "blue")
    return pd.DataFrame({"x": x, "color": color, "target": target if kind == "regression" else target > 0, "at": at})


class Stream:
    """Trains versions on rows that come, each with a blend of what the one before it has."""

    def __init__(self, trainer: Trainer, folder: Path, kind: str = "regression") -> None:
        self.trainer, self.folder, self.kind, self.names = trainer, folder, kind, 0
        self.rows = stream(FIRST, kind=kind)
        self.live: Json | None = None
        self.task: Json = {}

    def add(self, slope: float, count: int = MORE) -> None:
        self.rows = pd.concat([self.rows, stream(count, slope, len(self.rows), self.kind)])

    def train(self, **changes: Any) -> Json:
        self.names += 1
        name = f"v{self.names}"
        uri = written(self.rows, self.folder / f"rows-{name}" / "a.parquet")
        task = a_training(uri, (self.folder / name).as_uri(), version=name, data__timeColumn="at", refit=True)
        estimator = {"regression": "LinearRegression", "classification": "LogisticRegression"}[self.kind]
        task["model"] |= {
            "task": self.kind,
            "estimator": f"sklearn.linear_model.{estimator}",
            "features": {"numeric": ["x"], "categorical": ["color"]},
        }
        task["data"] |= {"window": "auto", "minRows": 100, "holdoutRows": 80}
        if self.live:
            task |= {"live": self.live, "blend": "fits"}
        self.task = changed(task, **changes)
        return self.trainer.done(self.task)

    def promote(self, trained: Json) -> None:
        refit = {"artifact": trained["refit"]["artifact"]}
        self.live = a_version(refit, self.task["version"]) | {
            "metadataSha256": refit["artifact"]["metadataSha256"],
        }


@pytest.fixture(params=["regression", "classification"])
def growing(request: pytest.FixtureRequest, trainer: Trainer, tmp_path: Path) -> Stream:
    """A stream whose first version is live; a third of its rows are newer."""
    made = Stream(trainer, tmp_path, request.param)
    made.promote(made.train())
    made.add(-1.0)
    return made


def model(trained: Json, which: str = "refit") -> Any:
    artifact = trained["refit"]["artifact"] if which == "refit" else trained["artifact"]
    return load_model(artifact["uri"], artifact["sha256"])


def test_blend_has_the_live_model_and_two_new_fits(growing: Stream) -> None:
    trained = growing.train()
    assert trained["blend"] == {
        "models": 3,
        "fits": 2,
        "message": "3 models: 1 of v1, 2 fitted by this training",
    }
    proven, refit = model(trained, "proven"), model(trained)
    assert len(members_of(proven)) == len(members_of(refit)) == 3
    assert [name.rpartition(" ")[2] for name in members_of(refit)][1:] == ["all", "newest"]
    for each in (proven, refit):
        assert weights_of(each).sum() == pytest.approx(1) and (weights_of(each) >= 0).all()
    assert weights_of(refit)[2] == max(weights_of(refit))  # the newest rows have another relation
    rows = stream(50, -1.0, 900, growing.kind)
    assert len(refit.predict(rows)) == 50


def test_whole_history_is_fitted_again_once_it_has_grown(trainer: Trainer, tmp_path: Path) -> None:
    made = Stream(trainer, tmp_path)
    made.promote(made.train())
    made.add(1.0, 130)
    trained = made.train()
    assert [name.rpartition(" ")[2] for name in members_of(model(trained))][1:] == ["newest"]
    assert "to its newest rows" in trained["message"]


@pytest.mark.parametrize("asked", ["fits", "whole"])
def test_where_labels_are_late_the_whole_history_comes_first(trainer: Trainer, tmp_path: Path, asked: str) -> None:
    """The history has grown by too little for another model of all rows."""
    made = Stream(trainer, tmp_path)
    made.promote(made.train())
    made.add(1.0, 130)
    trained = made.train(blend=asked)
    proven, refit = model(trained, "proven"), model(trained)
    assert [name.rpartition(" ")[2] for name in members_of(refit)][1:] == ["all"] * (asked == "whole") + ["newest"]
    if asked == "whole":
        assert weights_of(proven)[1] > 0.8  # the models are alike, so the weights are those before any row was read
        assert trained["refit"]["rows"] == FIRST + 130
        for name, member in list(members_of(proven).items())[1:]:
            assert (member[-1].coef_ != members_of(refit)[name][-1].coef_).any()  # the refit has learned the holdout


def test_blend_is_proven_on_the_newer_half_of_the_holdout(growing: Stream) -> None:
    trained = growing.train()
    held_out = pd.read_parquet(growing.folder / "v2" / "holdout.parquet")
    assert len(held_out) == trained["data"]["holdoutRows"] == 40
    assert held_out["at"].min() == growing.rows["at"].iloc[-40]
    learned = np.load(growing.folder / "v2" / "rows.npy")
    assert len(learned) == len(growing.rows) - 40
    validation = a_validation(growing.task, trained, growing.live, refit=a_version(trained["refit"], "v2"))
    result = growing.trainer.done(validation)
    assert result["holdoutRows"] == 40 and result["refit"]["difference"] <= 0.1


def test_weights_alone_are_decided_again(growing: Stream) -> None:
    growing.promote(growing.train())
    growing.add(1.0)
    trained = growing.train(blend="weights")
    assert trained["message"].startswith("weighed its models again")
    assert (trained["blend"]["models"], trained["blend"]["fits"]) == (3, 0)
    refit = model(trained)
    assert len(members_of(refit)) == 3
    data = trained["data"]
    assert data["historyRows"] == FIRST + MORE and data["fittedUntil"] < data["end"]


@pytest.mark.parametrize("late", [0, 80], ids=["labels are known", "labels of the recent rows come late"])
def test_check_measures_what_other_weights_would_save(growing: Stream, late: int) -> None:
    trained = growing.train()
    growing.promote(trained)
    task = growing.task
    measured = {}
    for slope in (-1.0, 1.0):
        rows = pd.concat([growing.rows, stream(MORE, slope, len(growing.rows), growing.kind)])
        rows["target"] = rows["target"].where(np.arange(len(rows)) < len(rows) - late)
        uri = written(rows, growing.folder / f"check{slope}" / "a.parquet")
        challenger = {"data": task["data"] | {"uri": uri}, "parameters": {}, "checks": 5, "weights": True}
        check = a_check(task, trained, uri, data__timeColumn="at", data__window=late or MORE, challenger=challenger)
        check["live"] = growing.live
        metrics = growing.trainer.done(check)["metrics"]
        names = {each["name"] for each in metrics}
        assert "regret" not in names and {"mse", "accuracy"} & names
        measured[slope] = next(each for each in metrics if each["name"] == "weights_regret")
    assert measured[1.0]["value"] > 2 * measured[1.0]["standardError"]
    assert measured[1.0]["value"] > measured[-1.0]["value"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"blend": ABSENT}, None, id="it is not wanted"),
        pytest.param(
            {"model__parameters": {"fit_intercept": False}}, "v1 has another recipe or another cleaning", id="recipe"
        ),
        pytest.param(
            {"data__cleaning__duplicates": "keep"}, "v1 has another recipe or another cleaning", id="cleaning"
        ),
        pytest.param(
            {"live__sha256": "0" * 64},
            "the model file of v1 has a size that is not known",
            id="the live file was changed",
        ),
    ],
)
def test_what_cannot_be_blended_is_one_fit(trainer: Trainer, tmp_path: Path, changes: Json, why: str | None) -> None:
    made = Stream(trainer, tmp_path)
    made.promote(made.train())
    made.add(-1.0)
    trained = made.train(**changes)
    assert len(members_of(model(trained))) == 1
    assert ("blend" in trained) == (why is not None)
    if why is not None:
        assert (trained["blend"]["models"], trained["blend"]["fits"]) == (1, 1)
        assert why in trained["blend"]["message"] and trained["blend"]["message"] in trained["message"]
        page = (tmp_path / "v2" / "report.html").read_text()
        assert "Blend</h2>" in page and why in page


@pytest.mark.parametrize("asked", ["fits", "weights"])
def test_rows_that_the_live_version_knows_decide_no_weights(trainer: Trainer, tmp_path: Path, asked: str) -> None:
    """Weights that cannot be decided become a fit, and the result says so."""
    made = Stream(trainer, tmp_path)
    made.promote(made.train())
    made.add(1.0, 50)
    trained = made.train(blend=asked)
    assert len(members_of(model(trained))) == 1
    message = "no blend: 50 holdout rows are new to v1, fewer than 60"
    assert trained["blend"] == {"models": 1, "fits": 1, "message": message}


def test_training_that_can_fit_nothing_says_so(trainer: Trainer, tmp_path: Path) -> None:
    """Parameters are those of the models, and not what a search has chosen for none."""
    made = Stream(trainer, tmp_path)
    made.rows = stream(1400)
    neighbours = {
        "model__estimator": "sklearn.neighbors.KNeighborsRegressor",
        "model__parameters": {"n_neighbors": 430},
    }
    search = {"method": "grid", "space": {"weights": ["uniform", "distance"]}, "folds": 2, "iterations": 1}
    made.promote(made.train(**neighbours, search=search))
    made.add(1.0, 60)
    trained = made.train(**neighbours, search=search)
    assert (trained["blend"]["models"], trained["blend"]["fits"]) == (1, 0)
    assert trained["message"].startswith("weighed its models again")
    stored = json.loads((tmp_path / "v2" / "metrics.json").read_text())
    assert stored["search"] is None and list(stored["blend"]["weights"].values()) == [1.0]


def test_blend_that_is_not_wanted_any_more_has_a_regret(growing: Stream) -> None:
    trained = growing.train()
    growing.promote(trained)
    uri = growing.task["data"]["uri"]
    challenger = {"data": growing.task["data"], "parameters": {}, "checks": 5}
    check = a_check(growing.task, trained, uri, data__timeColumn="at", data__window=100, challenger=challenger)
    check["live"] = growing.live
    names = {each["name"] for each in growing.trainer.done(check)["metrics"]}
    assert "regret" in names and "weights_regret" not in names


def of_one_time(rows: Frame) -> None:
    rows.loc[rows.index[-100:], "at"] = rows["at"].iloc[-1]


def with_a_class(rows: Frame) -> None:
    rows["target"] = rows["target"].astype(str).where(np.arange(len(rows)) % 9 > 0, "new")


def with_one_class_at_the_end(rows: Frame) -> None:
    rows.loc[rows["at"] >= rows["at"].iloc[-40], "target"] = True


@pytest.mark.parametrize("change", [of_one_time, with_a_class, with_one_class_at_the_end])
def test_rows_that_prove_no_blend_are_fitted_to(
    trainer: Trainer, tmp_path: Path, change: Callable[[Frame], None]
) -> None:
    made = Stream(trainer, tmp_path, "classification")
    made.promote(made.train())
    made.add(-1.0)
    made.rows = made.rows.reset_index(drop=True)
    change(made.rows)
    fitted = model(made.train(), "proven")
    assert len(members_of(fitted)) == 1 and len(fitted.classes_) == made.rows["target"].nunique()


def test_file_of_known_rows_that_is_gone_ends_no_training(trainer: Trainer, tmp_path: Path) -> None:
    made = Stream(trainer, tmp_path)
    made.promote(made.train())
    made.add(-1.0)
    (tmp_path / "v1" / "rows.npy").unlink()
    assert len(members_of(model(made.train()))) == 1


def test_same_rows_fitted_again_replace_their_models(trainer: Trainer, tmp_path: Path) -> None:
    """Without a refit that is live, the holdout is new to the live version."""
    made = Stream(trainer, tmp_path)
    made.promote(made.train())
    made.add(-1.0)
    proven = made.train(data__holdoutRows=160)
    made.promote({"refit": proven})
    assert len(members_of(model(made.train(data__holdoutRows=160), "proven"))) == 3


@pytest.mark.parametrize(
    ("weights", "most", "kept"),
    [
        ([0.5, 0.1, 0.4], 2, "ac"),
        ([0.1, 0.2, 0.7], 3, "abc"),
        ([0.0, 0.0, 1.0], 2, "bc"),
        ([0.6, 0.4], 3, "ab"),
        ([1.0], 0, ""),
    ],
    ids=["the lightest leaves", "all have room", "of equal ones the oldest leaves", "more room", "no room"],
)
def test_heaviest_models_stay(weights: list[float], most: int, kept: str) -> None:
    assert "".join(heaviest(dict(zip("abc", weights, strict=False)), most)) == kept


def test_newest_fit_that_cannot_predict_is_left_out(trainer: Trainer, tmp_path: Path) -> None:
    made = Stream(trainer, tmp_path)
    few = {"model__estimator": "sklearn.neighbors.KNeighborsRegressor", "model__parameters": {"n_neighbors": 200}}
    made.promote(made.train(**few))
    made.add(-1.0)
    assert len(members_of(model(made.train(**few), "proven"))) == 3


def test_skops_file_of_a_blend_is_loaded(trainer: Trainer, tmp_path: Path) -> None:
    made = Stream(trainer, tmp_path, "classification")
    made.promote(made.train(model__format="skops"))
    made.add(-1.0)
    assert len(members_of(model(made.train(model__format="skops")))) == 3


def test_server_knows_the_categories_of_each_member(growing: Stream) -> None:
    blend, features = model(growing.train()), Features(numeric=("x",), categorical=("color",))
    assert PipelineAnswers(blend, features).known_categories()["color"] >= {"red", "blue", "new"}
    Bounds(PipelineAnswers(blend, features).scales(), features)


def answers_of(*slopes: float) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    x = np.linspace(-1, 1, 100)[:, None]
    return [slope * x for slope in slopes], x


@pytest.mark.parametrize(
    ("slopes", "before", "expected"),
    [
        ((1.0, -1.0), (0.1, 0.9), (0.8, 1.0)),
        ((1.0, 1.0), (0.3, 0.7), (0.29, 0.31)),
    ],
    ids=["towards the model that is right", "as before if all are right"],
)
def test_weights_follow_the_rows_and_cling_to_those_before(
    slopes: tuple[float, ...], before: tuple[float, ...], expected: tuple[float, float]
) -> None:
    each, target = answers_of(*slopes)
    weights = fitted_weights(each, target, np.asarray(before))
    assert expected[0] <= weights[0] <= expected[1] and weights.sum() == pytest.approx(1)


def a_fit(fitted: Any = None) -> Pipeline:
    """A pipeline of ours, or of this estimator, fitted to x."""
    return build_pipeline(fitted or LinearRegression(), Features(numeric=("x",), categorical=())).fit(
        pd.DataFrame({"x": [0.0, 1.0]}), [0.0, 1.0]
    )


def test_only_what_was_blended_is_a_blend() -> None:
    fits = {"a": a_fit(), "b": a_fit()}
    of_others = make_pipeline("passthrough", ensemble.VotingRegressor([("a", LinearRegression())]))
    of_others.fit([[0.0], [1.0]], [0.0, 1.0])
    each = {
        "a blend": blended(fits, np.ones(2) / 2),
        "a fit": a_fit(),
        "a fit that votes": a_fit(ensemble.VotingRegressor([("a", LinearRegression())])),
        "a vote of others": of_others,
        "no pipeline": LinearRegression(),
    }
    assert [name for name, each in each.items() if is_blend(each)] == ["a blend"]


def test_member_that_cannot_predict_is_refused_and_ends_no_check() -> None:
    """As any model that was fitted and cannot predict."""
    rows = convert_rows(
        pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0]}),
        Columns(Features(numeric=("x",), categorical=()), "y", "regression", None),
    )
    few = a_fit()
    few[-1].coef_ = np.ones(7)
    with pytest.raises(RejectedTask) as refused:
        answers(few, rows)
    assert refused.value.reason == "PredictFailed"
