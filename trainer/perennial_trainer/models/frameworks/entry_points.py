"""Estimators and transformers of packages that the operator's administrator allows, by `<package>:<entry point>`.

A package is imported only if the administrator's list has its name: its code runs with all rights of the pod.
"""

import inspect
import os
from collections.abc import Iterator
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution
from typing import Any, Literal

from sklearn.base import BaseEstimator

from perennial_trainer.contract.errors import RejectedTask, join_names

Role = Literal["estimator", "transformer"]
GROUPS: dict[Role, str] = {"estimator": "perennial.estimators", "transformer": "perennial.transformers"}
METHODS: dict[Role, tuple[str, ...]] = {"estimator": ("fit", "predict"), "transformer": ("fit", "transform")}
ALLOWED = "PERENNIAL_ALLOWED_PACKAGES"
"""Set by the operator in each pod of such a model; names of packages, with spaces or commas between them."""
MARK = ":"
"""No full name of a class has one."""


def entry_point_class(role: Role, full_name: str, field: str) -> type[Any]:
    """The class. Raises RejectedTask: PackageNotAllowed, FrameworkNotInstalled, UnknownEstimator or …Transformer."""
    package, _, name = full_name.partition(MARK)
    asked = f"{field}.{role} {full_name}"
    if package not in os.environ.get(ALLOWED, "").replace(",", " ").split():
        raise RejectedTask(
            "PackageNotAllowed",
            f"{asked} is of the package {package}, which is not allowed: let the operator's administrator add it to "
            f"allowedPackages of the chart ({ALLOWED}), or do without it",
        )
    return _checked(role, _loaded(_entry_point(role, package, name, asked), asked), asked)


def packages_of(described: Any) -> Iterator[str]:
    """The package of each such class in a model's fields, also of estimators inside others."""
    pending = [described]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            names = [value.get(role) for role in GROUPS]
            yield from (name.partition(MARK)[0] for name in names if isinstance(name, str) and MARK in name)
            pending.extend(value.values())
        elif isinstance(value, (list, tuple)):
            pending.extend(value)


def _entry_point(role: Role, package: str, name: str, asked: str) -> EntryPoint:
    try:
        entry_points = {each.name: each for each in distribution(package).entry_points.select(group=GROUPS[role])}
    except PackageNotFoundError as error:
        raise RejectedTask(
            "FrameworkNotInstalled",
            f"{asked} needs the package {package}, which this image does not have: name an image with it in "
            "training.pod.image (docs/own-estimator.md)",
        ) from error
    if name not in entry_points:
        raise RejectedTask(
            _unknown(role),
            f"{asked} does not exist: the package's entry points {GROUPS[role]} are "
            f"{join_names(entry_points) or 'none'}",
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


def _checked(role: Role, loaded: Any, asked: str) -> type[Any]:
    """It can be used as scikit-learn's own, and its parameters have names."""
    if not inspect.isclass(loaded) or not issubclass(loaded, BaseEstimator):
        problem = "is not a class that extends sklearn.base.BaseEstimator"
    elif missing := [name for name in METHODS[role] if not callable(getattr(loaded, name, None))]:
        problem = f"has no method {join_names(missing)}"
    elif any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in _parameters(loaded)):
        problem = "takes *args or **kwargs: name each parameter of its constructor"
    else:
        return loaded
    raise RejectedTask(_unknown(role), f"{asked} {problem} (docs/own-estimator.md)")


def _unknown(role: Role) -> str:
    return f"Unknown{role.title()}"


def _parameters(estimator_class: type[Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(estimator_class).parameters.values())
