"""A blend: a few fitted pipelines of one recipe, whose weighted mean answers as one model.

It is a pipeline, too: its last step is scikit-learn's VotingRegressor or VotingClassifier of the members, and each
member has its own preprocessing. So it is stored, proven and served as any other model is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from perennial_trainer.data.rows import Rows
from perennial_trainer.models.frameworks.framework import STEP
from perennial_trainer.models.scoring import classes_of, predicted

Floats = NDArray[np.float64]

CAUTION = 0.3  # how much a change of the weights costs, as a share of the mean error
_COLUMNS = ("columns", "passthrough")  # each member has its own preprocessing
_SUM = 1e4  # how much more a sum of weights beside 1 costs than an error


def blended(members: Mapping[str, Pipeline], weights: Floats) -> Pipeline:
    """The weighted mean of the predictions, or of the probabilities; all members know the same classes."""
    from sklearn.ensemble import VotingClassifier, VotingRegressor  # a server of other models needs neither
    from sklearn.preprocessing import LabelEncoder

    named, fitted = list(members.items()), list(members.values())
    if classes_of(fitted[0]):
        voting: Any = VotingClassifier(named, voting="soft", weights=weights.tolist())
        voting.le_ = LabelEncoder().fit(fitted[0].classes_)
        voting.classes_ = voting.le_.classes_
    else:
        voting = VotingRegressor(named, weights=weights.tolist())
    voting.estimators_ = fitted
    return Pipeline([_COLUMNS, (STEP, voting)])


def is_blend(model: Any) -> bool:
    """Whether `blended` made it: the columns go as they are to members that are pipelines."""
    if not isinstance(model, Pipeline) or model.steps[0] != _COLUMNS:
        return False
    return all(isinstance(each, Pipeline) for each in getattr(model[-1], "estimators_", (None,)))


def members_of(pipeline: Any, name: str = "") -> dict[str, Pipeline]:
    """The members of a blend by their names, or the pipeline itself by the given one."""
    return dict(pipeline[-1].estimators) if is_blend(pipeline) else {name: pipeline}


def weights_of(pipeline: Any) -> Floats:
    return np.asarray(pipeline[-1].weights if is_blend(pipeline) else [1.0])


def can_be_blended(pipeline: Pipeline, classes: Sequence[str]) -> bool:
    """Whether its answers have a mean with those of models that know these classes."""
    return classes_of(pipeline) == tuple(classes) and (not classes or hasattr(pipeline, "predict_proba"))


def answers(member: Pipeline, rows: Rows) -> Floats:
    """The prediction of each row, or its probabilities: a row each. Raises RejectedTask: PredictFailed."""
    method = member.predict_proba if classes_of(member) else member.predict
    return np.asarray(predicted(method, member, rows), dtype=np.float64).reshape(len(rows), -1)


def truth(member: Pipeline, rows: Rows) -> Floats:
    """What the answers would be of a model without an error; a class that the member does not know is all zeros."""
    classes = classes_of(member)
    if not classes:
        return np.asarray(rows.target, dtype=np.float64).reshape(len(rows), 1)
    return np.asarray(rows.target.to_numpy()[:, None] == np.asarray(classes, dtype=object)[None, :], dtype=np.float64)


def fitted_weights(each: Sequence[Floats], target: Floats, before: Floats) -> Floats:
    """The weights, from 0 to 1 and 1 in sum, with the least squared error of the mean of these answers.

    Few rows would choose by chance, so a change from the weights `before` has a price: its square, times `CAUTION` of
    the error that the plain mean has (ridge regression, Hoerl and Kennard, Technometrics 12, 1970). By non-negative
    least squares (Lawson and Hanson, Solving Least Squares Problems, 1974).
    """
    from scipy.optimize import nnls

    matrix = np.stack([answer.ravel() for answer in each], axis=1)
    error = float(((np.mean(each, axis=0) - target) ** 2).sum(axis=1).mean())
    if not len(target) or not np.isfinite(error) or error == 0:
        return before
    price = np.sqrt(CAUTION)
    scale = 1 / np.sqrt(error * len(target))  # so that the plain mean has the error 1
    rows = [matrix * scale, price * np.eye(len(each)), np.full((1, len(each)), _SUM)]
    values = [target.ravel() * scale, price * before, [_SUM]]
    weights, _ = nnls(np.concatenate(rows), np.concatenate(values))
    return np.asarray(weights / weights.sum())
