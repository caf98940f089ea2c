"""Searches for the best hyper-parameters by cross-validation on the training rows."""

import logging
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the halving searches importable
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    get_scorer,
    get_scorer_names,
    jaccard_score,
    make_scorer,
    precision_score,
    recall_score,
)
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, ParameterGrid, RandomizedSearchCV
from sklearn.pipeline import Pipeline

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.task import Kind, Search
from perennial_trainer.data.categories import NO_CLASS, all_integers, positive_position, sorted_classes
from perennial_trainer.data.privacy import common_names
from perennial_trainer.data.rows import Rows
from perennial_trainer.models.estimators import check_space
from perennial_trainer.models.frameworks.framework import STEP, Framework
from perennial_trainer.models.pipeline import fit_weights, target_of
from perennial_trainer.models.scoring import FIT_ERRORS, message_line
from perennial_trainer.models.seed import SEED
from perennial_trainer.progress import Progress
from perennial_trainer.training.folds import search_folds
from perennial_trainer.training.workers.engine import Scorer, Workers, search_on

log = logging.getLogger(__name__)

_SCORER_MODULES: dict[Kind, tuple[str, ...]] = {  # of scikit-learn's metrics
    "regression": ("_regression",),
    "classification": ("_classification", "_ranking"),
}
_DEFAULT_SCORING: dict[Kind, str] = {"regression": "r2", "classification": "accuracy"}
_OF_POSITIVE = {
    "f1": f1_score,
    "precision": precision_score,
    "recall": recall_score,
    "jaccard": jaccard_score,
    "average_precision": average_precision_score,
}
MAX_RANKING = 100
FACTOR = 3  # each round of a halving search has a third of the candidates and three times the rows


@dataclass(frozen=True)
class SearchResult:
    """The chosen parameters, the scoring and the best candidates (at most 100), best first."""

    parameters: dict[str, Any]
    scoring: str
    candidates: int
    ranking: list[dict[str, Any]]


def check_search(search: Search, framework: Framework, estimator: BaseEstimator, kind: Kind) -> str:
    """The name of the scoring, before any data are read. Raises RejectedTask: UnknownScoring, InvalidParameter."""
    scoring = search.scoring or _DEFAULT_SCORING[kind]
    valid = scoring_names(kind)
    if scoring not in valid:
        raise RejectedTask(
            "UnknownScoring",
            f"training.search.scoring {scoring} is not a score for {kind}: choose one of {join_names(valid, 60)}",
        )
    check_space(framework, estimator, search.space, "training.search.space")
    return scoring


def search_parameters(
    search: Search, pipeline: Pipeline, rows: Rows, scoring: str, workers: Workers | None = None
) -> SearchResult:
    """The best candidate of the space. Raises RejectedTask (SearchFailed) if none can be fitted and scored."""
    size = len(ParameterGrid(search.space))
    candidates = min(size, search.iterations) if search.method == "random" else size
    progress = _SearchProgress(_costs(search, candidates), search.folds)
    log.info("search: %s, %s candidates, %s folds, by %s", search.method, candidates, search.folds, scoring)
    try:
        with search_on(workers) as with_callback, progress.bar, warnings.catch_warnings():
            warnings.simplefilter("ignore", FitFailedWarning)  # it has tracebacks, which may show values
            searcher = _searcher(
                search, pipeline, rows, with_callback(scorer_of(scoring, rows), progress.scored), candidates
            )
            searcher.fit(rows.features, target_of(rows), **fit_weights(pipeline, rows))
    except FIT_ERRORS as error:
        last_line = message_line(error, -1)  # of scikit-learn's summary
        raise RejectedTask(
            "SearchFailed", f"training.search fits nothing to {len(rows)} training rows: {last_line}"
        ) from error
    results = searcher.cv_results_
    score = float(results["mean_test_score"][searcher.best_index_])
    if not np.isfinite(score):
        raise RejectedTask(
            "SearchFailed",
            f"training.search.scoring {scoring} cannot be computed in every fold: choose another, such as "
            f"{_DEFAULT_SCORING[rows.columns.kind]}, or fewer folds",
        )
    parameters = _without_step(results["params"][searcher.best_index_])
    log.info("search: best %s with %s %.6g", parameters, scoring, score)
    return SearchResult(parameters, scoring, candidates, _ranking(results))


