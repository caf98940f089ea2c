"""What a fitted pipeline answers; importing this imports pandas and scikit-learn."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data import conversion
from perennial_trainer.models.blend import members_of
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
        each = [_categories_of(member, self._features) for member in members_of(self._pipeline).values()]
        return {name: frozenset().union(*(known.get(name, ()) for known in each)) for name in each[0]}

    def scales(self) -> list[Mapping[str, tuple[float, float]]]:
        """The mean and the scale of each numeric feature, by member; empty for a pipeline that is not one of ours."""
        return [_scales_of(member, self._features.all_numeric) for member in members_of(self._pipeline).values()]


def _categories_of(pipeline: Any, features: Features) -> dict[str, frozenset[str]]:
    """The categories that the encoder of a pipeline of ours was fitted to, by feature; empty for another pipeline."""
    try:
        encoder = pipeline[0].named_transformers_["categorical"][-1]
        categories = dict(zip(features.all_categorical, encoder.categories_, strict=True))
    except (AttributeError, LookupError, TypeError, ValueError):
        return {}
    return {name: frozenset(map(str, values)) for name, values in categories.items()}


def _scales_of(pipeline: Any, numeric: Sequence[str]) -> dict[str, tuple[float, float]]:
    try:
        scaler = pipeline[0].named_transformers_["numeric"][-1]
        pairs = zip(map(float, scaler.mean_), map(float, scaler.scale_), strict=True)
        return dict(zip(numeric, pairs, strict=True))
    except (AttributeError, LookupError, TypeError, ValueError):
        return {}
