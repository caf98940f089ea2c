"""Predicts a batch: one call of the model for all requests, whose outputs are split by request."""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.compiled.model import CompiledModel
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.contract.task import Model
from perennial_trainer.serve.answers.compiled import CompiledAnswers
from perennial_trainer.serve.bounds import Bounds
from perennial_trainer.serve.protocol import Column, Inference, datatype_name

Outputs = Mapping[str, NDArray[Any]]


class Answers(Protocol):
    """What a loaded model answers, compiled or not."""

    @property
    def classes(self) -> NDArray[Any]: ...
    @property
    def has_probabilities(self) -> bool: ...
    def table(self, rows: int, columns: Mapping[str, Column]) -> Any: ...
    def predict(self, table: Any) -> NDArray[Any]: ...
    def predict_proba(self, table: Any) -> NDArray[Any]: ...
    def names(self, table: Any, feature: str) -> Sequence[Any]: ...
    def known_categories(self) -> dict[str, frozenset[str]]: ...
    def scales(self) -> list[Mapping[str, tuple[float, float]]]: ...
    @property
    def rows_at_once(self) -> int: ...
    @property
    def transformed_width(self) -> int: ...


class _Output(NamedTuple):
    compute: Callable[[Any], NDArray[Any]]
    dtype: np.dtype[Any]
    width: int | None  # None: one value per row, of shape [n]; else [n, width]


class Predictor:
    """The outputs a loaded model can give: `predict`, and `predict_proba` where a classifier has it.

    The loaded model is a fitted pipeline or a compiled model. `on_unknown` gets a feature and how many of its values in
    requests are categories that the model was not trained on.
    """

    def __init__(self, loaded: Any, model: Model, on_unknown: Callable[[str, int], None] | None = None) -> None:
        self.features = model.features
        self.is_compiled = isinstance(loaded, CompiledModel)
        self._answers = answers = _answers_of(loaded, model.features)
        self._bounds = Bounds(answers.scales(), model.features)
        self._known = answers.known_categories()
        self._on_unknown = on_unknown
        if model.task == "regression":
            self._outputs = {"predict": _Output(answers.predict, np.dtype(np.float64), None)}
            self.classes: list[Any] = []
            return
        classes = answers.classes
        dtype = np.dtype(np.int64) if classes.dtype.kind in "iu" else np.dtype(object)
        self._outputs = {"predict": _Output(answers.predict, dtype, None)}
        if answers.has_probabilities:
            self._outputs["predict_proba"] = _Output(answers.predict_proba, np.dtype(np.float64), len(classes))
        self.classes = classes.tolist()

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
            | ({} if output.width is None else {"parameters": {"classes": self.classes}})
            for name, output in self._outputs.items()
        ]

    @property
    def encoded_width(self) -> int:
        """The columns of a row that the model gets, one for each known category and each bucket."""
        columns = len({*self.features.names, *self.features.inputs}) + sum(map(len, self._known.values()))
        return columns + sum(each.buckets for each in self.features.hashed) + self._answers.transformed_width

    @property
    def rows_at_once(self) -> int:
        """The rows that are predicted in well below a millisecond; 0 if even one takes longer."""
        return self._answers.rows_at_once

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
        rows = sum(inference.rows for inference in inferences)
        table = self._answers.table(rows, _concatenate(inferences))
        wanted = set(chain.from_iterable(inference.outputs for inference in inferences))
        outputs = {name: self._compute(name, table, rows) for name in wanted}
        self._count_unknown(table)
        ends = accumulate(inference.rows for inference in inferences)
        return [
            {name: outputs[name][end - inference.rows : end] for name in inference.outputs}
            for inference, end in zip(inferences, ends, strict=True)
        ]

    def _count_unknown(self, table: Any) -> None:
        if not self._on_unknown:
            return
        for name, known in self._known.items():
            names = self._answers.names(table, name)
            unknown = sum(value not in known for value in names if isinstance(value, str))
            if unknown:
                self._on_unknown(name, unknown)

    def _compute(self, name: str, table: Any, rows: int) -> NDArray[Any]:
        output = self._outputs[name]
        shape = (rows,) if output.width is None else (rows, output.width)
        # Outputs for more or fewer rows fail here, so that none goes to the wrong request.
        return np.asarray(output.compute(table)).astype(output.dtype, copy=False).reshape(shape)


def _answers_of(loaded: Any, features: Features) -> Answers:
    if isinstance(loaded, CompiledModel):
        return CompiledAnswers(loaded, features)
    from perennial_trainer.serve.answers.pipeline import PipelineAnswers  # a second, for pandas and scikit-learn

    return PipelineAnswers(loaded, features)


def _concatenate(inferences: Sequence[Inference]) -> Mapping[str, Column]:
    """The concatenated columns of all requests. No value changes its type because of another request."""
    if len(inferences) == 1:
        return inferences[0].columns
    return {
        name: np.concatenate([inference.columns[name] for inference in inferences])
        if isinstance(first, np.ndarray)
        else list(chain.from_iterable(inference.columns[name] for inference in inferences))
        for name, first in inferences[0].columns.items()
    }
