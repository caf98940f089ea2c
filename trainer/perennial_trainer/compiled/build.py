"""Compiles a fitted pipeline, where its estimator is one whose answers plain arrays can give."""

import re
from collections.abc import Callable, Mapping, Sized
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.pipeline import Pipeline

from perennial_trainer.compiled.answers import Link
from perennial_trainer.compiled.columns import Encoder, Floats
from perennial_trainer.compiled.estimators import Estimator, LightGBM, Linear, Trees, XGBoost
from perennial_trainer.compiled.model import CompiledModel, Member
from perennial_trainer.models.blend import members_of, weights_of
from perennial_trainer.models.scoring import classes_of

Compiled = tuple[Estimator, Link]
OURS = "perennial_trainer.models.boosting."
MOST_COLUMNS = 10_000
"""That trees get, in a dense row; scikit-learn gives them sparse ones."""


class NotCompiledError(Exception):
    """The pipeline itself has to answer; the message says why."""


def compile_pipeline(pipeline: Pipeline) -> CompiledModel:
    """The model that gives the pipeline's answers. Raises NotCompiledError."""
    members = tuple(_member(each) for each in members_of(pipeline).values())
    classes = np.asarray(getattr(pipeline, "classes_", [])).tolist() if classes_of(pipeline) else []
    return CompiledModel(members, tuple(weights_of(pipeline).tolist()), tuple(classes))


def _member(pipeline: Pipeline) -> Member:
    names = [name for name, _ in pipeline.steps]
    if names != ["columns", "model"]:
        raise NotCompiledError(f"the pipeline has the steps {', '.join(names)}")
    encoder = _encoder(pipeline[0])
    estimator = pipeline[-1]
    kind = type(estimator)
    known = COMPILERS.get(kind.__name__)
    if known is None or not kind.__module__.startswith(("sklearn.", OURS)):
        raise NotCompiledError(f"{kind.__name__} is not one of the estimators that can be compiled")
    compiled, link = known(estimator)
    width = compiled.weights.shape[1] if isinstance(compiled, Linear) else estimator.n_features_in_
    if width != encoder.width:
        raise NotCompiledError(f"the estimator has {width} inputs, and the columns are {encoder.width}")
    if isinstance(compiled, XGBoost):
        compiled = replace(compiled, sparse=pipeline[0].sparse_output_)
    if not isinstance(compiled, Linear) and width > MOST_COLUMNS:
        raise NotCompiledError(f"trees would get {width} columns, more than {MOST_COLUMNS}")
    return Member(encoder, compiled, link)


def _encoder(columns: Any) -> Encoder:
    named = {name: (step, tuple(features)) for name, step, features in columns.transformers_ if len(features)}
    if not named or not named.keys() <= {"numeric", "categorical"}:
        raise NotCompiledError(f"the columns are encoded by {', '.join(named) or 'nothing'}")
    nothing: Floats = np.empty(0)
    medians, means, scales = nothing, nothing, nothing
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()
    if "numeric" in named:
        (imputer, scaler), numeric = named["numeric"]
        _check_kinds(imputer, scaler, "StandardScaler")
        medians, means, scales = (
            np.asarray(each, dtype=np.float64) for each in (imputer.statistics_, scaler.mean_, scaler.scale_)
        )
    if "categorical" in named:
        (imputer, encoder), categorical = named["categorical"]
        _check_kinds(imputer, encoder, "OneHotEncoder")
        categories = tuple(tuple(map(str, each)) for each in encoder.categories_)
        modes = tuple(map(str, imputer.statistics_))
    return Encoder(numeric, medians, means, scales, categorical, categories, modes)


def _check_kinds(imputer: Any, second: Any, wanted: str) -> None:
    kinds = [type(imputer).__name__, type(second).__name__]
    if kinds != ["SimpleImputer", wanted]:
        raise NotCompiledError(f"columns go through {' and '.join(kinds)}")


def _linear(link: Link) -> Callable[[Any], Compiled]:
    def compiled(estimator: Any) -> Compiled:
        weights = np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64))
        intercepts = np.broadcast_to(np.asarray(estimator.intercept_, dtype=np.float64).ravel(), len(weights))
        return Linear(np.array(intercepts), weights), link

    return compiled


def _logistic(estimator: Any) -> Compiled:
    return _linear("expit" if len(estimator.classes_) == 2 else "softmax")(estimator)


def _sgd_classifier(estimator: Any) -> Compiled:
    if estimator.loss == "modified_huber":
        raise NotCompiledError("SGDClassifier with the loss modified_huber has probabilities of its own")
    if estimator.loss != "log_loss":
        return _linear("sign")(estimator)
    return _linear("expit" if len(estimator.classes_) == 2 else "one_vs_rest")(estimator)


def _tweedie(estimator: Any) -> Compiled:
    link = estimator.link if estimator.link != "auto" else "identity" if estimator.power <= 0 else "log"
    return _linear("exp" if link == "log" else "identity")(estimator)


def _trees(estimator: Any, link: Link, *, single: bool, greatest: float) -> Compiled:
    import treelite

    try:
        model = treelite.sklearn.import_model(estimator).serialize_bytes()
    except (treelite.TreeliteError, NotImplementedError, TypeError, ValueError, AttributeError) as error:
        message = re.sub(r"\s+", " ", str(error))[:200]
        raise NotCompiledError(f"Treelite cannot take {type(estimator).__name__}: {message}") from error
    return Trees(bytes(model), single, greatest), link


