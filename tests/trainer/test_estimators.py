"""LightGBM, XGBoost and estimators inside others, from their description to a fitted model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Features, Kind, Model
from perennial_trainer.models.boosting.lightgbm_estimators import FIXED
from perennial_trainer.models.estimators import build_estimator, check_space
from perennial_trainer.models.frameworks import sklearn as framework
from perennial_trainer.models.frameworks.allow_list import BOOSTING, allowed_class, allowed_estimators
from tests.stage import ROOT
from tests.trainer.estimators import PARAMETERS, RIDGE, TREE
from tests.trainer.tasks import Trainer, a_training, diabetes, written

STACK = "sklearn.ensemble.StackingRegressor"
ROWS = np.random.default_rng(0).normal(size=(300, 3))
LIBRARIES: dict[str, Any] = {
    "lightgbm.LGBMClassifier": lightgbm.LGBMClassifier(**FIXED, random_state=0),
    "lightgbm.LGBMRegressor": lightgbm.LGBMRegressor(**FIXED, random_state=0),
    "xgboost.XGBClassifier": xgboost.XGBClassifier(random_state=0),
    "xgboost.XGBRegressor": xgboost.XGBRegressor(random_state=0),
}


def a_described(estimator: str, parameters: dict[str, Any], task: Kind = "regression") -> Model:
    features = Features(numeric=("a",), categorical=())
    return Model(
        framework="sklearn",
        format="joblib",
        estimator=estimator,
        parameters=parameters,
        task=task,
        features=features,
        target="target",
    )


@pytest.mark.parametrize("name", BOOSTING)
def test_defaults_are_those_of_the_library(name: str) -> None:
    classes = name.endswith("Classifier")
    target = (ROWS[:, 0] + ROWS[:, 1] ** 2 > 0.5).astype(int) if classes else ROWS[:, 0] + ROWS[:, 1] ** 2
    ours = build_estimator(a_described(name, {}, "classification" if classes else "regression")).fit(ROWS, target)
    library = LIBRARIES[name].fit(ROWS, target)
    assert np.array_equal(ours.predict(ROWS), library.predict(ROWS))
    if classes:
        assert np.array_equal(ours.predict_proba(ROWS), library.predict_proba(ROWS))


@pytest.mark.parametrize("name", ["xgboost.XGBClassifier", "lightgbm.LGBMClassifier"])
def test_classes_may_be_texts_and_more_than_two(name: str) -> None:
    target = np.where(ROWS[:, 0] > 0.4, "x", np.where(ROWS[:, 1] > 0, "y", "z")).astype(object)
    unfitted = build_estimator(a_described(name, {"n_estimators": 5}, "classification"))
    fitted = clone(unfitted).fit(ROWS, target)
    assert list(fitted.classes_) == ["x", "y", "z"]
    assert set(fitted.predict(ROWS)) == {"x", "y", "z"}
    again = clone(fitted).fit(ROWS, np.where(target == "x", 7, 3))  # as a fold that lacks a class
    assert set(again.predict(ROWS)) == {3, 7}


def test_documented_stack_and_its_search_are_accepted() -> None:
    (text,) = (
        block
        for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "estimators.md").read_text(), re.DOTALL)
        if "final_estimator" in block
    )
    spec = yaml.safe_load(text)["spec"]
    model = spec["model"]
    stack = build_estimator(a_described(model["estimator"], model["parameters"], model["task"]))
    check_space(framework, stack, spec["training"]["search"]["space"], "training.search.space")


def test_search_of_an_estimator_inside_is_recorded_and_refitted(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(diabetes(), tmp_path / "data" / "a.csv")
    search = {"method": "grid", "space": {"ridge__alpha": [0.1, 1e6]}, "folds": 3, "iterations": 2}
    parameters = {"estimators": [RIDGE, TREE]}
    task = a_training(
        uri,
        (tmp_path / "v1").as_uri(),
        model__estimator=STACK,
        model__parameters=parameters,
        search=search,
        data__timeColumn="day",
        refit=True,
    )
    answer = trainer.done(task)
    assert answer["refit"]["artifact"], answer["refit"]
    metadata = json.loads((tmp_path / "v1" / "metadata.json").read_text())
    assert metadata["parameters"] == parameters | {"ridge__alpha": 0.1}
    page = re.sub(r"\s*\n\s*", "", (tmp_path / "v1" / "report.html").read_text())
    for name, value in (("ridge", RIDGE["estimator"]), ("ridge__alpha", "0.1"), ("tree__n_estimators", "5")):
        assert f"<td>{name}</td><td>{value}</td>" in page, name
    again = build_estimator(a_described(STACK, metadata["parameters"]))  # as a challenger is built
    assert again.get_params()["ridge__alpha"] == 0.1


@pytest.mark.parametrize(
    ("name", "parameters", "fixed"),
    [
        ("lightgbm.LGBMRegressor", {"n_estimators": 3}, {}),
        (STACK, {"estimators": [RIDGE]}, {}),
        (
            "sklearn.ensemble.VotingRegressor",
            {
                "estimators": [
                    RIDGE,
                    {
                        "name": "trees",
                        "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
                        "parameters": {"early_stopping": True, "max_iter": 2},
                    },
                ]
            },
            {"trees__early_stopping": False, "trees__max_iter": 2},
        ),
        (
            "sklearn.ensemble.BaggingRegressor",
            {
                "n_estimators": 3,
                "estimator": {
                    "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
                    "parameters": {"early_stopping": True, "n_iter_no_change": 1},
                },
            },
            None,  # each stopped elsewhere
        ),
    ],
)
def test_refit_fixes_iterations_of_estimators_inside(
    name: str, parameters: dict[str, Any], fixed: dict[str, Any] | None
) -> None:
    fitted = build_estimator(a_described(name, parameters)).fit(ROWS, ROWS[:, 0] ** 2)
    assert framework.fixed_iterations(fitted) == fixed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from(["", "auto", "x", "os.system"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["estimator", "name", "a__b"]), inner, max_size=2)
    ),
    max_leaves=4,
)
NAMES = sorted([*PARAMETERS, *BOOSTING, "sklearn.linear_model.Ridge"])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_description_is_built_or_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    names = [*framework.parameter_names(allowed_class(name)), "a__b", "ridge__alpha", "__class__"]  # type: ignore[arg-type]
    values = data.draw(st.dictionaries(st.sampled_from(names), JSON, max_size=3))
    task: Kind = "regression" if name in allowed_estimators("regression") else "classification"
    try:
        build_estimator(a_described(name, PARAMETERS.get(name, {}) | values, task))
    except RejectedTask as refusal:
        assert refusal.reason in ("InvalidParameter", "UnknownEstimator", "EstimatorOfOtherTask")
