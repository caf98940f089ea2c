"""The unfitted estimator that a task describes, whatever its framework."""

import inspect
from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.task import Model
from perennial_trainer.models.frameworks.framework import Framework
from perennial_trainer.models.frameworks.registry import framework_of
from perennial_trainer.models.seed import SEED


def build_estimator(model: Model) -> BaseEstimator:
    """The estimator with its parameters, seeded if it draws at random.

    Raises RejectedTask: FrameworkNotInstalled, UnknownEstimator, EstimatorOfOtherTask, InvalidParameter.
    """
    framework = framework_of(model)
    estimator_class = framework.estimator_class(model)
    if not issubclass(estimator_class, ClassifierMixin if model.task == "classification" else RegressorMixin):
        raise RejectedTask(
            "EstimatorOfOtherTask",
            f"model.estimator {model.estimator} does not do {model.task}: change the estimator or model.task",
        )
    seed = {"random_state": SEED} if "random_state" in inspect.signature(estimator_class).parameters else {}
    check_parameters(framework, estimator_class(), model.parameters, "model.parameters")
    return estimator_class(**seed | model.parameters)


def check_parameters(framework: Framework, estimator: BaseEstimator, parameters: dict[str, Any], field: str) -> None:
    """The estimator takes these parameters and values; else RejectedTask: InvalidParameter."""
    valid = sorted(estimator.get_params(deep=False))
    unknown = [name for name in parameters if name not in valid]
    if unknown:
        raise RejectedTask(
            "InvalidParameter",
            f"{field} names {join_names(unknown)}, which {type(estimator).__name__} does not have: it has "
            f"{join_names(valid)}",
        )
    try:
        framework.check_values(type(estimator), parameters)
    except Exception as error:  # a check may itself fail on a value, such as an object for a number
        raise RejectedTask("InvalidParameter", f"{field} cannot be used: {error}") from error
