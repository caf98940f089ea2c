"""A compiled model: what a fitted pipeline, or a blend of them, answers for rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.compiled import answers
from perennial_trainer.compiled.answers import Link
from perennial_trainer.compiled.columns import Encoder, Floats, Table
from perennial_trainer.compiled.estimators import Estimator, Linear


@dataclass(frozen=True)
class Member:
    """One fitted pipeline."""

    encoder: Encoder
    estimator: Estimator
    link: Link

    def raw(self, table: Table) -> Floats:
        return self.estimator.raw(self.encoder, table)

    def terms(self, table: Table) -> Floats:
        """The sum of the absolute terms of each row's answer, of shape [n]."""
        terms = self.estimator.terms(self.encoder, table)
        return np.asarray(terms * answers.number(self.link, self.raw(table))) if self.link == "exp" else terms


@dataclass(frozen=True)
class CompiledModel:
    """One member, or the weighted mean of several; without classes it is a regressor.

    As the pipeline it has `predict`, `classes_`, and `predict_proba` where a classifier has probabilities.
    """

    members: tuple[Member, ...]
    weights: tuple[float, ...]
    classes: tuple[int | str, ...] = ()

    @property
    def has_probabilities(self) -> bool:
        return bool(self.classes) and all(answers.has_probabilities(each.link) for each in self.members)

    @property
    def class_array(self) -> NDArray[Any]:
        """The classes as the pipeline has them: integers or texts."""
        return np.array(self.classes, dtype=np.int64 if isinstance(self.classes[0], int) else object)

    def predict(self, table: Table) -> NDArray[Any]:
        """The prediction of each row: a number, or a class."""
        if not self.classes:
            return self._mean(table, answers.number)
        if len(self.members) > 1:
            return np.asarray(self.class_array[self.predict_proba(table).argmax(axis=1)])
        [member] = self.members
        return np.asarray(self.class_array[answers.class_position(member.link, member.raw(table))])

    def predict_proba(self, table: Table) -> Floats:
        """The probability of each class, of shape [n, classes]."""
        return self._mean(table, answers.probabilities)

    def terms(self, table: Table) -> Floats:
        """The sum of the absolute terms of each row's answer, of shape [n]; rounding errors are shares of it."""
        return np.asarray(np.max([each.terms(table) for each in self.members], axis=0))

    def _mean(self, table: Table, answer: Callable[[Link, Floats], Floats]) -> Floats:
        each = [answer(member.link, member.raw(table)) for member in self.members]
        if len(each) == 1:
            return each[0]
        return np.asarray(np.average(each, axis=0, weights=self.weights))

    def load(self) -> None:
        """Ready for the first row."""
        for member in self.members:
            if not isinstance(member.estimator, Linear):
                member.estimator.load()

    def known_categories(self) -> dict[str, frozenset[str]]:
        """The categories, by feature, that any member was fitted to."""
        known: dict[str, frozenset[str]] = {}
        for member in self.members:
            for name, categories in zip(member.encoder.categorical, member.encoder.categories, strict=True):
                known[name] = known.get(name, frozenset()) | frozenset(categories)
        return known

    def scales(self) -> list[Mapping[str, tuple[float, float]]]:
        """The mean and the scale of each numeric feature, by member."""
        return [
            dict(zip(each.numeric, zip(each.means.tolist(), each.scales.tolist(), strict=True), strict=True))
            for each in (member.encoder for member in self.members)
        ]
