"""LightGBM's estimators. Only a model of LightGBM imports them, as do the files of such models."""

from typing import Any

import lightgbm

FIXED = {"n_jobs": 0, "verbosity": -1, "deterministic": True, "force_col_wise": True}
"""As many threads as OpenMP has, no log, and sums in one order, however many threads there are."""


class _Shared:
    """What both estimators share: their files have the trees as text, in LightGBM's own format."""

    _Booster: Any

    def fit(self, rows: Any, target: Any, sample_weight: Any = None) -> Any:
        """Fits, and removes what only training needs. Raises ValueError for what LightGBM refuses."""
        try:
            super().fit(rows, target, sample_weight=sample_weight)  # type: ignore[misc]
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(str(error)) from error
        self._evals_result: dict[str, Any] = {}
        self._best_score: dict[str, Any] = {}
        return self

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
