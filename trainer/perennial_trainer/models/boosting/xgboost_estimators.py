"""XGBoost's estimators. Only a model of XGBoost imports them, as do the files of such models."""

import json
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from perennial_trainer.models.boosting.spreading import current_spreading

FIXED = {"verbosity": 0}
"""No log; without `n_jobs` there are as many threads as OpenMP has."""


class _Shared:
    """What both estimators share: their files have the trees in XGBoost's own format, which later versions read."""

    _Booster: Any

    def fit(self, rows: Any, target: Any, sample_weight: Any = None) -> Any:
        spreading = current_spreading()
        if not spreading:
            return super().fit(rows, target, sample_weight=sample_weight)  # type: ignore[misc]
        from xgboost import dask

        remote = getattr(dask, f"Dask{type(self).__name__}")(**self.get_params())  # type: ignore[attr-defined]
        fitted = spreading.fitted(remote, rows, target, sample_weight)
        self._Booster = fitted.get_booster()
        if hasattr(fitted, "n_classes_"):
            self.n_classes_ = fitted.n_classes_
        return self

    def __copy__(self) -> Any:
        """A shallow copy, which XGBoost makes each time it is asked for its parameters."""
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        return state | {"_Booster": self._Booster.save_raw("ubj")} if "_Booster" in state else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "_Booster" in state:
            booster = xgboost.Booster()
            booster.load_model(bytearray(state["_Booster"]))  # never a text, which XGBoost takes for a file's name
            state = state | {"_Booster": booster}
        self.__dict__.update(state)


class XGBRegressor(_Shared, xgboost.XGBRegressor):
    """The estimator as it is."""


class XGBClassifier(_Shared, xgboost.XGBClassifier):
    """Takes classes of any name; XGBoost's takes only 0, 1 and so on."""

    labels_: NDArray[Any] | None = None

    def fit(self, rows: Any, target: Any, sample_weight: Any = None) -> Any:
        objective, self.labels_ = self.objective, None
        labels, positions = np.unique(target, return_inverse=True)
        super().fit(rows, positions, sample_weight=sample_weight)
        self.objective = objective  # with more than two classes, XGBoost has changed this parameter
        self.labels_ = labels
        return self

    def predict(self, rows: Any) -> NDArray[Any]:
        return np.asarray(self.classes_[super().predict(rows)])

    @property
    def classes_(self) -> NDArray[Any]:
        """While XGBoost fits, it compares these with the positions that it gets."""
        return np.asarray(super().classes_ if self.labels_ is None else self.labels_)


def from_file(content: bytes) -> Any:
    """The estimator of a model that XGBoost has saved; its classes are 0, 1 and so on. Raises ValueError."""
    if not content.startswith(b"{"):
        raise ValueError("XGBoost's files are JSON or UBJSON; booster.save_model writes one")
    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    is_classifier = objective == "binary:logistic" or objective.startswith("multi:")
    estimator = (XGBClassifier if is_classifier else XGBRegressor)(objective=objective).set_params(**FIXED)
    estimator.load_model(bytearray(content))
    return estimator
