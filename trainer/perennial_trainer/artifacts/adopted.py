"""Reads the model that a task adopts: what was stored elsewhere becomes a pipeline as the trainer's own are."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from msgspec import UNSET, UnsetType
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.pipeline import Pipeline

from perennial_trainer.artifacts.metadata import AdoptedModel
from perennial_trainer.artifacts.model_file import parsed
from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.task import Adopt, TrainTask
from perennial_trainer.data.privacy import common_names
from perennial_trainer.data.rows import Rows
from perennial_trainer.models.frameworks.framework import STEP
from perennial_trainer.models.frameworks.sklearn_file import load_joblib, load_listed
from perennial_trainer.models.scoring import classes_of, message_line, score
from perennial_trainer.storage.digest import sha256_digest
from perennial_trainer.storage.listing import display_uri
from perennial_trainer.storage.store import read_bytes

MAY_FLATTER = "the model was adopted: it may have learned the rows of its holdout, so its metrics may flatter it"


def read_adopted(adopt: Adopt, task: TrainTask) -> Pipeline:
    """The model in the file as the last step of a pipeline; nothing is parsed before its digest is checked.

    Raises RejectedTask: CodeNotAllowed, AdoptedFileMissing, DigestMismatch, UntrustedArtifact, LibraryMismatch,
    UnreadableArtifact, EstimatorOfOtherTask.
    """
    shown = display_uri(adopt.uri)
    if adopt.format == "joblib" and not adopt.allow_code:
        raise RejectedTask(
            "CodeNotAllowed",
            "adopt.format joblib runs the code in the file: store the model as skops, or let the operator's "
            "administrator set PERENNIAL_ADOPT_JOBLIB",
        )
    model = parsed(shown, adopt.format, _parser(shown, _read(adopt, shown), adopt.format))
    right = is_classifier if task.model.task == "classification" else is_regressor
    if not isinstance(model, BaseEstimator) or not hasattr(model, "predict") or not right(model):
        raise RejectedTask(
            "EstimatorOfOtherTask",
            f"adopt.uri {shown} has a {type(model).__name__}, which does no {task.model.task}: name the file of a "
            "fitted estimator or Pipeline of scikit-learn, or change model.task",
        )
    return Pipeline([(STEP, model)])


def check_fit(task: TrainTask, pipeline: Pipeline, *rows: Rows) -> None:
    """The model predicts these rows by their features and knows their classes; else RejectedTask: AdoptedDoesNotFit."""
    model, features = pipeline[-1], list(rows[0].features.columns)
    learned = _learned_names(model)
    problem = f"it was fitted to {join_names(learned)}" if learned and _differ(learned, features) else ""
    if not problem:
        _name_columns(model, features)
        problem = next((each for each in (_trouble(pipeline, one) for one in rows if len(one)) if each), "")
    if task.adopt and problem:
        raise RejectedTask(
            "AdoptedDoesNotFit",
            f"the model of adopt.uri {display_uri(task.adopt.uri)} cannot predict the target from model.features, "
            f"which are {join_names(features)}: {problem}. Give model.features the columns of the model in its order, "
            "and the target its classes, or adopt a Pipeline that converts them",
        )


def adopted_model(task: TrainTask, pipeline: Pipeline) -> AdoptedModel | UnsetType:
    """The record of the file, with the class of the estimator or of each step; not set if the model was fitted."""
    if not (adopt := task.adopt):
        return UNSET
    model = pipeline[-1]
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    name = ", ".join(type(step).__name__ for step in steps)
    return AdoptedModel(uri=display_uri(adopt.uri), sha256=adopt.sha256, format=adopt.format, estimator=name)


def _read(adopt: Adopt, shown: str) -> bytes:
    try:
        content = read_bytes(adopt.uri)
    except FileNotFoundError as error:
        raise RejectedTask("AdoptedFileMissing", f"adopt.uri {shown} does not exist: name the model's file") from error
    if (actual := sha256_digest(content)) != adopt.sha256:
        raise RejectedTask(
            "DigestMismatch",
            f"adopt.uri {shown} has sha256 {actual}, and adopt.sha256 is {adopt.sha256}: it is another file; find out "
            "which one is meant, and give its digest",
        )
    return content


def _parser(shown: str, content: bytes, file_format: str) -> Callable[[], Any]:
    parsers: Mapping[str, Callable[[], Any]] = {
        "skops": lambda: load_listed(shown, content),
        "joblib": lambda: load_joblib(shown, content),
        "lightgbm": lambda: _lightgbm(content),
        "xgboost": lambda: _xgboost(content),
    }
    return parsers[file_format]


def _lightgbm(content: bytes) -> Any:
    from perennial_trainer.models.boosting import lightgbm_estimators

    return lightgbm_estimators.from_file(content)


def _xgboost(content: bytes) -> Any:
    from perennial_trainer.models.boosting import xgboost_estimators

    return xgboost_estimators.from_file(content)


def _learned_names(model: Any) -> list[str]:
    """The features that LightGBM was fitted to, in order: it compares none. Any other model compares them itself."""
    names = [str(name) for name in getattr(model, "feature_name_", [])]
    return [] if all(re.fullmatch(r"Column_\d+", name) for name in names) else names


def _differ(learned: list[str], features: list[str]) -> bool:
    return learned != [name.replace(" ", "_") for name in features]  # as LightGBM writes them


def _name_columns(model: Any, features: list[str]) -> None:
    """A model of scikit-learn that was fitted to unnamed columns gets the names of as many features, in their order."""
    first = model.steps[0][1] if isinstance(model, Pipeline) else model
    if not type(first).__module__.startswith("sklearn.") or hasattr(first, "feature_names_in_"):
        return
    if getattr(first, "n_features_in_", None) == len(features):
        first.feature_names_in_ = np.array(features, dtype=object)


def _trouble(pipeline: Pipeline, rows: Rows) -> str:
    """Why the rows cannot be scored; an empty text if they can."""
    if rows.columns.kind == "classification":
        known = classes_of(pipeline)
        counts = {str(name): int(count) for name, count in rows.target.value_counts().sort_index().items()}
        if unknown := {name: count for name, count in counts.items() if name not in known}:
            return f"it knows the classes {join_names(known)}, and the rows have {common_names(unknown, 10)}"
    try:
        score(pipeline, rows)
    except RejectedTask as refusal:
        return refusal.message.partition("; fix model.parameters")[0]
    except Exception as error:  # code of others may raise anything
        return message_line(error)
    return ""
