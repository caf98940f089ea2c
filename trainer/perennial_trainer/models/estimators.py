"""The unfitted estimator that a task describes, whatever its framework."""

import importlib
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.fields import StrictStruct
from perennial_trainer.contract.task import Model
from perennial_trainer.models.frameworks.allow_list import TRANSFORMERS, Nested
from perennial_trainer.models.frameworks.framework import Framework
from perennial_trainer.models.frameworks.registry import framework_of


class Described(StrictStruct, frozen=True, kw_only=True):
    """An estimator inside another one."""

    estimator: str
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)


class Named(Described, frozen=True, kw_only=True):
    """One of several: `<name>__<parameter>` is a parameter of it."""

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9]+([_-][A-Za-z0-9]+)*$")]


_Several = Annotated[list[Named], Meta(min_length=1)]


def build_estimator(model: Model, field: str = "model") -> BaseEstimator:
    """The estimator with its parameters and the estimators inside, seeded if it draws at random.

    Raises RejectedTask: FrameworkNotInstalled, UnknownEstimator, EstimatorOfOtherTask, InvalidParameter.
    """
    framework = framework_of(model)
    estimator_class = framework.estimator_class(model, field)
    if not issubclass(estimator_class, ClassifierMixin if model.task == "classification" else RegressorMixin):
        raise RejectedTask(
            "EstimatorOfOtherTask",
            f"{field}.estimator {model.estimator} does not do {model.task}: change the estimator or model.task",
        )
    where = f"{field}.parameters"
    own = {name: value for name, value in model.parameters.items() if "__" not in name}
    _check_names(framework, estimator_class, own, where)
    for name, kind in framework.nested_parameters(estimator_class).items():
        if name in own and own[name] is not None:
            own[name] = _nested(framework, model, kind, own[name], f"{where}.{name}")
        elif kind == "list":
            raise RejectedTask(
                "InvalidParameter", f"{where} has no {name}: list each with name, estimator and parameters"
            )
    check_parameters(framework, estimator_class, own, where)
    estimator = estimator_class(**framework.defaults(estimator_class) | own)
    inner = {name: [value] for name, value in model.parameters.items() if "__" in name}
    check_space(framework, estimator, inner, where)
    return estimator.set_params(**{name: value for name, (value,) in inner.items()})


def check_space(framework: Framework, estimator: BaseEstimator, space: Mapping[str, list[Any]], field: str) -> None:
    """The estimator, or the one inside before the name's last `__`, takes each value; else RejectedTask."""
    inside = estimator.get_params()
    for name, values in space.items():
        outer, deep, own = name.rpartition("__")
        owner = inside.get(outer) if deep else estimator
        if not isinstance(owner, BaseEstimator):
            names = [each for each, value in inside.items() if isinstance(value, BaseEstimator)]
            raise RejectedTask(
                "InvalidParameter",
                f"{field} names {name}, and {type(estimator).__name__} has no estimator {outer} inside: "
                f"{f'it has {join_names(names)}' if names else 'name its own parameters, without __'}",
            )
        if own in framework.nested_parameters(type(owner)):
            raise RejectedTask(
                "InvalidParameter",
                f"{field} cannot replace {name}: name parameters of what is inside, as <name>__<parameter>",
            )
        known = owner.get_params(deep=False)
        names = framework.parameter_names(type(owner))
        for value in values:
            candidate = {each: known[each] for each in names if each in known} | {own: value}
            check_parameters(framework, type(owner), candidate, field)


def check_parameters(
    framework: Framework, estimator_class: type[Any], parameters: Mapping[str, Any], field: str
) -> None:
    """The estimator takes these parameters and values; else RejectedTask: InvalidParameter."""
    _check_names(framework, estimator_class, parameters, field)
    try:
        framework.check_values(estimator_class, parameters)
    except Exception as error:  # a check may itself fail on a value, such as an object for a number
        raise RejectedTask("InvalidParameter", f"{field} cannot be used: {error}") from error


def _check_names(framework: Framework, estimator_class: type[Any], parameters: Mapping[str, Any], field: str) -> None:
    valid = framework.parameter_names(estimator_class)
    if unknown := [name for name in parameters if name not in valid]:
        raise RejectedTask(
            "InvalidParameter",
            f"{field} names {join_names(unknown)}, which {estimator_class.__name__} does not have: it has "
            f"{join_names(valid, 60)}",
        )


def _nested(framework: Framework, model: Model, kind: Nested, value: Any, field: str) -> Any:
    """The estimator, the named ones of a list, or the transformer that the value of a parameter describes."""
    try:
        described: Any = msgspec.convert(value, _Several if kind == "list" else Described)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).replace("`", "").partition(" - at $")
        raise RejectedTask(
            "InvalidParameter",
            f"{field}{path}: {problem[:1].lower()}{problem[1:]}; an estimator inside another one has the fields "
            f"{'name, ' if kind == 'list' else ''}estimator and parameters",
        ) from error
    if not isinstance(described, list):
        return (_transformer if kind == "transformer" else _inside)(framework, model, described, field)
    names = [each.name for each in described]
    taken = {"estimators", "final_estimator"} | {name for name in names if names.count(name) > 1}
    if wrong := sorted(taken & set(names)):
        raise RejectedTask("InvalidParameter", f"{field} has the name {join_names(wrong)} twice: give each its own")
    return [(each.name, _inside(framework, model, each, f"{field}[{n}]")) for n, each in enumerate(described)]


def _inside(_framework: Framework, model: Model, described: Described, field: str) -> BaseEstimator:
    inner = msgspec.structs.replace(model, estimator=described.estimator, parameters=described.parameters)
    return build_estimator(inner, field)


def _transformer(framework: Framework, _model: Model, described: Described, field: str) -> BaseEstimator:
    if described.estimator not in TRANSFORMERS:
        raise RejectedTask(
            "UnknownEstimator",
            f"{field}.estimator {described.estimator} transforms no target: choose one of {join_names(TRANSFORMERS)}",
        )
    module, _, name = described.estimator.rpartition(".")
    transformer = getattr(importlib.import_module(module), name)
    check_parameters(framework, transformer, described.parameters, f"{field}.parameters")
    return transformer(**framework.defaults(transformer) | described.parameters)
