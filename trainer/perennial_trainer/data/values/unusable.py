"""Values of numeric features that are not finite numbers: they count as missing, up to `data.maxMissing`."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.contract.errors import Problems, RejectedTask


@dataclass(frozen=True)
class Unusable:
    """Which values of a feature are present but not finite numbers; `not_numbers` of them are not infinite either.

    A message shows no value of a feature, only whether the first has a digit.
    """

    mask: NDArray[np.bool_]
    not_numbers: int
    has_digit: bool = False

    @property
    def count(self) -> int:
        return int(self.mask.sum())

    def take(self, mask: NDArray[np.bool_]) -> "Unusable":
        """The same for other rows; the kind is that of all."""
        return Unusable(mask, self.not_numbers, self.has_digit)

    def refusal(self, name: str, rows: int) -> RejectedTask:
        """What to fix, where too many values of the feature are unusable."""
        row = int(np.flatnonzero(self.mask)[0]) if self.mask.any() else None
        if not self.not_numbers:
            return RejectedTask(
                "InfiniteValues", f"column {name} holds {self.count} infinite values: correct or empty them", row=row
            )
        kind = "numbers with other characters" if self.has_digit else "words"
        return RejectedTask(
            "NonNumericFeature",
            f"{self.count} of {rows} values of the numeric feature {name} are not numbers ({kind}): correct them, "
            f"say in data.csv how the file writes numbers, or list {name} under model.features.categorical",
            row=row,
        )


def check_usable(unusable: Mapping[str, Unusable], rows: int, max_missing: float, problems: Problems) -> set[str]:
    """The features with a greater share of unusable values than may be missing, each of them a problem.

    Problems: NonNumericFeature, InfiniteValues.
    """
    refused = {name: each for name, each in unusable.items() if each.count > max_missing * rows}
    for name, each in refused.items():
        with problems.collecting():
            raise each.refusal(name, rows)
    return set(refused)
