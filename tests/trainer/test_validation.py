"""Candidate and live version on the same rows, which neither was trained on."""

from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import mean_squared_error

from perennial_trainer.artifacts.model_file import load_model
from perennial_trainer.contract.metric_table import quality_metrics
from tests.trainer.tasks import (
    Frame,
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

MSE = {"metric": "mse", "confidence": 0.95}


class Versions:
    """Trains versions of one model, each on a frame of its own."""

    def __init__(self, trainer: Trainer, tmp_path: Path) -> None:
        self.trainer, self.tmp_path = trainer, tmp_path

    def train(self, name: str, frame: Frame, model: str = "diabetes", **changes: object) -> tuple[Json, Json]:
        uri = written(frame, self.tmp_path / f"data-{name}" / "a.csv")
        task = a_training(uri, (self.tmp_path / name).as_uri(), model, version=name, **changes)
        return task, self.trainer.done(task)


@pytest.fixture
def versions(trainer: Trainer, tmp_path: Path) -> Versions:
    return Versions(trainer, tmp_path)


def test_first_candidate_gets_the_scores_of_its_training(trainer: Trainer, versions: Versions) -> None:
    task, trained = versions.train("v1", diabetes())
    answer = trainer.done(a_validation(task, trained, against=MSE))
    assert answer["metrics"] == {"candidate": trained["metrics"]}
    assert answer["holdoutRows"] == trained["data"]["holdoutRows"]
    assert set(answer["standardErrors"]) == {"mse", "rmse", "mae"}
    assert "worsening" not in answer


def test_both_are_scored_on_same_rows_with_bounded_difference(trainer: Trainer, versions: Versions) -> None:
    _, live = versions.train("v1", diabetes(), model__parameters={"alpha": 1000.0})
    task, candidate = versions.train("v2", diabetes())
    answer = trainer.done(a_validation(task, candidate, a_version(live, "v1"), against=MSE))
    holdout = pd.read_parquet(candidate["data"]["holdoutUri"].removeprefix("file://"))
    pipeline = load_model(live["artifact"]["uri"], live["artifact"]["sha256"])
    assert answer["metrics"]["live"]["mse"] == pytest.approx(
        mean_squared_error(holdout["target"], pipeline.predict(holdout))
    )
    worsening, metrics = answer["worsening"], answer["metrics"]
    assert worsening["estimate"] == pytest.approx(metrics["candidate"]["mse"] / metrics["live"]["mse"] - 1)
    assert worsening["estimate"] < worsening["upper"] < 0  # better, surely
    swapped = trainer.done(a_validation(task, candidate, a_version(candidate, "v2"), against=MSE))
    assert (swapped["worsening"]["estimate"], swapped["worsening"]["upper"]) == (0, 0)


def test_without_time_column_versions_share_the_holdout(trainer: Trainer, versions: Versions) -> None:
    _, live = versions.train("v1", diabetes().head(300))
    task, candidate = versions.train("v2", diabetes())
    answer = trainer.done(a_validation(task, candidate, a_version(live, "v1")))
    assert answer["holdoutRows"] == candidate["data"]["holdoutRows"]


def test_rows_that_the_live_version_was_trained_on_are_left_out(trainer: Trainer, versions: Versions) -> None:
    """The live version saw everything up to hour 400 or so; the candidate's holdout begins earlier."""
    frame = diabetes()
    _, live = versions.train("v1", frame, data__timeColumn="day", data__holdout=0.1)
    task, candidate = versions.train("v2", frame, data__timeColumn="day", data__holdout=0.5)
    answer = trainer.done(a_validation(task, candidate, a_version(live, "v1")))
    assert (candidate["data"]["holdoutRows"], answer["holdoutRows"]) == (221, 44)


def test_versions_with_other_columns_are_compared_by_time(trainer: Trainer, versions: Versions) -> None:
    fewer = {"numeric": ["bmi", "s5"], "categorical": ["sex"]}
    _, live = versions.train("v1", diabetes(), data__timeColumn="day", data__holdout=0.1, model__features=fewer)
    task, candidate = versions.train("v2", diabetes(), data__timeColumn="day", data__holdout=0.5)
    answer = trainer.done(a_validation(task, candidate, a_version(live, "v1"), against=MSE))
    assert answer["holdoutRows"] == 44


def test_a_column_that_has_become_a_category_is_another_column(trainer: Trainer, versions: Versions) -> None:
    """Its digests are others too: taken for the same, no row would be known as trained on."""
    numeric = {"numeric": ["age", "bmi", "bp", "s1", "s5", "sex"], "categorical": []}
    _, live = versions.train("v1", diabetes(), data__timeColumn="day", data__holdout=0.1, model__features=numeric)
    task, candidate = versions.train("v2", diabetes(), data__timeColumn="day", data__holdout=0.5)
    assert trainer.done(a_validation(task, candidate, a_version(live, "v1")))["holdoutRows"] == 44


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("metric", [name for name in quality_metrics("classification") if name != "recall"])
def test_classifiers_are_compared_by_any_of_their_metrics(
    trainer: Trainer, versions: Versions, metric: str, confidence: float
) -> None:
    _, live = versions.train("v1", breast_cancer(), "breast_cancer")
    # Of one question: worse in every metric but the recall.
    bad = {"model__estimator": "sklearn.tree.DecisionTreeClassifier", "model__parameters": {"max_depth": 1}}
    task, candidate = versions.train("v2", breast_cancer(), "breast_cancer", **bad)
    against = {"metric": metric, "confidence": confidence}
    worsening = trainer.done(a_validation(task, candidate, a_version(live, "v1"), against=against))["worsening"]
    assert 0 < worsening["estimate"] < worsening["upper"]


def test_live_version_with_fewer_classes_is_scored_over_all(trainer: Trainer, versions: Versions) -> None:
    frame = diabetes().assign(target=lambda f: pd.qcut(f["target"], 3, labels=["low", "mid", "high"]).astype(str))
    kind = {"model__task": "classification", "model__estimator": "sklearn.linear_model.LogisticRegression"}
    _, live = versions.train("v1", frame[frame["target"] != "mid"], **kind)
    task, candidate = versions.train("v2", frame, **kind)
    answer = trainer.done(
        a_validation(task, candidate, a_version(live, "v1"), against={"metric": "f1", "confidence": 0.9})
    )
    assert set(answer["metrics"]["live"]) == set(quality_metrics("classification"))
    assert answer["metrics"]["live"]["log_loss"] > 5  # it is certain that nothing is "mid"
    assert answer["worsening"]["estimate"] == pytest.approx(
        answer["metrics"]["live"]["f1"] - answer["metrics"]["candidate"]["f1"]
    )


def refused(trainer: Trainer, task: Json) -> tuple[str, str]:
    code, answer = trainer(task)
    assert (code, answer["outcome"]) == (3, "Refused")
    return answer["reason"], answer["message"]


def test_too_few_rows_that_are_new_to_both_are_no_validation(trainer: Trainer, versions: Versions) -> None:
    frame = diabetes()
    _, live = versions.train("v1", frame, data__timeColumn="day", data__holdout=0.01)
    task, candidate = versions.train("v2", frame.head(400), data__timeColumn="day")
    reason, message = refused(trainer, a_validation(task, candidate, a_version(live, "v1")))
    assert reason == "HoldoutTooSmall"
    assert "0 of 80" in message and "v1" in message


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"model__features": {"numeric": ["bmi", "s2"], "categorical": []}}, "s2"),
        ({"model__features": {"numeric": ["bmi"], "categorical": []}, "model__target": "s5"}, "s5"),
    ],
)
def test_error_names_live_version_that_cannot_be_scored(
    trainer: Trainer, versions: Versions, changes: Json, word: str
) -> None:
    _, live = versions.train("v1", diabetes(), data__timeColumn="day", data__holdout=0.1, **changes)
    task, candidate = versions.train("v2", diabetes(), data__timeColumn="day", data__holdout=0.5)
    reason, message = refused(trainer, a_validation(task, candidate, a_version(live, "v1")))
    assert reason == "LiveCannotBeScored"
    assert "v1" in message and word in message


