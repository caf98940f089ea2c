"""scikit-learn: its own predictors with plain parameters, of which nothing else is ever imported."""

import difflib
import importlib
import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Kind, Model
from perennial_trainer.models.frameworks import sklearn_file

FILE_FORMATS = ("joblib", "skops")
LIBRARIES = ()
CAN_BE_CALIBRATED = True

MODULES = (
    "discriminant_analysis",
    "dummy",
    "ensemble",
    "gaussian_process",
    "kernel_ridge",
    "linear_model",
    "naive_bayes",
    "neighbors",
    "neural_network",
    "svm",
    "tree",
)
_META_PARAMETERS = {"estimator", "estimators", "final_estimator", "regressor", "classifier"}


def file_format(model: Model) -> str:
    return model.format


def estimator_class(model: Model) -> type[Any]:
    """The class, if it is on the allow-list. Raises RejectedTask: UnknownEstimator."""
    allowed = _allowed_class(model.estimator)
    if allowed is None:
        similar = difflib.get_close_matches(model.estimator, allowed_estimators(model.task), n=3, cutoff=0.5)
        raise RejectedTask(
            "UnknownEstimator",
            f"model.estimator {model.estimator} is not on the allow-list of scikit-learn's predictors with plain "
            f"parameters: did you mean {' or '.join(similar) or 'sklearn.linear_model.Ridge'}?",
        )
    return allowed


def check_values(estimator_class: type[Any], parameters: Mapping[str, Any]) -> None:
    """Raises what scikit-learn raises for a value that the estimator does not take.

    scikit-learn checks values publicly only in `fit`, where rows are needed; before any row is read, this private
    method is the only check. A test fails when scikit-learn removes it.
    """
    estimator_class(**parameters)._validate_params()


def fixed_iterations(estimator: Any) -> dict[str, Any] | None:
    """The parameters that fix the iterations of an estimator which may stop early by the score on a part of its rows.

    Boosting keeps all its iterations; a perceptron of layers goes back to its best one; any other keeps the last.
    """
    parameters = estimator.get_params(deep=False)
    if hasattr(estimator, "do_early_stopping_"):  # histogram boosting, where "auto" depends on the number of rows
        done = {"max_iter": int(estimator.n_iter_)} if estimator.do_early_stopping_ else {}
        return {"early_stopping": False, **done}
    if "validation_fraction" not in parameters:
        return {}
    if "early_stopping" not in parameters:  # gradient boosting
        if parameters["n_iter_no_change"] is None:
            return {}
        return {"n_estimators": int(estimator.n_estimators_), "n_iter_no_change": None}
    if not parameters["early_stopping"] or parameters.get("solver") == "lbfgs":
        return {}
    if hasattr(estimator, "validation_scores_"):
        best = int(np.argmax(estimator.validation_scores_)) + 1
        return {"early_stopping": False, "max_iter": best, "n_iter_no_change": best}
    return {"early_stopping": False, "max_iter": int(estimator.n_iter_), "tol": None}


def dump_pipeline(pipeline: Pipeline, file_format: str) -> bytes:
    return sklearn_file.dump_skops(pipeline) if file_format == "skops" else sklearn_file.dump_joblib(pipeline)


def load_pipeline(uri: str, content: bytes, file_format: str) -> Pipeline:
    return sklearn_file.load_skops(uri, content) if file_format == "skops" else sklearn_file.load_joblib(content)


@cache
def allowed_estimators(task: Kind) -> list[str]:
    """The allow-list of a task, by full name."""
    mixin = ClassifierMixin if task == "classification" else RegressorMixin
    members = {module: vars(importlib.import_module(f"sklearn.{module}")) for module in MODULES}
    names = [f"sklearn.{module}.{name}" for module in MODULES for name in members[module]]
    classes = {name: _allowed_class(name) for name in names}
    return [name for name, each in classes.items() if each is not None and issubclass(each, mixin)]


def _allowed_class(name: str) -> type[Any] | None:
    """The class of that name if it is on the allow-list. Only modules named here are imported."""
    package, _, rest = name.partition(".")
    module, _, class_name = rest.partition(".")
    if package != "sklearn" or module not in MODULES or class_name.startswith("_"):
        return None
    candidate = getattr(importlib.import_module(f"sklearn.{module}"), class_name, None)
    if not inspect.isclass(candidate) or not candidate.__module__.startswith(f"sklearn.{module}"):
        return None  # the module imports other names as well
    if not issubclass(candidate, (RegressorMixin, ClassifierMixin)) or inspect.isabstract(candidate):
        return None
    parameters = inspect.signature(candidate).parameters
    if _META_PARAMETERS & set(parameters) or any(each.default is each.empty for each in parameters.values()):
        return None
    return candidate if get_tags(candidate()).target_tags.single_output else None
