"""Finds features that alone predict the target almost perfectly: most often they are not known at prediction time."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import r2_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from perennial_trainer.data.rows import Mask, Rows, Series

SEED = 0
MAX_ROWS = 20_000  # of more rows, a seeded sample
MIN_ROWS = 40  # fewer prove nothing on one half of them
PERFECT = 0.95  # share of the baseline's errors that the feature alone avoids, on rows that were not used
PERFECT_R2 = 0.99
PERFECT_RANKS = 0.995
MIN_OF_VALUE = 30  # rows with a value that has one class alone
MAX_SHARE = 0.9  # a class with more rows is the only one of many values by chance
BY_CHANCE = 1e-9
LEAVES = 256


def find_leaks(rows: Rows, ignored: frozenset[str]) -> dict[str, str]:
    """What each suspicious feature does, by name; features in `ignored` are left out."""
    if len(rows) > MAX_ROWS:
        rows = rows.take(np.sort(np.random.default_rng(SEED).choice(len(rows), MAX_ROWS, replace=False)))
    if len(rows) < MIN_ROWS or rows.target.nunique() < 2:
        return {}
    half = np.random.default_rng(SEED).permutation(len(rows)) % 2 == 0
    describe = _of_class if rows.columns.kind == "classification" else _of_number
    leaks = {str(name): describe(values, rows.target, half) for name, values in rows.features.items()}
    return {name: text for name, text in leaks.items() if text and name not in ignored}


def _of_number(feature: "Series[Any]", target: "Series[Any]", half: Mask) -> str:
    truth = target.to_numpy()
    numeric = feature.dtype.kind == "f"
    if numeric:
        present = feature.notna()
        ranks = feature[present].corr(target[present], method="spearman") if present.mean() > 0.5 else 0.0
        if abs(ranks) > PERFECT_RANKS:
            return f"has a rank correlation of {ranks:.4f} with the target"
        tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=5, random_state=SEED)
        values = feature.fillna(feature.median()).to_numpy()[:, None]
        predicted = tree.fit(values[half], truth[half]).predict(values[~half])
    else:
        means = target[half].groupby(feature[half].fillna("")).mean()
        predicted = feature[~half].fillna("").map(means).fillna(target[half].mean()).to_numpy()
    score = r2_score(truth[~half], predicted)
    return f"alone explains {score:.1%} of the variance of the target" if score > PERFECT_R2 else ""


def _of_class(feature: "Series[Any]", target: "Series[Any]", half: Mask) -> str:
    truth = target.to_numpy(dtype=object)
    commonest = target[half].mode().iloc[0]
    if feature.dtype.kind == "f":
        tree = DecisionTreeClassifier(max_leaf_nodes=LEAVES, min_samples_leaf=5, random_state=SEED)
        values = feature.fillna(feature.median()).to_numpy()[:, None]
        predicted = tree.fit(values[half], truth[half]).predict(values[~half])
    else:
        of_code = _commonest_classes(feature[half].fillna(""), target[half])
        predicted = feature[~half].fillna("").map(of_code).fillna(commonest).to_numpy(dtype=object)
    wrong, base = (truth[~half] != predicted).mean(), (truth[~half] != commonest).mean()
    if base > 0 and wrong <= (1 - PERFECT) * base:
        return f"alone predicts {1 - wrong:.1%} of the classes ({1 - base:.1%} have the commonest class)"
    return _pure_value(feature, target)


def _commonest_classes(codes: "Series[Any]", target: "Series[Any]") -> "Series[Any]":
    counts = pd.DataFrame({"code": codes, "class": target}).value_counts()
    return counts.reset_index().drop_duplicates("code").set_index("code")["class"]


def _pure_value(feature: "Series[Any]", target: "Series[Any]") -> str:
    """A frequent value whose rows all have one class, which is not by chance."""
    shares = target.value_counts(normalize=True)
    counts = feature.value_counts()
    for value, count in counts[counts >= MIN_OF_VALUE].items():
        classes: NDArray[Any] = target[feature == value].unique()
        if len(classes) == 1 and shares[classes[0]] <= MAX_SHARE and shares[classes[0]] ** count < BY_CHANCE:
            shown = f"{value:g}" if isinstance(value, float) else "one value"
            return f"has {shown} in {count} rows, all of one class, which {shares[classes[0]]:.1%} of all rows have"
    return ""
