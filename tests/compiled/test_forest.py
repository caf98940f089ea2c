"""Many rows get from a forest's arrays what each gets from Treelite alone."""

from typing import Any

import numpy as np
import pytest
import treelite
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from treelite import gtil

from perennial_trainer.compiled.forest import AT_ONCE, Forest

TREES = 7
ROWS = AT_ONCE // TREES + 3  # more than go down at once
X, Y = make_classification(200, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)


def model_of(estimator: Any) -> Any:
    return treelite.sklearn.import_model(estimator.fit(X, Y))


@pytest.mark.parametrize(
    "kind", [RandomForestRegressor, RandomForestClassifier, ExtraTreesRegressor, ExtraTreesClassifier]
)
def test_forest_answers_as_treelite(kind: Any) -> None:
    model = model_of(kind(TREES, random_state=0))
    forest = Forest.of(model)
    assert forest
    single = np.random.default_rng(0).normal(size=(ROWS, X.shape[1])).astype(np.float32)
    single[:3] = X[:3]
    matrix = single.astype(np.float64)
    expected = gtil.predict(model, matrix, nthread=1, pred_margin=True).reshape(ROWS, -1)
    np.testing.assert_array_equal(forest.predict(matrix), expected)
    np.testing.assert_array_equal(forest.predict(matrix[5:6]), expected[5:6])


def test_one_leaf_is_a_tree() -> None:
    forest = Forest.of(model_of(RandomForestRegressor(3, max_depth=1, min_samples_leaf=150, random_state=0)))
    assert forest
    assert len(np.unique(forest.predict(X))) == 1


@pytest.mark.parametrize("kind", [GradientBoostingRegressor, HistGradientBoostingRegressor])
def test_trees_that_are_summed_up_are_no_forest(kind: Any) -> None:
    assert Forest.of(model_of(kind())) is None
