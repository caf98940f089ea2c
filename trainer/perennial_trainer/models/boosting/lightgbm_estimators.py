"""LightGBM's estimators. Only a model of LightGBM imports them, as do the files of such models."""

import re
from typing import Any

import lightgbm
import numpy as np
from sklearn.preprocessing import LabelEncoder

from perennial_trainer.models.boosting.spreading import Spreading, current_spreading

FIXED = {"n_jobs": 0, "verbosity": -1, "deterministic": True, "force_col_wise": True}
"""As many threads as OpenMP has, no log, and sums in one order, however many threads there are."""

CONNECT_MINUTES = 5  # in which all workers must have reached each other; LightGBM waits two hours
_OF_NETWORK = re.compile(
    r"^\[(machines|num_machines|local_listen_port|time_out|num_threads|tree_learner): .*\]\n", re.MULTILINE
)


class _Shared:
    """What both estimators share: their files have the trees as text, in LightGBM's own format."""

    _Booster: Any
    _other_params: dict[str, Any]

    def fit(self, rows: Any, target: Any, sample_weight: Any = None) -> Any:
        """Fits, and removes what only training needs. Raises ValueError for what LightGBM refuses."""
        spreading = current_spreading()
        try:
            if spreading:
                self._fit_spread(spreading, rows, target, sample_weight)
            else:
                super().fit(rows, target, sample_weight=sample_weight)  # type: ignore[misc]
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(str(error)) from error
        self._evals_result: dict[str, Any] = {}
        self._best_score: dict[str, Any] = {}
        return self

    def _fit_spread(self, spreading: Spreading, rows: Any, target: Any, weights: Any) -> None:
        """Takes over what LightGBM's Dask estimator has learned, without the addresses of its workers."""
        from lightgbm import dask

        own: dict[str, Any] = self.get_params()  # type: ignore[attr-defined]
        remote = getattr(dask, f"Dask{type(self).__name__}")(**own, time_out=CONNECT_MINUTES)
        fitted = spreading.fitted(remote, rows, target, weights).to_local()
        # Addresses and ports are parameters, which have no underscore, and copies of these.
        learned = {name: value for name, value in vars(fitted).items() if name[0] == "_" or name == "fitted_"}
        self.__dict__.update(learned | {"_other_params": self._other_params})
        trees = _OF_NETWORK.sub("", self._Booster.model_to_string())
        self._Booster = lightgbm.Booster(model_str=trees)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        return state if self._Booster is None else state | {"_Booster": self._Booster.model_to_string()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        trees = state["_Booster"]
        self.__dict__.update(state if trees is None else state | {"_Booster": lightgbm.Booster(model_str=trees)})


class LGBMRegressor(_Shared, lightgbm.LGBMRegressor):  # type: ignore[misc]
    """The estimator as it is."""


class LGBMClassifier(_Shared, lightgbm.LGBMClassifier):  # type: ignore[misc]
    """The estimator as it is."""


def from_file(content: bytes) -> Any:
    """The estimator of a model that LightGBM has saved as text; its classes are 0, 1 and so on. Else ValueError."""
    if not content.startswith(b"tree"):
        raise ValueError("LightGBM's files begin with tree; booster.save_model writes one")
    booster = lightgbm.Booster(model_str=content.decode())
    objective, trees = str(booster.params.get("objective")), booster.num_model_per_iteration()
    classes = {"binary": 2, "multiclass": trees, "multiclassova": trees}.get(objective, 0)
    estimator: Any = (LGBMClassifier if classes else LGBMRegressor)(objective=objective).set_params(**FIXED)
    estimator._Booster, estimator._objective, estimator.fitted_ = booster, objective, True
    estimator._n_features = estimator._n_features_in = booster.num_feature()
    estimator._fitted_with_feature_names = True
    if classes:
        labels = np.arange(classes)
        estimator._le, estimator._classes, estimator._n_classes = LabelEncoder().fit(labels), labels, len(labels)
        estimator._class_map = dict(zip(labels, labels, strict=True))
    return estimator
