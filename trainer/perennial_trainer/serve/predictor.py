"""Predicts a batch: one call of the model for all requests, whose outputs are split by request."""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from perennial_trainer.contract.features.columns import Features
from perennial_trainer.contract.task import Model
from perennial_trainer.data import conversion
from perennial_trainer.models.blend import members_of
from perennial_trainer.serve.bounds import Bounds
from perennial_trainer.serve.protocol import Column, Inference, datatype_name

Outputs = Mapping[str, NDArray[Any]]


class _Output(NamedTuple):
    compute: Callable[[pd.DataFrame], NDArray[Any]]
    dtype: np.dtype[Any]
    width: int | None  # None: one value per row, of shape [n]; else [n, width]


class Predictor:
    """The outputs a loaded model can give: `predict`, and `predict_proba` where a classifier has it.

    `on_unknown` gets a feature and how many of its values in requests are categories that the model was not trained on.
    """

    def __init__(self, pipeline: Any, model: Model, on_unknown: Callable[[str, int], None] | None = None) -> None:
        self.features = model.features
        self._bounds = Bounds(pipeline, model.features)
        self._known = known_categories(pipeline, model.features)
        self._on_unknown = on_unknown
        if model.task == "regression":
            self._outputs = {"predict": _Output(pipeline.predict, np.dtype(np.float64), None)}
            return
        classes = np.asarray(pipeline.classes_)
        dtype = np.dtype(np.int64) if classes.dtype.kind in "iu" else np.dtype(object)
        self._outputs = {"predict": _Output(pipeline.predict, dtype, None)}
        if hasattr(pipeline, "predict_proba"):
            self._outputs["predict_proba"] = _Output(pipeline.predict_proba, np.dtype(np.float64), len(classes))
        self._classes = classes.tolist()

    @property
    def outputs(self) -> Collection[str]:
        return self._outputs.keys()

    def metadata(self) -> list[dict[str, Any]]:
        """The outputs as the protocol describes tensors; the columns of `predict_proba` are named by its `classes`."""
        return [
            {
                "name": name,
                "datatype": datatype_name(output.dtype),
                "shape": [-1] if output.width is None else [-1, output.width],
            }
            | ({} if output.width is None else {"parameters": {"classes": self._classes}})
            for name, output in self._outputs.items()
        ]

    @property
    def encoded_width(self) -> int:
        """The columns of a row that the model gets: one for each category that it knows, and for each bucket."""
        buckets = sum(each.buckets for each in self.features.text)
        return buckets + len({*self.features.names, *self.features.inputs}) + sum(map(len, self._known.values()))

    def check(self, inference: Inference) -> None:
        """Raises a BadRequestError for a value that the model cannot take."""
        self._bounds.check(inference)

    def values(self, inference: Inference) -> int:
        """The inputs and outputs of a request."""
        return inference.rows * (
            len(inference.columns) + sum(self._outputs[name].width or 1 for name in inference.outputs)
        )

    def predict(self, inferences: Sequence[Inference]) -> list[Outputs]:
        """The wanted outputs of each request, from one call of the model for each output that any of them wants."""
        frame = conversion.feature_frame(_concatenate(inferences), self.features)
        wanted = set(chain.from_iterable(inference.outputs for inference in inferences))
        outputs = {name: self._compute(name, frame) for name in wanted}
        self._count_unknown(frame)
        ends = np.cumsum([inference.rows for inference in inferences])
        return [
            {name: outputs[name][end - inference.rows : end] for name in inference.outputs}
            for inference, end in zip(inferences, ends, strict=True)
        ]

    def _count_unknown(self, frame: pd.DataFrame) -> None:
        if not self._on_unknown:
            return
        for name, known in self._known.items():
            unknown = sum(value not in known for value in frame[name].tolist() if isinstance(value, str))
            if unknown:
                self._on_unknown(name, unknown)

    def _compute(self, name: str, frame: pd.DataFrame) -> NDArray[Any]:
        output = self._outputs[name]
        shape = (len(frame),) if output.width is None else (len(frame), output.width)
        # Outputs for more or fewer rows fail here, so that none goes to the wrong request.
        return np.asarray(output.compute(frame)).astype(output.dtype).reshape(shape)


def known_categories(pipeline: Any, features: Features) -> dict[str, frozenset[str]]:
    """The categories, by feature, that a member of a blend knows; empty for a pipeline that is not one of ours."""
    each = [_categories_of(member, features) for member in members_of(pipeline).values()]
    return {name: frozenset().union(*(known.get(name, ()) for known in each)) for name in each[0]}


def _categories_of(pipeline: Any, features: Features) -> dict[str, frozenset[str]]:
    """The categories that the encoder of a pipeline of ours was fitted to, by feature; empty for another pipeline."""
    try:
        encoder = pipeline[0].named_transformers_["categorical"][-1]
        categories = dict(zip(features.all_categorical, encoder.categories_, strict=True))
    except (AttributeError, LookupError, TypeError, ValueError):
        return {}
    return {name: frozenset(map(str, values)) for name, values in categories.items()}


def _concatenate(inferences: Sequence[Inference]) -> dict[str, Column]:
    """The concatenated columns of all requests. No value changes its type because of another request."""
    return {
        name: np.concatenate([inference.columns[name] for inference in inferences])
        if isinstance(first, np.ndarray)
        else list(chain.from_iterable(inference.columns[name] for inference in inferences))
        for name, first in inferences[0].columns.items()
    }
