"""The estimators that `model.estimator` may name: of each, the class and which of its parameters are estimators, too.

They are scikit-learn's predictors, its meta-estimators, LightGBM and XGBoost. Nothing else is ever imported.
"""

import importlib
import inspect
from functools import cache
from typing import Any, Literal

from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import get_tags

from perennial_trainer.contract.task import Kind
from perennial_trainer.models.boosting import parameters

MODULES = (
    "compose",
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
"""Of scikit-learn."""

Nested = Literal["one", "list", "transformer"]
_META_PARAMETERS = {"estimator", "estimators", "final_estimator", "regressor", "classifier"}
NESTED: dict[str, dict[str, Nested]] = {
    "sklearn.compose.TransformedTargetRegressor": {"regressor": "one", "transformer": "transformer"},
    "sklearn.ensemble.BaggingClassifier": {"estimator": "one"},
    "sklearn.ensemble.BaggingRegressor": {"estimator": "one"},
    "sklearn.ensemble.StackingClassifier": {"estimators": "list", "final_estimator": "one"},
    "sklearn.ensemble.StackingRegressor": {"estimators": "list", "final_estimator": "one"},
    "sklearn.ensemble.VotingClassifier": {"estimators": "list"},
    "sklearn.ensemble.VotingRegressor": {"estimators": "list"},
}
"""Which parameters of a meta-estimator are estimators, a list of them, or a transformer of the target."""
CODE = {"func", "inverse_func", "check_inverse"}
"""Parameters that are functions, or about functions: no task can name one."""
TRANSFORMERS = tuple(
    f"sklearn.preprocessing.{name}" for name in ("PowerTransformer", "QuantileTransformer", "StandardScaler")
)

BOOSTING: dict[str, type[parameters.Parameters]] = {
    "lightgbm.LGBMClassifier": parameters.LightGBMClassifier,
    "lightgbm.LGBMRegressor": parameters.LightGBMRegressor,
    "xgboost.XGBClassifier": parameters.XGBoostClassifier,
    "xgboost.XGBRegressor": parameters.XGBoostRegressor,
}


@cache
def allowed_estimators(task: Kind) -> list[str]:
    """The allow-list of a task, by full name."""
    mixin = ClassifierMixin if task == "classification" else RegressorMixin
    members = {module: vars(importlib.import_module(f"sklearn.{module}")) for module in MODULES}
    names = [*(f"sklearn.{module}.{name}" for module in MODULES for name in members[module]), *BOOSTING]
    classes = {name: allowed_class(name) for name in names}
    return [name for name, each in classes.items() if each is not None and issubclass(each, mixin)]


def allowed_class(name: str) -> type[Any] | None:
    """The class of that name if it is on the allow-list. Only modules named here are imported."""
    package, _, rest = name.partition(".")
    if name in BOOSTING:
        ours = importlib.import_module(f"perennial_trainer.models.boosting.{package}_estimators")
        return getattr(ours, rest)  # type: ignore[no-any-return]
    module, _, class_name = rest.partition(".")
    if package != "sklearn" or module not in MODULES or class_name.startswith("_"):
        return None
    candidate = getattr(importlib.import_module(f"sklearn.{module}"), class_name, None)
    if not inspect.isclass(candidate) or not candidate.__module__.startswith(f"sklearn.{module}"):
        return None  # the module imports other names as well
    return candidate if name in NESTED or _is_plain_predictor(candidate) else None


def table_of(estimator_class: type[Any]) -> type[parameters.Parameters] | None:
    """The table of parameters of an estimator of LightGBM or XGBoost; None for any other."""
    for name, table in BOOSTING.items():
        package, _, class_name = name.partition(".")
        if estimator_class.__module__.endswith(f".{package}_estimators") and estimator_class.__name__ == class_name:
            return table
    return None


def _is_plain_predictor(candidate: type[Any]) -> bool:
    """Whether it can be made of plain values, and predicts one number or class."""
    if not issubclass(candidate, (RegressorMixin, ClassifierMixin)) or inspect.isabstract(candidate):
        return False
    known = inspect.signature(candidate).parameters
    if _META_PARAMETERS & set(known) or any(each.default is each.empty for each in known.values()):
        return False
    return bool(get_tags(candidate()).target_tags.single_output)
