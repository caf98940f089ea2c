"""Which rows are fit to learn from: bad data are refused, and what is merely untidy is cleaned and counted."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Cleaning, TrainingData
from perennial_trainer.data.rows import Mask, Rows
from perennial_trainer.storage.listing import display_uri

log = logging.getLogger(__name__)

FENCE = 3.0  # interquartile ranges beyond the quartiles


@dataclass(frozen=True)
class Cleaned:
    """The rows that are kept, and those that lack only a feature: no use to train on, but what comes in."""

    rows: Rows
    incomplete: Rows
    counts: dict[str, int]
    missing: dict[str, float]  # share by column, before anything was dropped


def clean(rows: Rows, data: TrainingData) -> Cleaned:
    """The rows cleaned by `data.cleaning`.

    Raises a RejectedTask: EmptyData, AllMissingColumn, TooManyMissing, MissingValues, TooFewRows.
    """
    missing = _shares_missing(rows, data)
    known = rows.target.notna().to_numpy() & (True if rows.time is None else rows.time.notna().to_numpy())
    labelled = rows.take(known)
    repeated = _repeated(labelled) if data.cleaning.duplicates == "drop" else np.zeros(len(labelled), dtype=bool)
    distinct = labelled.take(~repeated)
    lacking = distinct.features.isna().any(axis=1).to_numpy() & (data.cleaning.missing == "drop")
    kept = distinct.take(~lacking)
    counts = {
        "rows read": len(rows),
        "without target or time": int((~known).sum()),
        "duplicates": int(repeated.sum()),
        "with a missing feature": int(lacking.sum()),
        "rows kept": len(kept),
    }
    log.info("cleaned: %s", ", ".join(f"{count} {name}" for name, count in counts.items()))
    if len(kept) < data.min_rows:
        dropped = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        raise RejectedTask(
            "TooFewRows",
            f"{len(kept)} rows are fewer than data.minRows {data.min_rows} ({dropped}): "
            "collect more, or lower data.minRows",
        )
    return Cleaned(kept, distinct.take(lacking), counts, missing)


def without_outliers(rows: Rows, policy: Cleaning) -> tuple[Rows, dict[str, int]]:
    """Training rows with outliers clipped or dropped, and how many values each numeric feature had beyond its fences.

    The fences lie three interquartile ranges outside the quartiles of these very rows (the outer fences of Tukey,
    Exploratory Data Analysis, 1977, 2C). A feature whose quartiles are equal has none: most values being the same says
    nothing of the others.
    """
    names = list(rows.columns.features.numeric)
    if policy.outliers == "keep" or not names:
        return rows, {}
    values = rows.features[names]
    first, third = values.quantile(0.25), values.quantile(0.75)
    reach = FENCE * (third - first).replace(0.0, np.inf)
    low, high = first - reach, third + reach
    beyond = (values < low) | (values > high)
    found = {str(name): int(count) for name, count in beyond.sum().items() if count}
    log.info("outliers: %s in %s features (%s)", sum(found.values()), len(found), policy.outliers)
    if policy.outliers == "drop":
        return rows.take(~beyond.any(axis=1).to_numpy()), found
    clipped = rows.features.assign(**values.clip(low, high, axis=1))
    return Rows(rows.columns, clipped, rows.target, rows.time), found


def _shares_missing(rows: Rows, data: TrainingData) -> dict[str, float]:
    """The share missing of each column; a RejectedTask if there are no rows, or more is missing than may be."""
    if not len(rows):
        raise RejectedTask(
            "EmptyData", f"{display_uri(data.uri)} holds no row: see whether anything is written there, or mend the URI"
        )
    shares = {str(name): float(share) for name, share in rows.table().isna().mean().items()}
    worst = max(shares, key=lambda name: shares[name])
    if shares[worst] == 1:
        raise RejectedTask(
            "AllMissingColumn",
            f"column {worst} has no value in any of {len(rows)} rows: mend what "
            "writes it, or take it out of model.features",
        )
    if shares[worst] > data.max_missing:
        raise RejectedTask(
            "TooManyMissing",
            f"{shares[worst]:.1%} of column {worst} is missing, more than data.maxMissing {data.max_missing:.1%}: mend "
            "what writes it, or raise data.maxMissing if that share is right",
        )
    if shares[worst] > 0 and data.cleaning.missing == "fail":
        raise RejectedTask(
            "MissingValues",
            f"{shares[worst]:.2%} of column {worst} is missing, and data.cleaning.missing is fail: "
            "mend the data, or choose drop or impute",
        )
    return {name: share for name, share in shares.items() if share}


def _repeated(rows: Rows) -> Mask:
    """Which rows are equal in all needed columns to an earlier one."""
    suspects = pd.Series(rows.digests).duplicated(keep=False).to_numpy()
    repeated = np.zeros(len(rows), dtype=bool)
    repeated[suspects] = rows.table()[suspects].duplicated().to_numpy()
    return repeated
