"""Hyper-parameters are chosen on rows that are newer than those fitted, where rows have a time."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import get_scorer, get_scorer_names

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Features, Search
from perennial_trainer.data.rows import Rows, convert_rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.models.pipeline import build_pipeline
from perennial_trainer.training.search import search_parameters

FEATURES = Features(numeric=("hour",), categorical=())


class OnlyLater(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Refuses to predict for an hour before one that it was fitted to."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def fit(self, hours: Any, target: Any) -> "OnlyLater":
        self.last_, self.mean_ = hours.max(), np.mean(target)
        return self

    def predict(self, hours: Any) -> Any:
        if hours.min() <= self.last_:
            raise ValueError("an hour that is not later")
        return np.full(len(hours), self.mean_)


def rows(time: str | None) -> Rows:
    frame = pd.DataFrame({"hour": 1_700_000_000 + 3600 * np.arange(200), "target": np.sin(np.arange(200))})
    return convert_rows(frame, Columns(FEATURES, "target", "regression", time))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("method", ["grid", "random"])
def test_with_a_time_each_fold_is_later_than_what_was_fitted(method: Any) -> None:
    search = Search(method=method, space={"alpha": [1.0, 2.0]}, folds=4, iterations=2)
    assert search_parameters(search, build_pipeline(OnlyLater(), FEATURES), rows("hour"), "r2").parameters["alpha"] in (
        1.0,
        2.0,
    )
    with pytest.raises(RejectedTask):  # without one folds are drawn at random, and this estimator cannot be scored
        search_parameters(search, build_pipeline(OnlyLater(), FEATURES), rows(None), "r2")


def test_scikit_learn_still_names_the_metric_of_each_scorer() -> None:
    for name in get_scorer_names():
        assert callable(get_scorer(name)._score_func), "training/search.py: scoring_names needs another way"
