"""Which estimators may be trained: scikit-learn's own plain predictors, and nothing else is ever imported."""

import difflib
import importlib
import inspect
from functools import cache
from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import get_tags
from sklearn.utils._param_validation import InvalidParameterError

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.task import Kind, Model

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
_MIXINS: dict[Kind, type] = {"regression": RegressorMixin, "classification": ClassifierMixin}
_OTHERS = {"estimator", "estimators", "final_estimator", "regressor", "classifier"}  # parameters of meta-estimators
SEED = 0


def estimator_of(model: Model) -> BaseEstimator:
    """The unfitted estimator with its parameters, seeded where it draws at random.

    Raises a RejectedTask: FrameworkNotInstalled, UnknownEstimator, EstimatorOfOtherTask, InvalidParameter.
    """
    found = _network(model) if model.framework == "keras" else _allowed(model.estimator)
    if found is None:
        near = difflib.get_close_matches(model.estimator, allowed(model.task), n=3, cutoff=0.5)
        raise RejectedTask(
            "UnknownEstimator",
            f"model.estimator {model.estimator} is not on the allow-list of scikit-learn's plain predictors"
            + (f": did you mean {' or '.join(near)}?" if near else ", such as sklearn.linear_model.Ridge"),
        )
    if not issubclass(found, _MIXINS[model.task]):
        raise RejectedTask(
            "EstimatorOfOtherTask",
            f"model.estimator {model.estimator} does no {model.task}: change the estimator or model.task",
        )
    seed = {"random_state": SEED} if "random_state" in inspect.signature(found).parameters else {}
    check_parameters(found(), model.parameters, "model.parameters")
    return found(**seed | model.parameters)


def check_parameters(estimator: BaseEstimator, parameters: dict[str, Any], field: str) -> None:
    """The estimator takes these parameters and values; else a RejectedTask, InvalidParameter."""
    valid = sorted(estimator.get_params(deep=False))
    unknown = [name for name in parameters if name not in valid]
    if unknown:
        raise RejectedTask(
            "InvalidParameter",
            f"{field} names {join_names(unknown)}, which {type(estimator).__name__} does not have: it has "
            f"{join_names(valid)}",
        )
    try:
        type(estimator)(**parameters)._validate_params()
    except InvalidParameterError as error:
        raise RejectedTask("InvalidParameter", f"{field}: {error}") from error
    except Exception as error:  # a value that its own check cannot take, such as an object for a number
        raise RejectedTask("InvalidParameter", f"{field} cannot be used: {type(error).__name__}: {error}") from error


def _network(model: Model) -> type[Any]:
    """The estimator that is a network."""
    if model.estimator != "keras.Sequential":
        raise RejectedTask(
            "UnknownEstimator",
            f"model.estimator {model.estimator} is not on the allow-list: of Keras it holds keras.Sequential alone",
        )
    try:
        from perennial_trainer.models.keras_estimators import ESTIMATORS
    except ImportError as error:
        raise RejectedTask(
            "FrameworkNotInstalled",
            "model.framework keras is not part of this image: name one that was built with REQUIREMENTS=trainer-keras "
            "in training.pod.image, or use framework sklearn",
        ) from error
    return ESTIMATORS[model.task]


@cache
def allowed(task: Kind) -> list[str]:
    """The allow-list of a task, by full name."""
    modules = [(module, vars(importlib.import_module(f"sklearn.{module}"))) for module in MODULES]
    names = [f"sklearn.{module}.{name}" for module, members in modules for name in members]
    found = {name: _allowed(name) for name in names}
    return [name for name, estimator in found.items() if estimator is not None and issubclass(estimator, _MIXINS[task])]


def _allowed(name: str) -> "type[Any] | None":
    """The class of that name if it is on the allow-list. Only modules named here are imported."""
    package, _, rest = name.partition(".")
    module, _, class_name = rest.partition(".")
    if package != "sklearn" or module not in MODULES or class_name.startswith("_"):
        return None
    found = getattr(importlib.import_module(f"sklearn.{module}"), class_name, None)
    if not inspect.isclass(found) or not found.__module__.startswith(f"sklearn.{module}"):  # it imports others as well
        return None
    if not issubclass(found, (RegressorMixin, ClassifierMixin)) or inspect.isabstract(found):
        return None
    parameters = inspect.signature(found).parameters
    if _OTHERS & set(parameters) or any(each.default is each.empty for each in parameters.values()):
        return None
    return found if get_tags(found()).target_tags.single_output else None
