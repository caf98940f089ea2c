"""Unusual data are reported as findings; data that leak the target or teach nothing are rejected."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial_trainer.contract.task import Features, Kind
from perennial_trainer.data.rows import Rows, convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.profiling.quality import describe_findings, inspect_rows
from tests.trainer.tasks import Frame, Trainer, a_training, breast_cancer, diabetes, iris, refused, written

Change = Callable[[Frame], Frame]


def shuffled(target: Any) -> Any:
    return np.random.default_rng(0).permutation(target)


CLASSES = {"model__task": "classification", "model__estimator": "sklearn.linear_model.LogisticRegression"}
REFUSED: list[tuple[str, Change, dict[str, Any], list[str]]] = [
    ("LeakingColumn", lambda f: f.assign(bmi=f["target"]), {}, ["bmi", "linear copy", "target"]),
    ("LeakingColumn", lambda f: f.assign(bmi=32 - 1.8 * f["target"].round(2)), {}, ["bmi"]),
    ("LeakingColumn", lambda f: f.assign(bmi=f["target"].where(f.index % 9 > 0)), {}, ["bmi"]),
    ("LeakingColumn", lambda f: f.assign(target=f["sex"].map({1: "f", 2: "m"})), CLASSES, ["sex", "one-to-one"]),
    ("LeakingColumn", lambda f: f.assign(target=f["sex"], bmi=-f["sex"]), CLASSES, ["bmi", "one-to-one"]),
    ("ConstantFeatures", lambda f: f.assign(age=1, bmi=2, bp=3, s1=4, s5=5, sex=6), {}, ["age, bmi", "one value"]),
    (
        "WorseThanBaseline",
        lambda f: f.assign(target=shuffled(f["target"])),
        {"model__estimator": "sklearn.tree.DecisionTreeRegressor"},
        ["DecisionTreeRegressor", "mean", "mse"],
    ),
    (
        "WorseThanBaseline",
        lambda f: f.assign(target=shuffled(np.where(f.index % 3, "ill", "well"))),
        CLASSES | {"model__estimator": "sklearn.tree.DecisionTreeClassifier"},
        ["frequencies", "accuracy", "log_loss"],
    ),
    ("WorseThanBaseline", lambda f: f, {"model__estimator": "sklearn.dummy.DummyRegressor"}, ["mae"]),
]


@pytest.mark.parametrize(("reason", "change", "task", "words"), REFUSED)
def test_unlearnable_data_are_rejected_and_nothing_is_stored(
    trainer: Trainer, tmp_path: Path, reason: str, change: Change, task: dict[str, Any], words: list[str]
) -> None:
    refused(trainer, tmp_path, reason, change, task, words)


def rows(frame: Frame, kind: Kind = "regression") -> Rows:
    names = [str(name) for name in frame if name not in ("target", "category")]
    features = Features(numeric=tuple(names), categorical=("category",) if "category" in frame else ())
    return convert_rows(frame, Columns(features, "target", kind, None))


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (pd.DataFrame({"a": [1.0, 2.0], "target": [1.0, 2.0]}), "regression"),  # two rows always correlate
        (pd.DataFrame({"category": [f"key {i}" for i in range(99)], "target": range(99)}), "regression"),
        (pd.DataFrame({"category": list("abcd") * 9, "target": ["x", "x", "y", "z"] * 9}), "classification"),
        (
            diabetes()
            .drop(columns="day")
            .assign(bmi=lambda f: f["target"] + np.random.default_rng(0).normal(0, 1, 442)),
            "regression",
        ),
        (iris(), "classification"),
    ],
    ids=["two rows", "a key", "a coarser class", "a strong cause", "separable classes"],
)
def test_strong_feature_is_not_a_leak(frame: Frame, kind: Kind) -> None:
    inspect_rows(rows(frame, kind))


def test_leak_is_detected_in_sorted_classes() -> None:
    frame = pd.DataFrame({"category": np.repeat(["a", "b"], 11_000), "target": np.repeat(["x", "y"], 11_000)})
    with pytest.raises(Exception, match="one-to-one"):
        inspect_rows(rows(frame, "classification"))


def test_every_finding_is_counted_and_described() -> None:
    frame = pd.DataFrame(
        {
            "a": [1.0, 1.0, *range(198)],
            "b": [7.0, 7.0, *[np.nan] * 98, *[7.0] * 100],
            "target": ["rare", *["common"] * 199],
        }
    )
    findings = inspect_rows(rows(frame, "classification"))
    assert (findings.constant, findings.rare_classes, findings.distinct_targets) == (["b"], {"rare": 1}, 2)
    assert findings.commonest_target_share == 0.995
    assert findings.contradicting == 2  # the first two rows, but not the one whose b is missing
    assert [
        sum(word in each for each in describe_findings(findings))
        for word in ("b", "fewer than 10 rows: 1", "99.5%", "2 rows")
    ] >= [1] * 4


def test_constant_column_is_a_finding_and_not_rejected(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(diabetes().assign(bp=1), tmp_path / "data" / "a.csv")
    trainer.done(a_training(uri, (tmp_path / "v1").as_uri()))
    metrics = json.loads((tmp_path / "v1" / "metrics.json").read_text())
    assert metrics["findings"]["constant"] == ["bp"]
    assert metrics["baseline"]["mse"]["value"] > metrics["metrics"]["mse"]["value"]


@pytest.mark.parametrize(
    "estimator",
    ["naive_bayes.GaussianNB", "svm.LinearSVC", "ensemble.RandomForestClassifier"],
)
def test_classifier_with_good_ranking_beats_the_baseline(trainer: Trainer, tmp_path: Path, estimator: str) -> None:
    cancer = breast_cancer()
    few = cancer[(cancer["target"] == 1) | (cancer.index % 12 == 0)]
    balanced = {} if "bayes" in estimator else {"class_weight": "balanced"}
    uri = written(few, tmp_path / "data" / "a.parquet")
    changes = {"model__estimator": f"sklearn.{estimator}", "model__parameters": balanced}
    trainer.done(a_training(uri, (tmp_path / "v1").as_uri(), "breast_cancer", **changes))
