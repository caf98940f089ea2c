"""Examples of the estimators that need parameters: those that have other estimators inside."""

from __future__ import annotations

from typing import Any

RIDGE = {"name": "ridge", "estimator": "sklearn.linear_model.Ridge", "parameters": {"alpha": 2.0}}
TREE = {"name": "tree", "estimator": "lightgbm.LGBMRegressor", "parameters": {"n_estimators": 5}}
LOGISTIC = {"name": "logistic", "estimator": "sklearn.linear_model.LogisticRegression", "parameters": {"C": 0.5}}
BOOSTED = {"name": "boosted", "estimator": "xgboost.XGBClassifier", "parameters": {"n_estimators": 5}}
FOREST = {"name": "forest", "estimator": "sklearn.ensemble.RandomForestClassifier", "parameters": {"n_estimators": 5}}

PARAMETERS: dict[str, dict[str, Any]] = {
    "sklearn.compose.TransformedTargetRegressor": {
        "regressor": {"estimator": "sklearn.linear_model.Ridge"},
        "transformer": {"estimator": "sklearn.preprocessing.PowerTransformer"},
    },
    "sklearn.ensemble.BaggingRegressor": {"estimator": {"estimator": "sklearn.linear_model.Ridge"}, "n_estimators": 3},
    "sklearn.ensemble.StackingClassifier": {
        "estimators": [LOGISTIC, BOOSTED, FOREST],
        "final_estimator": {"estimator": "sklearn.linear_model.LogisticRegression"},
        "cv": 3,
    },
    "sklearn.ensemble.StackingRegressor": {"estimators": [RIDGE, TREE]},
    "sklearn.ensemble.VotingClassifier": {"estimators": [LOGISTIC, FOREST], "voting": "soft"},
    "sklearn.ensemble.VotingRegressor": {"estimators": [RIDGE, TREE]},
}
"""By the estimator."""
TRANSFORMERS = ("PowerTransformer", "QuantileTransformer", "StandardScaler")
