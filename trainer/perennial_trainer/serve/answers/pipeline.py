"""What a fitted pipeline answers; importing this imports pandas and scikit-learn."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data import conversion
from perennial_trainer.models.blend import members_of
from perennial_trainer.models.frameworks.framework import TRANSFORMER
from perennial_trainer.serve.protocol import Column


class PipelineAnswers:
    """The answers of a fitted pipeline to features as a request has them."""

    def __init__(self, pipeline: Any, features: Features) -> None:
        self._pipeline = pipeline
        self._features = features

    rows_at_once = 0  # pandas and scikit-learn take milliseconds for one

    @property
    def classes(self) -> NDArray[Any]:
        return np.asarray(self._pipeline.classes_)

    @property
    def has_probabilities(self) -> bool:
        return hasattr(self._pipeline, "predict_proba")

    @property
    def transformed_width(self) -> int:
        """The columns that come from the transformers of packages."""
        members = members_of(self._pipeline).values() if self._features.transformers else ()
        return max((_transformed_width(each) for each in members), default=0)

    def table(self, rows: int, columns: Mapping[str, Column]) -> pd.DataFrame:  # noqa: ARG002 - as CompiledAnswers
        """The rows in the form that `predict` takes."""
        return conversion.feature_frame(columns, self._features)

    def predict(self, table: pd.DataFrame) -> NDArray[Any]:
        return np.asarray(self._pipeline.predict(table))

    def predict_proba(self, table: pd.DataFrame) -> NDArray[Any]:
        return np.asarray(self._pipeline.predict_proba(table))

    def names(self, table: pd.DataFrame, feature: str) -> Sequence[Any]:
        """The category of each row; no text where it is missing."""
        return list(table[feature])

    def known_categories(self) -> dict[str, frozenset[str]]:
        """The categories, by feature, that a member of a blend knows; empty for a pipeline that is not one of ours."""
        each = [_categories_of(member) for member in members_of(self._pipeline).values()]
        return {name: frozenset().union(*(known.get(name, ()) for known in each)) for name in each[0]}

    def scales(self) -> list[Mapping[str, tuple[float, float]]]:
        """The mean and the scale of each numeric feature, by member; empty for a pipeline that is not one of ours."""
        return [_scales_of(member) for member in members_of(self._pipeline).values()]


def _categories_of(pipeline: Any) -> dict[str, frozenset[str]]:
    """The categories that the encoder of a pipeline of ours was fitted to, by feature; empty for another pipeline."""
    try:
        step, names = _step(pipeline, "categorical")
        categories = dict(zip(names, step[-1].categories_, strict=True))
    except (AttributeError, LookupError, TypeError, ValueError, StopIteration):
        return {}
    return {name: frozenset(map(str, values)) for name, values in categories.items()}


def _scales_of(pipeline: Any) -> dict[str, tuple[float, float]]:
    try:
        step, names = _step(pipeline, "numeric")
        pairs = zip(map(float, step[-1].mean_), map(float, step[-1].scale_), strict=True)
        return dict(zip(names, pairs, strict=True))
    except (AttributeError, LookupError, TypeError, ValueError, StopIteration):
        return {}


def _step(pipeline: Any, wanted: str) -> tuple[Any, Sequence[str]]:
    """The fitted step of that name, and the features that it gets."""
    return next((step, features) for name, step, features in pipeline[0].transformers_ if name == wanted)


def _transformed_width(pipeline: Any) -> int:
    places = getattr(pipeline[0], "output_indices_", {})  # an adopted pipeline may have other steps
    return sum(place.stop - place.start for name, place in places.items() if name.startswith(TRANSFORMER))
