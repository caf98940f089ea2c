"""The lists in docs/estimators.md: `python docs/estimators.py` writes them from the trainer's allow-list and checks."""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Iterator
from numbers import Integral, Real
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
from sklearn.utils._param_validation import Hidden, make_constraint

from perennial_trainer.models.frameworks import allow_list
from perennial_trainer.models.frameworks import sklearn as framework

PAGE = Path(__file__).parent / "estimators.md"
TASKS = ("regression", "classification")
USES = {
    "ARD": "few rows with many features of which most do not matter; it finds out which by itself",
    "Bagging": "the mean of copies of one estimator, each fitted to other rows: steadier than one tree",
    "BayesianRidge": "linear relations; it chooses its own regularization",
    "BernoulliNB": "categorical features only; a quick first model",
    "CategoricalNB": "features that are small counts; none may be negative",
    "ComplementNB": "categorical features and rare classes; none may be negative",
    "DecisionTree": "rules that a person can read; less accurate than a forest",
    "Dummy": "a constant, to compare with; a training refuses what is no better",
    "ElasticNet": "linear relations, many features that resemble each other, and some that do not matter",
    "ElasticNetCV": "as ElasticNet; it chooses its regularization by folds",
    "ExtraTree": "one tree with random limits; of use inside a bag only",
    "ExtraTrees": "as a random forest, quicker to fit, with smoother predictions",
    "Gamma": "a positive target whose spread grows with its value, such as the cost of a claim",
    "GaussianNB": "numeric features, few rows, many classes; a quick first model",
    "GaussianProcess": "smooth relations in few rows: its time grows with their cube, its memory with their square",
    "GradientBoosting": "small tables; on large ones HistGradientBoosting is far quicker",
    "HistGradientBoosting": "most tables of numbers and categories: accurate, and quick also with many rows",
    "Huber": "linear relations with outliers in the target",
    "KNeighbors": "few features, relations of any form; each answer searches the training rows",
    "KernelRidge": "smooth relations in few rows: its memory grows with their square",
    "LGBM": "most tables, also large ones: leaves grow where the loss falls most; quick to fit and to answer",
    "Lars": "more features than rows, of which few matter",
    "LarsCV": "as Lars; it chooses by folds how many features it uses",
    "Lasso": "linear relations of which many features are to drop out",
    "LassoCV": "as Lasso; it chooses its regularization by folds",
    "LassoLars": "as Lasso, for more features than rows",
    "LassoLarsCV": "as LassoLars; it chooses its regularization by folds",
    "LassoLarsIC": "as LassoLars; it chooses its regularization by an information criterion, without folds",
    "Linear": "linear relations: the simplest model, quick, and easy to explain",
    "LinearDiscriminantAnalysis": "classes that differ in their means; a quick first model",
    "LinearSV": "linear limits between classes, or linear relations with outliers; many rows",
    "Logistic": "linear limits between classes, with good probabilities: the first to try",
    "LogisticRegressionCV": "as LogisticRegression; it chooses its regularization by folds",
    "MLP": "smooth relations of many features, many rows; it needs a search of its parameters",
    "MultinomialNB": "features that are counts; none may be negative",
    "NearestCentroid": "classes that are clouds around a point; a quick first model, without probabilities",
    "NuSV": "as SVC and SVR, with the share of support vectors as a parameter",
    "OrthogonalMatchingPursuit": "a linear relation of a fixed small number of features",
    "OrthogonalMatchingPursuitCV": "as OrthogonalMatchingPursuit; it chooses the number by folds",
    "PassiveAggressive": "removed from scikit-learn 1.10: take SGD instead",
    "Perceptron": "linear limits between classes, many rows; without probabilities",
    "Poisson": "a target that counts something, such as demand in an hour",
    "QuadraticDiscriminantAnalysis": "classes that differ in their means and spreads; many rows of each",
    "Quantile": "a quantile of the target instead of its mean, such as the stock that lasts on nine of ten days",
    "RadiusNeighbors": "as KNeighbors, for rows of even density; a row without a neighbour has no answer",
    "RandomForest": "most tables, with hardly a parameter to set; the file is large and the answer slow",
    "Ridge": "linear relations, features that resemble each other: the first to try",
    "RidgeCV": "as Ridge; it chooses its regularization without folds",
    "RidgeClassifierCV": "as RidgeClassifier; it chooses its regularization without folds",
    "SGD": "linear relations in more rows than others fit in time",
    "SV": "relations of any form in few rows; scaled features, which every model here gets",
    "Stacking": "several different models, and one that learns from their answers in folds which to trust when",
    "TheilSen": "linear relations with many outliers, few features",
    "TransformedTarget": "a target that is easier to learn when transformed, such as prices of a few and of a million",
    "Tweedie": "a target with many zeros and a long tail, such as the yearly cost of insured people",
    "Voting": "several different models of equal right: the mean of their answers",
    "XGB": "most tables, also large ones: trees grow level by level, with regularized leaves",
}
"""By the class's name without what every name of its kind ends in."""
SHORT = {"SVC": "SV", "SVR": "SV", "LinearSVC": "LinearSV", "LinearSVR": "LinearSV", "NuSVC": "NuSV", "NuSVR": "NuSV"}
ENDINGS = ("Regressor", "Classifier", "Regression")
KINDS = {dict: "a map", int: "an integer", Integral: "an integer", float: "a number", Real: "a number"}
MOST = 12
"""Words that a cell lists."""
FITTED = {"prefit"}
INSIDE = {
    "list": "a list of estimators, each with a `name`",
    "one": "an estimator · `null`",
    "transformer": f"{' · '.join(f'`{name}`' for name in allow_list.TRANSFORMERS)} · `null`",
}
UNUSED = {"n_jobs", "verbose", "copy", "copy_X", "warm_start", "cache_size"}
"""Of no use here: threads follow the pod's processors, and each version is fitted from the start."""
BEGIN, END = "<!-- made by docs/estimators.py -->", "<!-- end -->"


