"""Which rows are the holdout: a version is scored on them and never trained on them."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.rows import Mask, Rows

MIN_ROWS = 2  # one row has no standard error
MOST_TOGETHER = 10  # equal rows on one side: so many may be copies of one row; more are real, and both sides need them


@dataclass(frozen=True)
class HoldoutSplit:
    """Where the holdout starts: at a time, or, without a time, below a share of the range of digests of `Rows.units`.

    With groups the digest is that of the group, so a group is on one side. With a time and groups, the holdout has only
    the groups that have no earlier row; later rows of other groups are on neither side.
    """

    share: float
    start: pd.Timestamp | None

    def mask(self, rows: Rows) -> Mask:
        """Which rows are in the holdout. A row is on the same side in every version, and so are a few equal rows."""
        training = self.training_mask(rows)
        if self.start is None or rows.group is None:
            return ~training
        return ~training & ~np.isin(rows.group, rows.group[training])

    def training_mask(self, rows: Rows) -> Mask:
        """Which rows may be trained on: the others, but with a time and groups not the later rows of known groups."""
        if self.start is not None and rows.time is not None:
            return np.asarray(~(rows.time >= self.start), dtype=bool)
        digests = rows.units if rows.group is None else rows.group
        return np.asarray(digests / 2.0**64 >= self.share, dtype=bool)


def with_copies(rows: Rows) -> Rows:
    """The rows, equal ones numbered where they are so many that a split has to divide them, as in a table of counts."""
    if rows.time is not None or rows.group is not None:
        return rows
    digests = pd.Series(rows.digests)
    if not digests.duplicated().any():
        return rows
    number = digests.groupby(digests, sort=False).cumcount().to_numpy()
    copies = np.maximum(number - (MOST_TOGETHER - 1), 0).astype(np.uint64)
    return replace(rows, copies=copies) if copies.any() else rows


def independent_rows(holdout: Rows) -> int:
    """So many rows, chosen one by one, are as exact as this holdout, in which equal rows were chosen together.

    Kish's effective sample size (Survey Sampling, 1965), where rows of one unit are alike.
    """
    if holdout.time is not None or holdout.group is not None:
        return len(holdout)
    sizes = np.unique(holdout.units, return_counts=True)[1]
    return max(1, round(len(holdout) ** 2 / float((sizes**2).sum())))


def split_holdout(rows: Rows, share: float) -> HoldoutSplit:
    """The newest `share` of the rows (rows of one time on one side), or a seeded random share if there is no time.

    Raises a RejectedTask, HoldoutTooSmall, if either side would have fewer than 2 rows.
    """
    split = HoldoutSplit(share, _holdout_start(rows.time, share) if rows.time is not None and len(rows) else None)
    size = int(split.mask(rows).sum()) if len(rows) else 0
    training = int(split.training_mask(rows).sum()) if len(rows) else 0
    if min(size, training) < MIN_ROWS:
        one_time = " (all rows have the same time)" if rows.time is not None and rows.time.nunique() == 1 else ""
        groups = "" if rows.group is None else f", in {len(np.unique(rows.group))} groups of data.groupColumn"
        fix = "collect more rows or change data.holdout"
        if rows.group is not None:
            fix = "collect rows of more groups"
            if rows.time is not None:
                fix += ", since the holdout has only groups without an earlier row, or remove data.groupColumn"
        raise RejectedTask(
            "HoldoutTooSmall",
            f"data.holdout {share} leaves {size} of {len(rows)} rows for the holdout and {training} for the "
            f"training{one_time}{groups}: each needs at least {MIN_ROWS}; {fix}",
        )
    return split


def older_than(rows: Rows, newer: Rows) -> Rows:
    """The rows whose time is before each of the newer ones."""
    assert rows.time is not None
    assert newer.time is not None
    return rows.take(np.asarray(rows.time < newer.time.min(), dtype=np.bool_))


def _holdout_start(times: "pd.Series[pd.Timestamp]", share: float) -> pd.Timestamp:
    """The time at which the holdout starts, chosen so that its size is nearest to the share. Times are sorted."""
    n = len(times)
    boundary = times.iloc[min(n - round(n * share), n - 1)]
    first, after_last = times.searchsorted(boundary, "left"), times.searchsorted(boundary, "right")
    later_is_nearer = abs(n - after_last - n * share) < abs(n - first - n * share)
    return times.iloc[after_last] if after_last < n and (first == 0 or later_is_nearer) else boundary
