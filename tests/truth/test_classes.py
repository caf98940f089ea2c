"""What f1, precision and recall are of, and what becomes of classes that training did not know."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from perennial_trainer.artifacts.model_file import load_model
from tests.trainer.tasks import Frame, Json, Trainer, a_check, a_training, a_validation, a_version, written

OF_POSITIVE = {"f1", "precision", "recall"}


def payments(classes: tuple[Any, Any], rows: int = 3000, seed: int = 0) -> Frame:
    """The first class is the rare one; the features predict it somewhat."""
    generator = np.random.default_rng(seed)
    x, z = generator.normal(size=(2, rows))
    rare = x + 0.5 * z + generator.normal(size=rows) > 1.8
    return pd.DataFrame({"x": x, "z": z, "target": np.where(rare, *classes)})


def training_of(folder: Path, frame: Frame, name: str = "v1", **changes: Any) -> Json:
    features = {"numeric": ["x", "z"], "categorical": []}
    model = {"task": "classification", "estimator": "sklearn.linear_model.LogisticRegression", "features": features}
    task = a_training(written(frame, folder / name / "data.csv"), (folder / f"{name}-model").as_uri(), **changes)
    task["model"] |= model
    return task


def predictions(task: Json, trained: Json) -> tuple[Frame, Any, Any]:
    holdout = pd.read_parquet(Path(task["storage"].removeprefix("file://")) / "holdout.parquet")
    model = load_model(trained["artifact"]["uri"], trained["artifact"]["sha256"])
    return holdout, model.predict(holdout[["x", "z"]]), model.predict_proba(holdout[["x", "z"]])


def values(checked: Json) -> dict[str, float]:
    return {each["name"]: each["value"] for each in checked["metrics"] if "feature" not in each}


@pytest.mark.parametrize("positive", ["fraud", "legit"])
def test_binary_metrics_are_of_the_positive_class(trainer: Trainer, tmp_path: Path, positive: str) -> None:
    """Kind 7: fraud comes before legit in the alphabet."""
    task = training_of(tmp_path, payments(("fraud", "legit")), model__positiveClass=positive)
    trained = trainer.done(task)
    holdout, predicted, probability = predictions(task, trained)
    for name, function in {"f1": f1_score, "precision": precision_score, "recall": recall_score}.items():
        expected = function(holdout["target"], predicted, pos_label=positive)
        assert trained["metrics"][name] == pytest.approx(expected, rel=1e-12)
    expected = roc_auc_score(holdout["target"] == "fraud", probability[:, 0])
    assert trained["metrics"]["roc_auc"] == pytest.approx(expected, rel=1e-12)
    profile = json.loads((tmp_path / "v1-model" / "profile.json").read_text())
    assert list(profile["probabilities"]) == [positive]


def test_binary_metrics_of_two_texts_need_a_positive_class(trainer: Trainer, tmp_path: Path) -> None:
    task = training_of(tmp_path, payments(("churn", "stay")))
    trained = trainer.done(task)
    assert not OF_POSITIVE & set(trained["metrics"])
    assert {"accuracy", "log_loss", "roc_auc"} <= set(trained["metrics"])
    live = a_version(trained)
    compared = a_validation(task, trained, live, against={"metric": "f1", "confidence": 0.95})
    code, answer = trainer(compared)
    assert (code, answer["reason"]) == (3, "PositiveClassNeeded")
    assert "model.positiveClass" in answer["message"] and "churn, stay" in answer["message"]
    searched = task | {
        "search": {"method": "grid", "space": {"C": [1.0]}, "folds": 3, "iterations": 1, "scoring": "f1"}
    }
    assert trainer(searched).answer["reason"] == "PositiveClassNeeded"
    searched["model"] = searched["model"] | {"positiveClass": "churn"}
    assert trainer.done(searched)["metrics"]["f1"] > 0.3
    searched["model"] = searched["model"] | {"positiveClass": "Churn"}
    code, answer = trainer(searched)
    assert (code, answer["reason"]) == (3, "UnknownPositiveClass")
    assert "churn, stay" in answer["message"]


@pytest.mark.parametrize("classes", [(1, 0), ("true", "false"), (7, -3)])
def test_the_greater_of_two_ordered_classes_is_positive(trainer: Trainer, tmp_path: Path, classes: Any) -> None:
    task = training_of(tmp_path, payments(classes))
    trained = trainer.done(task)
    holdout, predicted, _ = predictions(task, trained)
    is_rare = holdout["target"].astype(str) == str(classes[0])
    expected = f1_score(is_rare, pd.Series(predicted).astype(str) == str(classes[0]))
    assert trained["metrics"]["f1"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("share", [1 / 3000, 0.3])
def test_unknown_classes_stay_out_of_the_metrics(trainer: Trainer, tmp_path: Path, share: float) -> None:
    """Kind 11: a stray label, or rows that are pending, do not change what roc_auc and f1 mean."""
    task = training_of(tmp_path, payments((1, 0)))
    trained = trainer.done(task)
    recent = payments((1, 0), seed=1)
    rows = len(recent)
    strange = np.arange(rows) < round(share * rows)
    mixed = recent.assign(target=np.where(strange, 2, recent["target"]))
    mixed_values = values(trainer.done(a_check(task, trained, written(mixed, tmp_path / "mixed" / "a.csv"))))
    known = values(trainer.done(a_check(task, trained, written(recent[~strange], tmp_path / "known" / "a.csv"))))
    for name in ("accuracy", "f1", "roc_auc", "log_loss", "precision", "recall"):
        assert mixed_values[name] == known[name]
    assert mixed_values["new_class_share"] == pytest.approx(strange.mean(), abs=1e-6)
    assert known["new_class_share"] == 0


def test_stray_labels_are_not_trained_on_and_reported(trainer: Trainer, tmp_path: Path) -> None:
    frame = payments((1, 0), 4000)
    clean = trainer.done(training_of(tmp_path, frame))
    task = training_of(tmp_path, frame.assign(target=np.where(frame.index == 17, 2, frame["target"])), "stray")
    trained = trainer.done(task)
    assert trained["metrics"]["roc_auc"] == pytest.approx(clean["metrics"]["roc_auc"], abs=0.02)
    assert trained["metrics"]["f1"] == pytest.approx(clean["metrics"]["f1"], abs=0.05)
    assert any("not trained on, written as '9'" in each for each in trained["findings"])


def test_a_class_that_means_not_known_is_a_finding(trainer: Trainer, tmp_path: Path) -> None:
    frame = payments(("churn", "stay"))
    frame.loc[frame.index % 3 == 0, "target"] = "pending"
    trained = trainer.done(training_of(tmp_path, frame))
    assert any("class pending has 1000 rows" in each for each in trained["findings"])
