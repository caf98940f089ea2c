"""Which rows are used for training: bad data are refused; missing values, duplicates and outliers are cleaned."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Cleaning, TrainingData
from perennial_trainer.data.rows import Mask, Rows
from perennial_trainer.storage.listing import display_uri

log = logging.getLogger(__name__)

FENCE = 3.0  # interquartile ranges outside the quartiles


@dataclass(frozen=True)
class Cleaned:
    """The rows kept for training, and the rows dropped only because a feature is missing.

    The incomplete rows are part of the reference profile: requests and recent data have missing features too.
    """

    rows: Rows
    incomplete: Rows
    counts: dict[str, int]
    missing: dict[str, float]  # share of missing values by column, before any row was dropped


def clean(rows: Rows, data: TrainingData) -> Cleaned:
    """The rows cleaned by `data.cleaning`.

    Raises a RejectedTask: EmptyData, AllMissingColumn, TooManyMissing, MissingValues, TooFewRows.
    """
    missing = _missing_shares(rows, data)
    has_target_and_time = rows.target.notna().to_numpy()
    if rows.time is not None:
        has_target_and_time = has_target_and_time & rows.time.notna().to_numpy()
    usable = rows.take(has_target_and_time)
    duplicate = _duplicates(usable) if data.cleaning.duplicates == "drop" else np.zeros(len(usable), dtype=bool)
    distinct = usable.take(~duplicate)
    incomplete = distinct.features.isna().any(axis=1).to_numpy() & (data.cleaning.missing == "drop")
    kept = distinct.take(~incomplete)
    counts = {
        "rows read": len(rows),
        "without target or time": int((~has_target_and_time).sum()),
        "duplicates": int(duplicate.sum()),
        "with a missing feature": int(incomplete.sum()),
        "rows kept": len(kept),
    }
    log.info("cleaned: %s", ", ".join(f"{count} {name}" for name, count in counts.items()))
    if len(kept) < data.min_rows:
        details = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        raise RejectedTask(
            "TooFewRows",
            f"{len(kept)} rows are fewer than data.minRows {data.min_rows} ({details}): "
            "collect more, or lower data.minRows",
        )
    return Cleaned(kept, distinct.take(incomplete), counts, missing)


def without_outliers(rows: Rows, policy: Cleaning) -> tuple[Rows, dict[str, int]]:
    """Training rows with outliers clipped or dropped, and the number of outliers by numeric feature.

    A value is an outlier if it lies more than three interquartile ranges outside the quartiles of these rows (the outer
    fences of Tukey, Exploratory Data Analysis, 1977, 2C). A feature whose quartiles are equal has no outliers: that
    most values are the same says nothing about the others.
    """
    names = list(rows.columns.features.numeric)
    if policy.outliers == "keep" or not names:
        return rows, {}
    values = rows.features[names]
    first, third = values.quantile(0.25), values.quantile(0.75)
    distance = FENCE * (third - first).replace(0.0, np.inf)
    low, high = first - distance, third + distance
    is_outlier = (values < low) | (values > high)
    counts = {str(name): int(count) for name, count in is_outlier.sum().items() if count}
    log.info("outliers: %s in %s features (%s)", sum(counts.values()), len(counts), policy.outliers)
    if policy.outliers == "drop":
        return rows.take(~is_outlier.any(axis=1).to_numpy()), counts
    clipped = rows.features.assign(**values.clip(low, high, axis=1))
    return Rows(rows.columns, clipped, rows.target, rows.time), counts


def _missing_shares(rows: Rows, data: TrainingData) -> dict[str, float]:
    """The share of missing values by column; a RejectedTask if there is no row, or if more is missing than allowed."""
    if not len(rows):
        raise RejectedTask("EmptyData", f"{display_uri(data.uri)} holds no row: write rows there, or correct the URI")
    shares = {str(name): float(share) for name, share in rows.table().isna().mean().items()}
    worst = max(shares, key=lambda name: shares[name])
    if shares[worst] == 1:
        raise RejectedTask(
            "AllMissingColumn",
            f"column {worst} has no value in any of {len(rows)} rows: fix what writes the column, or remove it from "
            "model.features",
        )
    if shares[worst] > data.max_missing:
        raise RejectedTask(
            "TooManyMissing",
            f"{shares[worst]:.1%} of column {worst} is missing, more than data.maxMissing {data.max_missing:.1%}: fix "
            "what writes the column, or raise data.maxMissing if that share is expected",
        )
    if shares[worst] > 0 and data.cleaning.missing == "fail":
        raise RejectedTask(
            "MissingValues",
            f"{shares[worst]:.2%} of column {worst} is missing, and data.cleaning.missing is fail: "
            "fix the data, or set data.cleaning.missing to drop or impute",
        )
    return {name: share for name, share in shares.items() if share}


def _duplicates(rows: Rows) -> Mask:
    """Which rows have the same values in all needed columns as an earlier row."""
    candidates = pd.Series(rows.digests).duplicated(keep=False).to_numpy()
    duplicate = np.zeros(len(rows), dtype=bool)
    duplicate[candidates] = rows.table()[candidates].duplicated().to_numpy()
    return duplicate