def written(page: str) -> str:
    """The page with the lists as the code has them now."""
    lists = "\n".join([BEGIN, *(line for task in TASKS for line in section(task)), END])
    return re.sub(f"{BEGIN}.*?{END}", lambda _: lists, page, flags=re.DOTALL)


def section(task: Any) -> Iterator[str]:
    names = allow_list.allowed_estimators(task)
    yield f"## For {task}\n"
    yield "| estimator | good for |"
    yield "| --- | --- |"
    for name in sorted(names, key=str.lower):
        yield f"| [`{name}`](#{name.lower().replace('.', '')}) | {use(name)} |"
    for name in sorted(names, key=str.lower):
        yield from ("", f"### {name}", "", "| parameter | default | values |", "| --- | --- | --- |")
        yield from (f"| `{parameter}` | {default} | {values} |" for parameter, default, values in parameters(name))
    yield ""


def use(name: str) -> str:
    """What the estimator is good for."""
    short = name.rpartition(".")[2]
    if short in USES:
        return USES[short]
    return USES[SHORT.get(short) or next(short.removesuffix(end) for end in ENDINGS if short.endswith(end))]


def parameters(name: str) -> Iterator[tuple[str, str, str]]:
    """Each parameter that a task may name, with its default and the values that it may have."""
    estimator = allow_list.allowed_class(name)
    assert estimator
    if table := allow_list.BOOSTING.get(name):
        fields = msgspec.structs.fields(table)
        yield from ((each.name, shown(each.default), " · ".join(listed(each.type))) for each in fields)
        return
    given = framework.defaults(estimator)
    for each in inspect.signature(estimator).parameters.values():
        if each.name in allow_list.CODE | UNUSED:
            continue
        inside = framework.nested_parameters(estimator).get(each.name)
        if inside:
            yield each.name, shown(each.default), INSIDE[inside]
        else:
            known = list(dict.fromkeys(values(estimator._parameter_constraints[each.name])))
            more = [f"and {len(known) - MOST} more"] if len(known) > MOST else []
            yield each.name, shown(given.get(each.name, each.default)), " · ".join(known[:MOST] + more)


def shown(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "needed"
    if isinstance(value, float) and not math.isfinite(value):
        return f"`{value}`"
    if callable(value):
        return ""
    return f"`{json.dumps(value)}`"


def values(constraints: Any) -> Iterator[str]:
    """What scikit-learn takes, of the kinds of values that JSON has."""
    for each in constraints if isinstance(constraints, list) else []:
        if isinstance(each, Hidden):
            continue
        constraint = make_constraint(each)
        match type(constraint).__name__:
            case "Interval":
                yield interval(constraint)
            case "StrOptions" | "Options":
                yield from (
                    f"`{json.dumps(value)}`"
                    for value in sorted(constraint.options - constraint.deprecated - FITTED, key=str)
                )
            case "_Booleans":
                yield from ("`true`", "`false`")
            case "_NoneConstraint":
                yield "`null`"
            case "_ArrayLikes":
                yield "a list"
            case "_RandomStates":
                yield "an integer ≥ 0"
            case "_CVObjects":
                yield "an integer ≥ 2"
            case "_InstancesOf":
                yield from ([KINDS[constraint.type]] if constraint.type in KINDS else [])


def interval(constraint: Any) -> str:
    kind = "an integer" if constraint.type.__name__ == "Integral" else "a number"
    low, high = constraint.left, constraint.right
    parts = []
    if low is not None and math.isfinite(low):
        parts.append(f"{'≥' if constraint.closed in ('left', 'both') else '>'} {low:g}")
    if high is not None and math.isfinite(high):
        parts.append(f"{'≤' if constraint.closed in ('right', 'both') else '<'} {high:g}")
    return " ".join([kind, ", ".join(parts)]).strip()


def listed(kind: Any) -> Iterator[str]:
    """What a type of our own table allows."""
    if get_origin(kind) is not None and not hasattr(kind, "__metadata__"):
        for each in get_args(kind):
            yield from [f"`{json.dumps(each)}`"] if isinstance(each, str) else listed(each)
    elif kind is bool:
        yield from ("`true`", "`false`")
    elif kind is type(None):
        yield "`null`"
    else:
        (meta,) = kind.__metadata__
        bounds = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        limits = [f"{sign} {getattr(meta, name):,}" for name, sign in bounds if getattr(meta, name) is not None]
        yield f"{'an integer' if kind.__origin__ is int else 'a number'} {', '.join(limits)}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
