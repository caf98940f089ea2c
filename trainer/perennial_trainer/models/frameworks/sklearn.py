"""scikit-learn, and what has its interface: LightGBM, XGBoost, and packages that the administrator allows."""

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Model
from perennial_trainer.models.boosting import parameters as boosting
from perennial_trainer.models.frameworks import entry_points, sklearn_file
from perennial_trainer.models.frameworks.allow_list import (
    CODE,
    NESTED,
    Nested,
    allowed_class,
    allowed_estimators,
    table_of,
)
from perennial_trainer.models.nested import nested_fitted
from perennial_trainer.models.seed import SEED

FILE_FORMATS = ("joblib", "skops")
LIBRARIES = ("lightgbm", "xgboost-cpu")
CAN_BE_CALIBRATED = True


def file_format(model: Model) -> str:
    return model.format


def estimator_class(model: Model, field: str = "model") -> type[Any]:
    """The class, if it or its package is on an allow-list.

    Raises RejectedTask: UnknownEstimator, FrameworkNotInstalled, PackageNotAllowed, UntrustedArtifact.
    """
    if entry_points.MARK in model.estimator:
        if model.format != "joblib":
            raise RejectedTask(
                "UntrustedArtifact",
                f"{field}.estimator {model.estimator} cannot be stored in model.format {model.format}, whose list of "
                "classes has only the trainer's own: use joblib",
            )
        return entry_points.entry_point_class("estimator", model.estimator, field)
    try:
        allowed = allowed_class(model.estimator)
    except (ImportError, OSError) as error:
        raise RejectedTask(
            "FrameworkNotInstalled",
            f"{field}.estimator {model.estimator} cannot be loaded: {error}; install it, and libgomp1, which LightGBM "
            "needs, or use the trainer's image, which has both",
        ) from error
    if allowed is None:
        similar = difflib.get_close_matches(model.estimator, allowed_estimators(model.task), n=3, cutoff=0.5)
        raise RejectedTask(
            "UnknownEstimator",
            f"{field}.estimator {model.estimator} is not on the allow-list of docs/estimators.md: did you mean "
            f"{' or '.join(similar) or 'sklearn.linear_model.Ridge'}? Any other one needs a package of your own that "
            "the administrator allows (docs/own-estimator.md), or an image of your own, with model.framework custom "
            "(docs/own-trainer.md)",
        )
    return allowed


def parameter_names(estimator_class: type[Any]) -> list[str]:
    """Of LightGBM and XGBoost those of our table; else what the constructor takes, without functions."""
    if table := table_of(estimator_class):
        return sorted(table.__struct_fields__)
    return sorted(set(inspect.signature(estimator_class).parameters) - CODE)


def nested_parameters(estimator_class: type[Any]) -> dict[str, Nested]:
    package, module, *_ = f"{estimator_class.__module__}.".split(".")
    return NESTED.get(f"{package}.{module}.{estimator_class.__name__}", {})


def defaults(estimator_class: type[Any]) -> dict[str, Any]:
    """What the estimator gets where the task names nothing else: a seed, if it draws at random."""
    if table := table_of(estimator_class):
        return inspect.getmodule(estimator_class).FIXED | boosting.defaults(table)  # type: ignore[union-attr, no-any-return]
    return {"random_state": SEED} if "random_state" in inspect.signature(estimator_class).parameters else {}


def check_values(estimator_class: type[Any], parameters: Mapping[str, Any]) -> None:
    """Raises what scikit-learn raises for a value that the estimator does not take.

    scikit-learn checks values publicly only in `fit`, where rows are needed; before any row is read, this private
    method is the only check. A test fails when scikit-learn removes it.
    """
    if table := table_of(estimator_class):
        boosting.check_values(table, parameters)
    else:
        estimator = estimator_class(**parameters)
        if hasattr(estimator, "_parameter_constraints"):  # an estimator of others may have none
            estimator._validate_params()


def fixed_iterations(estimator: Any) -> dict[str, Any] | None:
    """The parameters that fix the iterations of an estimator which may stop early by the score on a part of its rows.

    Boosting keeps all its iterations; a perceptron of layers goes back to its best one; any other keeps the last.
    """
    fixed: dict[str, Any] = {}
    for name, fitted in nested_fitted(estimator).items():
        each = [fixed_iterations(one) for one in fitted]
        if each[0] is None or any(one != each[0] for one in each):
            return None
        fixed |= {f"{name}__{parameter}": value for parameter, value in each[0].items()}
    return fixed | _own_iterations(estimator)


def _own_iterations(estimator: Any) -> dict[str, Any]:
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
    return sklearn_file.load_skops(uri, content) if file_format == "skops" else sklearn_file.load_joblib(uri, content)
