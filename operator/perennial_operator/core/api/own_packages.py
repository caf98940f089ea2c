"""Estimators and transformers of packages that are not the trainer's own, named `<package>:<entry point>`: only the administrator allows them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from perennial_operator.core.api.model import ModelSpec
from perennial_operator.core.api.parsing import BadObjectError


class PackageError(BadObjectError):
    """A model names a package that is not allowed; the message names it and who can allow it."""

    reason = "PackageNotAllowed"


def check_packages(model: ModelSpec, path: str, allowed: Collection[str]) -> None:
    """Each package that the model's estimators and transformers are of is allowed; else PackageError."""
    transformers = [each.transformer for each in model.features.transformers or ()]
    for package in packages_of(model.framework, model.estimator, model.parameters, transformers):
        if package not in allowed:
            raise PackageError(
                f"{path}.model has a class of the package {package}, which is not allowed; choose an estimator of "
                f"docs/estimators.md and no transformer, or let the operator's administrator add {package} to allowedPackages of the chart "
                "(PERENNIAL_ALLOWED_PACKAGES)"
            )


def packages_of(
    framework: str, estimator: str, parameters: Mapping[str, Any], transformers: Iterable[str]
) -> Iterator[str]:
    """The package of each such class, also of estimators inside others; what an image of its own reads counts nothing."""
    if framework == "custom":
        return
    yield from (each.partition(":")[0] for each in transformers)
    pending: list[Any] = [{"estimator": estimator, "parameters": parameters}]
    while pending:  # no recursion: parameters may be nested without end
        value = pending.pop()
        if isinstance(value, Mapping):
            name = value.get("estimator")
            if isinstance(name, str) and ":" in name:
                yield name.partition(":")[0]
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
