"""The fitted estimators inside a fitted one: those of a stack, a vote, a bag or a transformed target."""

from collections.abc import Iterator
from typing import Any


def nested_fitted(estimator: Any) -> dict[str, list[Any]]:
    """The fitted estimators by the name that comes before `__` in their parameters; empty if it has no other inside."""
    known = estimator.get_params(deep=False)
    if "estimators" in known:
        nested = {name: [fitted] for name, fitted in estimator.named_estimators_.items()}
        last = getattr(estimator, "final_estimator_", None)
        return nested if known.get("final_estimator") is None else nested | {"final_estimator": [last]}
    if "regressor" in known:
        return {} if known["regressor"] is None else {"regressor": [estimator.regressor_]}
    if known.get("estimator") is not None and hasattr(estimator, "estimators_"):
        return {"estimator": list(estimator.estimators_)}
    return {}


def parts_of(estimator: Any) -> Iterator[Any]:
    """The fitted estimator, and all those inside, also of a calibration."""
    yield estimator
    calibrated = [each.estimator for each in getattr(estimator, "calibrated_classifiers_", [])]
    for each in [*calibrated, *(one for fitted in nested_fitted(estimator).values() for one in fitted)]:
        yield from parts_of(each)
