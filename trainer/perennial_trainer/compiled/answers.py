"""From what an estimator computes for a row to its answer: a number, or a class and probabilities."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.compiled.columns import Floats

Link = Literal[
    "identity", "exp", "sign", "expit", "expit2", "expit_from_zero", "one_vs_rest", "softmax", "probability", "chance"
]
"""How a sum becomes an answer; with the suffix of a variant where scikit-learn's estimators differ."""


def number(link: Link, raw: Floats) -> Floats:
    """The prediction of a regressor, of shape [n]."""
    if link == "identity":
        return raw[:, 0]
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(raw[:, 0]))


def has_probabilities(link: Link) -> bool:
    return link != "sign"


def class_position(link: Link, raw: Floats) -> NDArray[np.intp]:
    """The position of the predicted class of each row, as the estimator itself decides between equal ones."""
    if raw.shape[1] > 1:
        return np.asarray(raw.argmax(axis=1))
    first = raw[:, 0]
    if link == "chance":
        return np.asarray(first > 0.5).astype(np.intp)
    return np.asarray(first >= 0 if link in ("expit_from_zero", "expit2") else first > 0).astype(np.intp)


def probabilities(link: Link, raw: Floats) -> Floats:
    """The probability of each class, of shape [n, classes]."""
    if link == "probability":
        return np.asarray(raw, dtype=np.float64)
    if link == "chance":  # of the second class, subtracted in the precision that it has
        return np.concatenate([1 - raw, raw], axis=1).astype(np.float64)
    if link == "softmax":
        powers = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    chances = _expit(2 * raw if link == "expit2" else raw)
    if raw.shape[1] == 1:
        return np.concatenate([1 - chances, chances], axis=1)
    sums = chances.sum(axis=1, keepdims=True)
    return np.where(sums == 0, 1 / raw.shape[1], chances / np.where(sums == 0, 1, sums))


def _expit(values: Floats) -> Floats:
    """1 / (1 + exp(-x)), without an overflow."""
    powers = np.exp(-np.abs(values))
    return np.asarray(np.where(values >= 0, 1 / (1 + powers), powers / (1 + powers)))
