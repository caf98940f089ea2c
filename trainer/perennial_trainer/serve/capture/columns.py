"""The rows of a request as bytes of columns, in the form in which a file has them."""

from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from perennial_trainer.captured import layout
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.categories import category_name
from perennial_trainer.serve.capture.chosen import Chosen
from perennial_trainer.serve.capture.messages import Kind
from perennial_trainer.serve.predictor import Outputs
from perennial_trainer.serve.protocol import Inference


class Values(NamedTuple):
    """The values of a column; of texts, their lengths, too."""

    content: bytes
    lengths: bytes = b""

    @property
    def size(self) -> int:
        return len(self.content) + len(self.lengths)


class Rows(NamedTuple):
    """Captured rows of one request, by column."""

    number: int
    at: int
    values: list[Values]
    size: int


class Columns:
    """The columns of a model's captured rows, except those with one value for all rows."""

    def __init__(self, features: Features, excluded: Iterable[str], classes: Sequence[Any], *, chances: bool) -> None:
        left_out = set(excluded)
        self._numbers = [name for name in features.numbers if name not in left_out]
        self._texts = [name for name in (*features.categories, *features.texts) if name not in left_out]
        self._times = [name for name in features.times if name not in left_out]
        self._chances = layout.probability_columns([category_name(each) for each in classes]) if chances else []
        self._of_class = bool(classes)
        self.kinds: list[tuple[str, Kind]] = [
            *((name, "double") for name in self._numbers),
            *((name, "string") for name in self._texts),
            *((name, "time") for name in self._times),
            (layout.PREDICTION, "string" if self._of_class else "double"),
            *((name, "double") for name in self._chances),
            (layout.TIME, "time"),
            (layout.KEY, "string"),
            (layout.ROW, "int"),
            (layout.SHADOW, "bool"),
        ]

    def rows(self, chosen: Chosen, inference: Inference, parts: Sequence[Outputs], shadow: bool) -> Rows:
        """The chosen rows of the request, with the answers to its parts."""
        take, count, columns = chosen.rows, len(chosen.keys), inference.columns
        values = [_numbers(columns[name], take) for name in self._numbers]
        values += [_texts([*map(category_name, _taken(columns[name], take))]) for name in self._texts]
        values += [_times(columns[name], take) for name in self._times]
        predictions = _joined(parts, "predict")
        if self._of_class:
            values.append(_texts([*map(category_name, _taken(predictions, take))]))
        else:
            values.append(_numbers(predictions, take))
        if self._chances:
            chances = _joined(parts, "predict_proba")
            values += [_numbers(chances[:, place], take) for place in range(len(self._chances))]
        values.append(Values(chosen.at.to_bytes(8, "little") * count))
        values.append(_texts(chosen.keys))
        values.append(Values(array("i", chosen.places).tobytes()))
        values.append(Values((b"\1" if shadow else b"\0") * count))
        return Rows(count, chosen.at, values, sum(each.size for each in values))


def _joined(parts: Sequence[Outputs], name: str) -> Any:
    return parts[0][name] if len(parts) == 1 else np.concatenate([part[name] for part in parts])


def _taken(values: Any, rows: list[int] | None) -> Any:
    if rows is None:
        return values
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]


def _numbers(values: Any, rows: list[int] | None) -> Values:
    return Values((_taken(values, rows) + 0.0).tobytes())  # -0.0 becomes 0.0, as in the rows of files


def _times(values: Any, rows: list[int] | None) -> Values:
    return Values(_taken(values, rows).astype("datetime64[us]").tobytes())


def _texts(values: Sequence[Any]) -> Values:
    """A value that is not a text is missing."""
    with suppress(TypeError):  # all are texts
        joined = "".join(values)
        if joined.isascii():  # nearly always, and then it takes a third of the time
            return Values(joined.encode(), array("i", map(len, values)).tobytes())
    encoded = [value.encode(errors="replace") if isinstance(value, str) else None for value in values]
    lengths = array("i", [-1 if each is None else len(each) for each in encoded])
    return Values(b"".join(filter(None, encoded)), lengths.tobytes())
