"""Which rows a version is judged by and never trained on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.rows import Mask, Rows

MIN_ROWS = 2  # rows; one row has no standard error


@dataclass(frozen=True)
class HoldoutSplit:
    """Where the holdout begins: at a time, or, without one, below a share of the rows' digests."""

    share: float
    begins: pd.Timestamp | None

    def holds(self, rows: Rows) -> Mask:
        """Which rows are in the holdout. Equal rows are always on the same side, in every version."""
        if self.begins is not None and rows.time is not None:
            return np.asarray(rows.time >= self.begins, dtype=bool)
        return np.asarray(rows.digests / 2.0**64 < self.share, dtype=bool)


def split_holdout(rows: Rows, share: float) -> HoldoutSplit:
    """The newest `share` of the rows (all rows of one time on one side), or a seeded random share without a time.

    Raises a RejectedTask, HoldoutTooSmall, if either side would have fewer than 2 rows.
    """
    found = HoldoutSplit(share, _begins(rows.time, share) if rows.time is not None and len(rows) else None)
    held = int(found.holds(rows).sum()) if len(rows) else 0
    if min(held, len(rows) - held) < MIN_ROWS:
        of_one_time = " (they all have one time)" if rows.time is not None and rows.time.nunique() == 1 else ""
        raise RejectedTask(
            "HoldoutTooSmall",
            f"data.holdout {share} leaves {held} of {len(rows)} rows for the holdout and {len(rows) - held} for the "
            f"training{of_one_time}: each needs {MIN_ROWS}; collect more rows or change data.holdout",
        )
    return found


def _begins(times: "pd.Series[pd.Timestamp]", share: float) -> pd.Timestamp:
    """The time whose rows begin the holdout: the one that comes nearest to the share. Times are sorted."""
    n = len(times)
    boundary = times.iloc[min(n - round(n * share), n - 1)]
    left, right = times.searchsorted(boundary, "left"), times.searchsorted(boundary, "right")
    further = abs(n - right - n * share) < abs(n - left - n * share)
    return times.iloc[right] if right < n and (left == 0 or further) else boundary
