"""Values that are present and cannot be used: they count as missing, up to `data.maxMissing`."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.contract.errors import Problems, RejectedTask
from perennial_trainer.data.values.numbers import LARGEST

Mask = NDArray[np.bool_]
WORDS_OF_TEXT = 4
"""A sentence has so many words; the name of a category has fewer."""


@dataclass(frozen=True)
class Unusable:
    """Which values of a column are present and cannot be used.

    `problem` says why ("values of the target y are not numbers"), `place` names the file and the line of the first.
    """

    mask: Mask
    reason: str
    problem: str
    fix: str
    place: str = ""

    @property
    def count(self) -> int:
        return int(self.mask.sum())

    def located(self, place_of_row: Callable[[int], str]) -> "Unusable":
        """The same with the place of its first value."""
        return replace(self, place=place_of_row(int(np.flatnonzero(self.mask)[0])))

    def refusal(self, rows: int, count: int | None = None) -> RejectedTask:
        """What to fix, where too many of the values are unusable."""
        place = f"{self.place}: " if self.place else ""
        count = self.count if count is None else count
        return RejectedTask(self.reason, f"{place}{count} of {rows} {self.problem}: {self.fix}")


def unusable_numbers(name: str, not_number: Mask, infinite: Mask, example: str) -> Unusable | None:
    """The unusable values of a numeric feature, if any.

    A message shows no value of a feature, only whether the first has a digit.
    """
    mask = not_number | infinite
    if not mask.any():
        return None
    if not not_number.any():
        problem = f"values of column {name} are infinite or beyond {LARGEST:.2g}"
        return Unusable(mask, "InfiniteValues", problem, "correct or empty them")
    other = "text" if len(example.split()) >= WORDS_OF_TEXT else "categorical"
    kind = "numbers with other characters" if re.search(r"\d", example) else "words"
    return Unusable(
        mask,
        "NonNumericFeature",
        f"values of the numeric feature {name} are not numbers ({kind})",
        f"correct them, say in data.csv how the file writes numbers, or list {name} under model.features.{other}",
    )


def take(unusable: Mapping[str, Unusable], which: "Mask | slice | NDArray[np.integer]") -> dict[str, Unusable]:
    """The same for some of the rows."""
    return {name: replace(each, mask=each.mask[which]) for name, each in unusable.items() if each.mask[which].any()}


def concatenate(parts: Sequence[tuple[Mapping[str, Unusable], int]]) -> dict[str, Unusable]:
    """The unusable values of all parts, each with its number of rows; other reasons come before InfiniteValues."""
    joined: dict[str, Unusable] = {}
    for name in {name: None for part, _ in parts for name in part}:
        masks = [part[name].mask if name in part else np.zeros(rows, bool) for part, rows in parts]
        known = [part[name] for part, _ in parts if name in part]
        first = min(known, key=lambda each: each.reason == "InfiniteValues")
        joined[name] = replace(first, mask=np.concatenate(masks))
    return joined


def check_usable(unusable: Mapping[str, Unusable], rows: int, max_missing: float, problems: Problems) -> set[str]:
    """The columns with a greater share of unusable values than may be missing of so many rows, each of them a problem.

    Problems: NonNumericFeature, NonNumericTarget, InfiniteValues, UnreadableTime.
    """
    refused = {name: each for name, each in unusable.items() if each.count > max_missing * rows}
    for each in refused.values():
        problems.append(each.refusal(rows))
    return set(refused)
