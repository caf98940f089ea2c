"""For how many rows each row stands: captured rows are a sample of what was asked, and come by request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
_HASHES = 2.0**64


@dataclass(frozen=True)
class Weights:
    """Of n rows: for how many rows each stands, relative to the row that stands for most, and a hash of its request.

    Rows of one request are alike, so that they count as one draw in a standard error.
    """

    weight: NDArray[np.float64]
    request: NDArray[np.uint64]

    def take(self, which: Any) -> "Weights":
        return Weights(self.weight[which], self.request[which])

    @property
    def equal(self) -> Mask:
        """Rows each of which stands for as many: of those that stand for fewer, that share of the requests."""
        return np.asarray(self.request / _HASHES <= self.weight, dtype=np.bool_)

    @property
    def differ(self) -> bool:
        return bool(len(self.weight)) and float(self.weight.min()) < float(self.weight.max())


def concatenate(parts: Sequence[Weights | None]) -> Weights | None:
    """Of the rows of all parts, one after the other; None if some have none."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return Weights(np.concatenate([each.weight for each in known]), np.concatenate([each.request for each in known]))