def _tree(link: Link) -> Callable[[Any], Compiled]:
    """A single tree is a forest of one, since Treelite takes forests."""

    def compiled(tree: Any) -> Compiled:
        forest: Any = RandomForestClassifier() if link == "probability" else RandomForestRegressor()
        for name in ("n_features_in_", "n_outputs_", "n_classes_", "classes_"):
            if hasattr(tree, name):
                setattr(forest, name, getattr(tree, name))
        forest.estimators_, forest.n_estimators = [tree], 1
        return _trees(forest, link, single=True, greatest=_greatest(tree))

    return compiled


def _forest(link: Link) -> Callable[[Any], Compiled]:
    """A forest averages its trees, so that their greatest value is a bound."""
    return lambda forest: _trees(forest, link, single=True, greatest=max(map(_greatest, forest.estimators_)))


def _greatest(tree: Any) -> float:
    return float(np.abs(tree.tree_.value).max())


def _boosting(estimator: Any) -> Compiled:
    if type(estimator.init_).__name__ not in ("DummyRegressor", "DummyClassifier", "str"):
        raise NotCompiledError(f"{type(estimator).__name__} starts from the model {type(estimator.init_).__name__}")
    sums = sum(max(map(_greatest, stage)) for stage in estimator.estimators_) * abs(estimator.learning_rate)
    classes = getattr(estimator, "classes_", [])
    links: Mapping[int, Link] = {0: "identity", 2: "expit2" if estimator.loss == "exponential" else "expit_from_zero"}
    # Treelite reads as many stages as the parameter says, beyond the end of those of a training that stopped early.
    stages = copy(estimator).set_params(n_estimators=len(estimator.estimators_))
    start = float(np.abs(estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), np.float32))).max())
    return _trees(stages, links.get(len(classes), "softmax"), single=True, greatest=sums + start)


def _histogram_boosting(estimator: Any) -> Compiled:
    if estimator.is_categorical_ is not None:
        raise NotCompiledError(f"{type(estimator).__name__} has categorical features of its own")
    leaves = [max(float(np.abs(tree.nodes["value"]).max()) for tree in stage) for stage in estimator._predictors]
    greatest = sum(leaves) + float(np.abs(estimator._baseline_prediction).max())
    if hasattr(estimator, "classes_"):
        link: Link = "expit" if len(estimator.classes_) == 2 else "softmax"
    else:
        link = "exp" if estimator.loss in ("poisson", "gamma") else "identity"
    return _trees(estimator, link, single=False, greatest=greatest)


def _lightgbm(estimator: Any) -> Compiled:
    return LightGBM(estimator.booster_.model_to_string().encode()), _link_of_answers(getattr(estimator, "classes_", []))


def _xgboost(estimator: Any) -> Compiled:
    classes = estimator.classes_ if hasattr(estimator, "labels_") else []
    return XGBoost(bytes(estimator.get_booster().save_raw("ubj")), sparse=False), _link_of_answers(classes)


def _link_of_answers(classes: Sized) -> Link:
    """Of a library that gives predictions, or the chance of the second of two classes, or of each of more."""
    links: Mapping[int, Link] = {0: "identity", 2: "chance"}
    return links.get(len(classes), "probability")


_SUMS = (
    *("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "Lars", "LarsCV"),
    *("LassoLars", "LassoLarsCV", "LassoLarsIC", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV"),
    *("BayesianRidge", "ARDRegression", "HuberRegressor", "TheilSenRegressor", "SGDRegressor", "QuantileRegressor"),
    *("PassiveAggressiveRegressor", "LinearSVR"),
)
_SIGNS = ("RidgeClassifier", "RidgeClassifierCV", "Perceptron", "PassiveAggressiveClassifier", "LinearSVC")

COMPILERS: dict[str, Callable[[Any], Compiled]] = {
    **dict.fromkeys(_SUMS, _linear("identity")),
    **dict.fromkeys(("PoissonRegressor", "GammaRegressor"), _linear("exp")),
    "TweedieRegressor": _tweedie,
    **dict.fromkeys(_SIGNS, _linear("sign")),
    **dict.fromkeys(("LogisticRegression", "LogisticRegressionCV", "LinearDiscriminantAnalysis"), _logistic),
    "SGDClassifier": _sgd_classifier,
    **dict.fromkeys(("RandomForestRegressor", "ExtraTreesRegressor"), _forest("identity")),
    **dict.fromkeys(("RandomForestClassifier", "ExtraTreesClassifier"), _forest("probability")),
    **dict.fromkeys(("DecisionTreeRegressor", "ExtraTreeRegressor"), _tree("identity")),
    **dict.fromkeys(("DecisionTreeClassifier", "ExtraTreeClassifier"), _tree("probability")),
    **dict.fromkeys(("GradientBoostingRegressor", "GradientBoostingClassifier"), _boosting),
    **dict.fromkeys(("HistGradientBoostingRegressor", "HistGradientBoostingClassifier"), _histogram_boosting),
    **dict.fromkeys(("LGBMRegressor", "LGBMClassifier"), _lightgbm),
    **dict.fromkeys(("XGBRegressor", "XGBClassifier"), _xgboost),
}
"""By the name of the class, which is one of scikit-learn's or of ours."""