def scoring_names(kind: Kind) -> list[str]:
    """The names of scikit-learn's scorers for a task.

    scikit-learn has no public list of them by task: the private attribute of a scorer names its metric. A test fails
    when scikit-learn removes it.
    """
    scorers = {name: get_scorer(name) for name in get_scorer_names()}
    return [name for name, scorer in scorers.items() if scorer._score_func.__module__.endswith(_SCORER_MODULES[kind])]


def scorer_of(scoring: str, rows: Rows) -> Any:
    """The scorer, of the positive class if it is of one of two. Raises a RejectedTask, PositiveClassNeeded."""
    if scoring not in _OF_POSITIVE or rows.columns.kind != "classification":
        return get_scorer(scoring)
    classes = sorted_classes(set(rows.target.unique()))
    if len(classes) != 2:
        return get_scorer(scoring)
    place = positive_position(classes, rows.columns.positive)
    if place is None or place == NO_CLASS:
        counts = {name[:40]: int((rows.target == name).sum()) for name in classes}
        raise RejectedTask(
            "PositiveClassNeeded",
            f"training.search.scoring {scoring} of the target {rows.columns.target} is that of one of two classes, "
            f"{common_names(counts, 2)}: name it in model.positiveClass",
        )
    label = int(classes[place]) if all_integers(classes) else classes[place]
    options: dict[str, Any] = {"pos_label": label}
    if scoring == "average_precision":
        options["response_method"] = ("decision_function", "predict_proba")
    return make_scorer(_OF_POSITIVE[scoring], **options)


class _SearchProgress:
    """Reports the progress of a search: each candidate is scored once in each fold.

    A fit that fails is not scored, so the search may be further than reported.
    """

    def __init__(self, costs: list[int], folds: int) -> None:
        self._costs, self._folds = costs, folds
        self._scored = 0
        self.bar = Progress("search", sum(costs) * folds)

    def scored(self) -> None:
        candidate = min(self._scored // self._folds, len(self._costs) - 1)
        self._scored += 1
        self.bar.advance(self._costs[candidate], f"candidate {candidate + 1} of {len(self._costs)}")


def _costs(search: Search, candidates: int) -> list[int]:
    """The cost of each fit, in order: each round of a halving search has three times the rows."""
    costs, cost = [1] * candidates, 1
    while search.method == "halving" and candidates >= FACTOR:
        candidates, cost = -(-candidates // FACTOR), cost * FACTOR
        costs += [cost] * candidates
    return costs


def _searcher(search: Search, pipeline: Pipeline, rows: Rows, scoring: Scorer, candidates: int) -> Any:
    folds = search_folds(search.folds, rows)
    space = {f"{STEP}__{name}": values for name, values in search.space.items()}
    common: dict[str, Any] = {"scoring": scoring, "cv": folds, "refit": False, "return_train_score": False}
    if search.method == "halving":
        return HalvingGridSearchCV(pipeline, space, factor=FACTOR, random_state=SEED, **common)
    common["pre_dispatch"] = "all"  # workers that start late get work; a halving search dispatches in each round
    if search.method == "grid":
        return GridSearchCV(pipeline, space, **common)
    return RandomizedSearchCV(pipeline, space, n_iter=candidates, random_state=SEED, **common)


def _ranking(results: dict[str, Any]) -> list[dict[str, Any]]:
    # Only the last round of a halving search is comparable: it scores on the most rows.
    rounds = results.get("iter", np.zeros(len(results["params"])))
    scores = results["mean_test_score"]
    order = [i for i in np.argsort(-scores, kind="stable") if rounds[i] == max(rounds) and np.isfinite(scores[i])]
    return [{"parameters": _without_step(results["params"][i]), "score": float(scores[i])} for i in order[:MAX_RANKING]]


def _without_step(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters without the name of the pipeline's step."""
    return {name.removeprefix(f"{STEP}__"): value for name, value in parameters.items()}
