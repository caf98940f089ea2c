"""The parameters of LightGBM's and XGBoost's estimators that a task may name: their types, bounds and defaults.

Neither library checks a parameter before it has rows, and both take names that they do not know. What is not listed
cannot be set: the number of threads follows the pod's processors, and a seed and a fixed order of sums give the same
bytes for the same rows.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from perennial_trainer.contract.fields import StrictStruct
from perennial_trainer.models.seed import SEED

Count = Annotated[int, Meta(ge=1, le=100_000)]
Bins = Annotated[int, Meta(ge=2, le=65_535)]
Share = Annotated[float, Meta(gt=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Parameters(StrictStruct, frozen=True, kw_only=True, rename=None):
    """The fields are an estimator's own, by the names of its library."""


class LightGBM(Parameters, frozen=True, kw_only=True):
    n_estimators: Count = 100
    learning_rate: Positive = 0.1
    num_leaves: Annotated[int, Meta(ge=2, le=131_072)] = 31
    max_depth: Annotated[int, Meta(ge=-1)] = -1
    min_child_samples: Annotated[int, Meta(ge=0)] = 20
    min_child_weight: NotNegative = 0.001
    min_split_gain: NotNegative = 0.0
    subsample: Share = 1.0
    subsample_freq: Annotated[int, Meta(ge=0)] = 0
    subsample_for_bin: Annotated[int, Meta(ge=1)] = 200_000
    colsample_bytree: Share = 1.0
    reg_alpha: NotNegative = 0.0
    reg_lambda: NotNegative = 0.0
    path_smooth: NotNegative = 0.0
    max_bin: Bins = 255
    extra_trees: bool = False
    boosting_type: Literal["gbdt", "dart"] = "gbdt"
    random_state: Seed = SEED


class LightGBMRegressor(LightGBM, frozen=True, kw_only=True):
    objective: Literal[
        "regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie"
    ] = "regression"
    alpha: Positive = 0.9
    tweedie_variance_power: Annotated[float, Meta(ge=1, lt=2)] = 1.5


class LightGBMClassifier(LightGBM, frozen=True, kw_only=True):
    class_weight: Literal["balanced"] | None = None
    scale_pos_weight: Positive = 1.0


class XGBoost(Parameters, frozen=True, kw_only=True):
    n_estimators: Count = 100
    learning_rate: Share = 0.3
    max_depth: Annotated[int, Meta(ge=0, le=1_000)] = 6
    max_leaves: Annotated[int, Meta(ge=0)] = 0
    grow_policy: Literal["depthwise", "lossguide"] = "depthwise"
    min_child_weight: NotNegative = 1.0
    gamma: NotNegative = 0.0
    max_delta_step: NotNegative | None = None
    subsample: Share = 1.0
    colsample_bytree: Share = 1.0
    colsample_bylevel: Share = 1.0
    colsample_bynode: Share = 1.0
    reg_alpha: NotNegative = 0.0
    reg_lambda: NotNegative = 1.0
    max_bin: Bins = 256
    num_parallel_tree: Count = 1
    booster: Literal["gbtree", "dart"] = "gbtree"
    tree_method: Literal["auto", "hist", "approx", "exact"] = "auto"
    random_state: Seed = SEED


class XGBoostRegressor(XGBoost, frozen=True, kw_only=True):
    objective: Literal[
        "reg:squarederror",
        "reg:squaredlogerror",
        "reg:absoluteerror",
        "reg:pseudohubererror",
        "reg:quantileerror",
        "reg:gamma",
        "reg:tweedie",
        "count:poisson",
    ] = "reg:squarederror"
    quantile_alpha: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    tweedie_variance_power: Annotated[float, Meta(gt=1, lt=2)] = 1.5
    huber_slope: Positive = 1.0


class XGBoostClassifier(XGBoost, frozen=True, kw_only=True):
    scale_pos_weight: Positive = 1.0


def check_values(table: type[Parameters], values: Mapping[str, Any]) -> None:
    """Raises ValueError, whose text names the parameter, for a value of another type or beyond its bounds."""
    try:
        msgspec.convert(dict(values), table)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).replace("`", "").partition(" - at $.")
        value = values.get(path)
        named = problem.startswith("Expected") and isinstance(value, (bool, int, float, str))
        if problem.startswith("Invalid enum") and (names := _names(table, path)):
            raise ValueError(f"{path} is {json.dumps(value)}: give one of {', '.join(names)}") from error
        given = f" is {json.dumps(value)}" if named else ""  # other problems have the value
        raise ValueError(f"{path}{given}: {problem[:1].lower()}{problem[1:]}") from error


def _names(table: type[Parameters], parameter: str) -> list[str]:
    """Those that the parameter may have."""
    kinds = [each.type for each in msgspec.structs.fields(table) if each.name == parameter]
    return [
        name
        for kind in kinds
        for each in (kind, *get_args(kind))
        if get_origin(each) is Literal
        for name in get_args(each)
    ]


def defaults(table: type[Parameters]) -> dict[str, Any]:
    """What an estimator gets where the task names no value; without those that leave the choice to the library."""
    return {name: value for name, value in msgspec.structs.asdict(table()).items() if value is not None}
