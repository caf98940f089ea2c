"""The limits that a check is judged by, and what earlier checks measured beside them."""

from math import hypot
from typing import Annotated

from msgspec import Meta

from perennial_trainer.contract.fields import AwareTime, StrictStruct


class Increase(StrictStruct, frozen=True, kw_only=True):
    """How much a loss may grow over the live version's at its validation: by a share, or by standard errors."""

    baseline: float
    standard_error: Annotated[float, Meta(ge=0)] = 0.0  # of the baseline
    share: Annotated[float, Meta(ge=0)]
    sigmas: Annotated[float, Meta(ge=0)] = 0.0

    def limit(self, standard_error: float | None) -> float | None:
        """The greatest value that passes; None if it depends on a standard error that is not known."""
        if self.sigmas and standard_error is None:
            return None
        error = hypot(standard_error or 0.0, self.standard_error)
        return max(self.baseline * (1 + self.share), self.baseline + self.sigmas * error)


class Threshold(StrictStruct, frozen=True, kw_only=True):
    """A limit on a metric, of some features or of any; the operator decides what a value beyond it means.

    `increase` is for the page: it does not decide which values come first.
    """

    metric: Annotated[str, Meta(min_length=1, max_length=63)]
    features: tuple[str, ...] = ()
    max: float | None = None
    min: float | None = None
    increase: Increase | None = None

    def exceeds(self, value: float) -> bool:
        return (self.max is not None and value > self.max) or (self.min is not None and value < self.min)


class PreviousCheck(StrictStruct, frozen=True, kw_only=True):
    """What an earlier check of the live version measured, for the page: a value for each threshold of the task."""

    time: AwareTime
    values: tuple[float | None, ...]
