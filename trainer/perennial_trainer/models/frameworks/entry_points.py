"""Estimators of packages that the operator's administrator allows, by `<package>:<entry point>`.

A package is imported only if the administrator's list has its name: its code runs with all rights of the pod.
"""

import inspect
import os
from collections.abc import Iterator
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution
from typing import Any

from sklearn.base import BaseEstimator

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.task import Model

GROUP = "perennial.estimators"
ALLOWED = "PERENNIAL_ALLOWED_PACKAGES"
"""Set by the operator in each pod of such a model; names of packages, with spaces or commas between them."""
MARK = ":"
"""No full name of a class has one."""


def entry_point_class(model: Model, field: str) -> type[Any]:
    """The class. Raises RejectedTask: PackageNotAllowed, FrameworkNotInstalled, UnknownEstimator, UntrustedArtifact."""
    package, _, name = model.estimator.partition(MARK)
    asked = f"{field}.estimator {model.estimator}"
    if package not in os.environ.get(ALLOWED, "").replace(",", " ").split():
        raise RejectedTask(
            "PackageNotAllowed",
            f"{asked} is of the package {package}, which is not allowed: let the operator's administrator add it to "
            f"allowedPackages of the chart ({ALLOWED}), or choose one of docs/estimators.md",
        )
    if model.format != "joblib":
        raise RejectedTask(
            "UntrustedArtifact",
            f"{asked} cannot be stored in model.format {model.format}, whose list of classes has only the trainer's "
            "own: use joblib",
        )
    return _checked(_loaded(_entry_point(package, name, asked), asked), asked)


def packages_of(described: Any) -> Iterator[str]:
    """The package of each such estimator in a model's fields, also of those inside others."""
    pending = [described]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            name = value.get("estimator")
            if isinstance(name, str) and MARK in name:
                yield name.partition(MARK)[0]
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


def _entry_point(package: str, name: str, asked: str) -> EntryPoint:
    try:
        entry_points = {each.name: each for each in distribution(package).entry_points.select(group=GROUP)}
    except PackageNotFoundError as error:
        raise RejectedTask(
            "FrameworkNotInstalled",
            f"{asked} needs the package {package}, which this image does not have: name an image with it in "
            "training.pod.image (docs/own-estimator.md)",
        ) from error
    if name not in entry_points:
        raise RejectedTask(
            "UnknownEstimator",
            f"{asked} does not exist: the package's entry points {GROUP} are {join_names(entry_points) or 'none'}",
        )
    return entry_points[name]


def _loaded(entry_point: EntryPoint, asked: str) -> Any:
    try:
        return entry_point.load()
    except Exception as error:  # the package's own code may raise anything
        raise RejectedTask(
            "FrameworkNotInstalled",
            f"{asked} cannot be imported from {entry_point.value}: {type(error).__name__}: {error}; correct the "
            "package, or install what it needs in the image",
        ) from error


def _checked(loaded: Any, asked: str) -> type[Any]:
    """It can be used as scikit-learn's own, and its parameters have names."""
    if not inspect.isclass(loaded) or not issubclass(loaded, BaseEstimator):
        problem = "is not a class that extends sklearn.base.BaseEstimator"
    elif missing := [name for name in ("fit", "predict") if not callable(getattr(loaded, name, None))]:
        problem = f"has no method {join_names(missing)}"
    elif any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in _parameters(loaded)):
        problem = "takes *args or **kwargs: name each parameter of its constructor"
    else:
        return loaded
    raise RejectedTask("UnknownEstimator", f"{asked} {problem} (docs/own-estimator.md)")


def _parameters(estimator_class: type[Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(estimator_class).parameters.values())
