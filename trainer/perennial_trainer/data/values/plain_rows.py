"""Rows whose values need no conversion, as NumPy arrays: to import pandas takes as long as to read a million rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.data.categories import category_name
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.values.weights import Weights

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Coded:
    """A column of categories: the different names, and of each row the place of its name; -1 is missing."""

    names: Sequence[str]
    places: NDArray[np.intp]

    @classmethod
    def named(cls, values: Iterable[Any], places: NDArray[Any]) -> "Coded":
        """Of rows that have the values at these places, as `category_name` names them."""
        known: dict[str, int] = {}
        names = map(category_name, values)
        codes = [known.setdefault(name, len(known)) if isinstance(name, str) else -1 for name in names]
        return cls(tuple(known), np.array([*codes, -1], dtype=np.intp)[places])

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Coded":
        """Of a value of each row."""
        known: dict[Any, int] = {}
        places = [known.setdefault(value, len(known)) for value in values.tolist()]
        return cls.named(known, np.array(places, dtype=np.intp))

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, which: Any) -> "Coded":
        return Coded(self.names, self.places[which])

    def factorize(self) -> tuple[NDArray[np.intp], Sequence[str]]:
        """The places and the names, as a column of pandas gives them."""
        return self.places, self.names


def counts_of(categories: Any) -> dict[str, int]:
    """How often each name occurs in a column of categories, coded or of pandas."""
    places, names = categories.factorize()
    counts = np.bincount(places[places >= 0], minlength=len(names)).tolist()
    return {str(name): count for name, count in zip(names, counts, strict=True) if count}


@dataclass(frozen=True)
class PlainRows:
    """n rows, of which a compiled model and the metrics need no more."""

    columns: Columns
    features: Mapping[str, Floats | Coded]
    target: Floats | Coded
    weights: Weights | None = None

    def __len__(self) -> int:
        return len(self.target)

    def take(self, which: Any) -> "PlainRows":
        """The rows at a mask, a slice or positions, in that order."""
        return PlainRows(
            self.columns,
            {name: values[which] for name, values in self.features.items()},
            self.target[which],
            self.weights and self.weights.take(which),
        )

    @property
    def equal(self) -> "PlainRows":
        """Those rows each of which stands for as many, whose distribution is that of all rows."""
        return self if self.weights is None else self.take(self.weights.equal)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a target."""
        return np.asarray(self.target.places >= 0 if isinstance(self.target, Coded) else ~np.isnan(self.target))
