"""Fitted pipelines of every estimator on the allow-list, and rows as requests have them."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from perennial_trainer.contract.features.columns import Features
from perennial_trainer.contract.task import Kind, Model
from perennial_trainer.data import conversion
from perennial_trainer.models import pipeline
from perennial_trainer.models.estimators import build_estimator
from perennial_trainer.models.frameworks.allow_list import allowed_estimators

FEATURES = Features(numeric=("temp", "hum"), categorical=("season", "day"))
SMALLER: dict[str, dict[str, Any]] = {"n_estimators": {"n_estimators": 5}, "max_iter": {"max_iter": 60}}


def model_of(estimator: str, kind: Kind, parameters: dict[str, Any] | None = None) -> Model:
    return Model(
        framework="sklearn",
        format="joblib",
        estimator=estimator,
        parameters=parameters or {},
        task=kind,
        features=FEATURES,
        target="y",
    )


def rides(rows: int = 240, seed: int = 7) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "temp": np.where(random.random(rows) < 0.1, np.nan, random.normal(20, 9, rows)),
            "hum": random.random(rows),
            "season": random.choice(np.array(["1", "2", "3", None], dtype=object), rows),
            "day": random.choice(["mon", "tue"], rows),
        }
    )
    return conversion.feature_frame(frame, FEATURES)


@cache
def fitted(estimator: str, kind: Kind, classes: int = 2, parameters: tuple[tuple[str, Any], ...] = ()) -> Pipeline:
    """The pipeline fitted to `rides`, whose target depends on all its features."""
    frame = rides()
    built = build_estimator(model_of(estimator, kind, dict(parameters)))
    for name, smaller in SMALLER.items():
        if name in built.get_params(deep=False) and name not in dict(parameters):
            built.set_params(**smaller)
    score = frame.temp.fillna(15) + 20 * frame.hum + 5 * frame.season.fillna("1").astype(int) + 9 * (frame.day == "tue")
    noise = np.random.default_rng(1).normal(0, 3, len(frame))
    target: Any = np.abs((score + noise).to_numpy()) + 0.1
    if kind == "classification":
        target = np.array(["low", "middle", "high"], dtype=object)[pd.qcut(target, classes, labels=False)]
    return pipeline.build_pipeline(built, FEATURES).fit(frame, target)


def estimators() -> list[tuple[str, Kind]]:
    kinds: tuple[Kind, Kind] = ("regression", "classification")
    return [(name, kind) for kind in kinds for name in allowed_estimators(kind)]