def test_indistinguishable_rows_are_not_compared(trainer: Trainer, versions: Versions) -> None:
    _, live = versions.train("v1", diabetes(), model__features={"numeric": ["bmi"], "categorical": []})
    task, candidate = versions.train("v2", diabetes())
    reason, message = refused(trainer, a_validation(task, candidate, a_version(live, "v1")))
    assert reason == "RowsNotComparable"
    assert "data.timeColumn" in message


@pytest.mark.parametrize("path", ["candidate", "live", "holdout"])
def test_what_was_changed_after_it_was_stored_is_not_used(trainer: Trainer, versions: Versions, path: str) -> None:
    task, trained = versions.train("v1", diabetes())
    validation = a_validation(task, trained, a_version(trained, "v1"))
    reason, message = refused(trainer, changed(validation, **{f"{path}__sha256": "0" * 64}))
    assert reason == "DigestMismatch"
    assert validation[path]["uri"] in message


@pytest.mark.parametrize("name", ["metadata.json", "rows.npy", "holdout.parquet", "model.joblib"])
def test_a_version_that_is_not_whole_is_named(trainer: Trainer, versions: Versions, tmp_path: Path, name: str) -> None:
    task, trained = versions.train("v1", diabetes())
    (tmp_path / "v1" / name).unlink()
    reason, message = refused(trainer, a_validation(task, trained, a_version(trained, "v1")))
    assert reason == "ArtifactMissing"
    assert name in message


def test_a_metric_of_another_task_is_refused_with_the_valid_ones(trainer: Trainer, versions: Versions) -> None:
    task, trained = versions.train("v1", diabetes())
    reason, message = refused(
        trainer, a_validation(task, trained, a_version(trained), against={"metric": "f1", "confidence": 0.9})
    )
    assert reason == "UnknownMetric"
    assert "mse, rmse, mae, r2" in message
