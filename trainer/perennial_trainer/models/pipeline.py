"""The pipeline of preprocessing and estimator: built, fitted, and scored on rows."""

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data import conversion
from perennial_trainer.data.categories import NO_CLASS, positive_position, sorted_classes
from perennial_trainer.data.memory import IDLE
from perennial_trainer.data.privacy import common_names
from perennial_trainer.data.rows import Rows
from perennial_trainer.models.blocks import fit_in_blocks, is_in_blocks
from perennial_trainer.models.frameworks.framework import STEP
from perennial_trainer.models.hashed_text import HashedText, check_counts, require_sparse
from perennial_trainer.models.nested import parts_of
from perennial_trainer.models.scoring import FIT_ERRORS, message_line
from perennial_trainer.models.transformers import transformer_steps

ENCODED_COPIES = 4  # of the encoded rows while an estimator is fitted


def build_pipeline(estimator: BaseEstimator, wanted: Features) -> Pipeline:
    """An unfitted pipeline: numeric columns imputed and scaled, categorical ones imputed and one-hot encoded.

    Columns that a transformer reads go through it instead.
    A category that is not in the training rows becomes zeros. Missing values are imputed here also where the training
    drops them: a request may have them.
    """
    # Columns without any value are rejected before; in a fold of a search they may occur, and become a constant.
    numeric = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    categorical = make_pipeline(
        SimpleImputer(strategy="most_frequent", keep_empty_features=True),
        OneHotEncoder(handle_unknown="ignore", sparse_output=bool(get_tags(estimator).input_tags.sparse)),
    )
    require_sparse(estimator, wanted)
    texts = [(f"text {number}", HashedText.of(each), each.column) for number, each in enumerate(wanted.hashed)]
    columns = ColumnTransformer(
        [
            ("numeric", numeric, [name for name in wanted.all_numeric if name not in wanted.transformed]),
            ("categorical", categorical, [name for name in wanted.all_categorical if name not in wanted.transformed]),
            *texts,
            *transformer_steps(wanted),
        ]
    )
    return Pipeline([("columns", columns), (STEP, estimator)])


def fit(pipeline: Pipeline, rows: Rows) -> Pipeline:
    """The pipeline fitted to the rows. Raises a RejectedTask: SingleClass, ConstantTarget, FitFailed."""
    check_target(rows)
    try:
        target, weights = target_of(rows), fit_weights(pipeline, rows)
        if is_in_blocks(pipeline[-1], rows.columns.features):
            fitted = fit_in_blocks(pipeline, rows, target, next(iter(weights.values()), None))
        else:
            fitted = pipeline.fit(rows.features, target, **weights)
        return _independent_of_machine(fitted)
    except FIT_ERRORS as error:
        raise RejectedTask(
            "FitFailed",
            f"{type(pipeline[-1]).__name__} cannot be fitted to {len(rows)} rows: {message_line(error)}",
        ) from error


def fit_weights(pipeline: Pipeline, rows: Rows) -> dict[str, Any]:
    """The weights as `fit` takes them, 1 in the mean, where they differ and the estimator takes any."""
    if rows.weights is None or not rows.weights.differ or not has_fit_parameter(pipeline[-1], "sample_weight"):
        return {}
    return {f"{pipeline.steps[-1][0]}__sample_weight": rows.weights.weight / rows.weights.weight.mean()}


def _independent_of_machine(pipeline: Pipeline) -> Pipeline:
    """The same bytes for the same rows: a fitted estimator keeps neither a number of threads nor positions of rows."""
    estimator = pipeline[-1]
    if isinstance(getattr(estimator, "cv", None), list):
        estimator.set_params(cv=len(estimator.cv))
    for each in parts_of(estimator):
        mapper = getattr(each, "_bin_mapper", None)
        if mapper is not None and hasattr(mapper, "n_threads"):
            mapper.n_threads = 1
    return pipeline


def check_encoded_size(rows: Rows, estimator: BaseEstimator, limit: int | None, *, whole: bool = False) -> None:
    """The encoded rows fit into `limit` bytes of memory; else a RejectedTask, DataTooLarge, that names the column.

    An estimator that takes sparse rows needs little for a category with many values; for any other, each value is a
    column of numbers. If `whole`, a calibration or a search has all rows in one pod, also where fits are spread.
    """
    if limit is None:
        return
    if is_in_blocks(estimator, rows.columns.features) and not whole:
        return  # the workers have them
    if get_tags(estimator).input_tags.sparse:
        check_counts(rows, limit)
        return
    wanted = rows.columns.features
    encoded = [name for name in wanted.all_categorical if name not in wanted.transformed]
    values = {name: int(rows.features[name].nunique()) for name in encoded}
    width = len(wanted.all_numeric) + sum(values.values())
    needed = IDLE + ENCODED_COPIES * 8 * len(rows) * width
    if values and needed > limit:
        widest = max(values, key=lambda name: values[name])
        raise RejectedTask(
            "DataTooLarge",
            f"feature {widest} has {values[widest]} values, each a column for {type(estimator).__name__}, so that "
            f"{len(rows)} rows need about {needed / 1e9:,.1f} GB of memory, more than the {limit / 1e9:,.1f} GB that "
            "this pod may use: remove or group its values, choose an estimator that takes sparse rows, or raise "
            "training.pod.resources.limits.memory",
        )


def check_target(rows: Rows) -> None:
    """The target has two values at least; else RejectedTask: SingleClass, ConstantTarget."""
    if rows.target.nunique() < 2:
        classes = rows.columns.kind == "classification"
        raise RejectedTask(
            "SingleClass" if classes else "ConstantTarget",
            f"all {len(rows)} training rows have one {'class' if classes else 'value'} of the target "
            f"{rows.columns.target}: give rows with another, or a longer data.window",
        )


def check_positive_class(rows: Rows) -> None:
    """The positive class, if one is named, is a class of the training rows; else a RejectedTask."""
    named = rows.columns.positive
    if named is None:
        return
    classes = sorted_classes(set(rows.target.dropna().unique()))
    if positive_position(classes, named) == NO_CLASS:
        counts = {name[:40]: int((rows.target == name).sum()) for name in classes}
        raise RejectedTask(
            "UnknownPositiveClass",
            f"model.positiveClass {named[:40]} is not a class of the target {rows.columns.target} in {len(rows)} "
            f"training rows, which has {common_names(counts, 10)}: name one of these",
        )


def target_of(rows: Rows) -> Any:
    """The target as an estimator takes it."""
    return conversion.to_labels(rows.target) if rows.columns.kind == "classification" else rows.target.to_numpy()
