"""Which rows are used for training: bad data are refused; missing values, duplicates and outliers are cleaned."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from perennial_trainer.contract.data import Cleaning, TrainingData
from perennial_trainer.contract.errors import Problems, join_names
from perennial_trainer.data.privacy import notation
from perennial_trainer.data.rows import Mask, Rows
from perennial_trainer.data.tables.source import place_of
from perennial_trainer.data.values.unusable import check_usable

log = logging.getLogger(__name__)

FENCE = 3.0  # interquartile ranges outside the quartiles
MOST_STRAY, MAX_STRAY_SHARE = 9, 0.005  # rows of stray classes, at most
MANY_DUPLICATES = 0.03  # share of the rows; dropping more of them is a finding


@dataclass(frozen=True)
class Cleaned:
    """`rows` have a target and a time: each counts in metrics, in validation and in a check, as the server answers it.

    `waiting` rows have no target yet. They are part of the reference profile of the features, as the recent rows of a
    check are.
    """

    rows: Rows
    waiting: Rows
    policy: Cleaning
    counts: dict[str, int]
    missing: dict[str, float] = field(default_factory=dict)  # share of missing values by column, of all rows
    stray: dict[str, int] = field(default_factory=dict)  # rows of classes beside two, if these are very few
    unreadable: tuple[str, ...] = ()  # a sentence for the target and the time, where a value cannot be read

    def to_fit(self, rows: Rows) -> Rows:
        """The rows that an estimator is fitted to: with `missing: drop` those that have every feature.

        Without the few rows of stray classes: a third class would give binary metrics another meaning.
        """
        complete = rows if self.policy.missing != "drop" else rows.take(~incomplete_mask(rows))
        return complete.take(~complete.target.isin(self.stray).to_numpy()) if self.stray else complete

    @property
    def findings(self) -> list[str]:
        """A sentence for each finding of the cleaning."""
        lines = []
        dropped, kept = self.counts["duplicates"], len(self.rows)
        if dropped > MANY_DUPLICATES * (dropped + kept):
            lines.append(
                f"{dropped} of {dropped + kept} rows repeat another one and were dropped, which changes the base "
                "rates: set data.cleaning.duplicates to keep if they are real"
            )
        lines += self.unreadable
        waiting = len(self.waiting) - sum(each.count for each in self.waiting.unreadable.values())
        if waiting:
            lines.append(f"{waiting} of {self.counts['rows read']} rows have no target yet and wait for one")
        if self.stray:
            lines.append(
                f"{sum(self.stray.values())} rows have a class beside two frequent ones and are not trained on, "
                f"written as {join_names(sorted({notation(name) for name in self.stray}), 5)}; correct their target"
            )
        return lines


def clean(rows: Rows, data: TrainingData, problems: Problems) -> Cleaned:
    """The rows cleaned by `data.cleaning`.

    Problems: NonNumericFeature, NonNumericTarget, UnreadableTime, InfiniteValues, AllMissingColumn, TooManyMissing,
    MissingValues, TooFewRows. Raises a RejectedTask, EmptyData, with the problems before it.
    """
    if not len(rows):
        problems.add("EmptyData", f"{place_of(data)} holds no row: write rows there, or correct the URI")
        problems.raise_all()
    refused = _unusable_columns(rows, data.max_missing, problems)
    if rows.labels is not None and refused & rows.unusable.keys():  # only the other problems are still wanted
        rows = replace(rows, target=rows.labels, known_digests=None)
    has_target = rows.target.notna().to_numpy()
    has_time = np.ones(len(rows), dtype=bool)
    if rows.time is not None and rows.columns.time not in refused:
        has_time = rows.time.notna().to_numpy()
    usable = rows.take(has_target & has_time)
    _check_missing(rows, rows.take(has_target) if has_target.any() else rows, data, problems, refused)
    duplicate = _duplicates(usable) if data.cleaning.duplicates == "drop" else np.zeros(len(usable), dtype=bool)
    distinct = usable.take(~duplicate)
    incomplete = incomplete_mask(distinct) & (data.cleaning.missing == "drop")
    counts = {
        "rows read": len(rows),
        "without target or time": len(rows) - len(usable),
        "duplicates": int(duplicate.sum()),
        "with a missing feature": int(incomplete.sum()),
        "rows kept": int((~incomplete).sum()),
    }
    log.info("cleaned: %s", ", ".join(f"{count} {name}" for name, count in counts.items()))
    _require_rows(counts, data.min_rows, problems)
    shares = {str(name): float(share) for name, share in rows.table().isna().mean().items() if share}
    waiting = rows.take(~has_target & has_time & ~rows.refused)
    unreadable = tuple(
        f"{each.count} of {len(rows)} {each.problem}; they count as missing" for each in rows.unreadable.values()
    )
    return Cleaned(distinct, waiting, data.cleaning, counts, shares, _stray_classes(distinct), unreadable)


def _require_rows(counts: dict[str, int], min_rows: int, problems: Problems) -> None:
    """Adds a problem, TooFewRows, unless what is missing or unusable explains it."""
    explained = bool(problems) and counts["rows read"] >= min_rows
    if counts["rows kept"] < min_rows and not explained:
        details = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        problems.add(
            "TooFewRows",
            f"{counts['rows kept']} rows are fewer than data.minRows {min_rows} ({details}): "
            "collect more, give a longer data.window if there is one, or lower data.minRows",
        )


def _unusable_columns(rows: Rows, max_missing: float, problems: Problems) -> set[str]:
    """The columns of which too much cannot be used, each a problem; of the target, too much of what is present."""
    name = rows.columns.target
    target = {name: rows.unreadable[name]} if name in rows.unreadable else {}
    others = {each: unusable for each, unusable in rows.unreadable.items() if each != name}
    labels = rows.target if rows.labels is None else rows.labels  # also of rows without a usable feature
    present = int(labels.notna().sum()) + sum(each.count for each in target.values())
    return (
        check_usable(rows.unusable, len(rows), max_missing, problems)
        | check_usable(target, present, max_missing, problems)
        | check_usable(others, len(rows), max_missing, problems)
    )


def _stray_classes(rows: Rows) -> dict[str, int]:
    """The classes beside the two frequent ones, by their rows, if all of them have very few; else none."""
    if rows.columns.kind != "classification":
        return {}
    counts = {str(name): int(count) for name, count in rows.target.value_counts().items()}
    others = dict(list(counts.items())[2:])
    few = sum(others.values()) <= min(MOST_STRAY, MAX_STRAY_SHARE * len(rows))
    return others if few and rows.columns.positive not in others else {}


def incomplete_mask(rows: Rows) -> Mask:
    """Which rows lack a feature."""
    mask: Mask = rows.features.isna().any(axis=1).to_numpy()
    return mask


def without_outliers(rows: Rows, policy: Cleaning) -> tuple[Rows, dict[str, int]]:
    """Training rows with outliers clipped or dropped, and the number of outliers by numeric feature.

    A value is an outlier if it lies more than three interquartile ranges outside the quartiles of these rows (the outer
    fences of Tukey, Exploratory Data Analysis, 1977, 2C). A feature whose quartiles are equal has no outliers: that
    most values are the same says nothing about the others.
    """
    names = list(rows.columns.features.all_numeric)
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
    others = {"group": rows.group, "kept": rows.kept, "inputs": rows.inputs, "weights": rows.weights}
    return Rows(rows.columns, clipped, rows.target, rows.time, **others), counts  # type: ignore[arg-type]


def _check_missing(
    rows: Rows, labelled: Rows, data: TrainingData, problems: Problems, refused: Collection[str]
) -> None:
    """Adds a problem for each column of which too much is missing; rows without a target wait and do not count.

    `refused` columns are problems already.
    """
    columns = labelled.table().drop(columns=[rows.columns.target, *refused])
    shares = {str(name): float(share) for name, share in columns.isna().mean().items()}
    if rows.target.isna().all() and not refused:
        shares[rows.columns.target] = 1.0
    _check_derived(labelled, shares, data, problems)
    for name, share in sorted(shares.items(), key=lambda pair: -pair[1]):
        if share == 1:
            problems.add(
                "AllMissingColumn",
                f"column {name} has no value in any of {len(labelled)} rows: fix what writes the column, or remove it "
                "from model.features",
            )
        elif share > data.max_missing:
            problems.add(
                "TooManyMissing",
                f"{share:.1%} of column {name} is missing, more than data.maxMissing {data.max_missing:.1%}: fix "
                "what writes the column, or raise data.maxMissing if that share is expected",
            )
        elif share > 0 and data.cleaning.missing == "fail":
            problems.add(
                "MissingValues",
                f"{share:.2%} of column {name} is missing, and data.cleaning.missing is fail: "
                "fix the data, or set data.cleaning.missing to drop or impute",
            )


def _check_derived(rows: Rows, shares: Mapping[str, float], data: TrainingData, problems: Problems) -> None:
    """Adds a problem for each derived feature that is not defined for too many rows which have all that it reads.

    `shares` of missing values have the other columns that may be checked.
    """
    table = rows.features if rows.inputs is None else pd.concat([rows.features, rows.inputs], axis=1)
    for each in rows.columns.features.derived:
        if not shares.keys() | {other.name for other in rows.columns.features.derived} >= set(each.rule.columns):
            continue
        complete = table[list(each.rule.columns)].notna().all(axis=1)
        share = float((table[each.name].isna() & complete).mean())
        if share > data.max_missing:
            problems.add(
                "TooManyMissing",
                f"the derived feature {each.name} has no value in {share:.1%} of {len(rows)} rows, more than "
                f"data.maxMissing {data.max_missing:.1%}: a ratio to 0 and log1p of -1 or less are not "
                "defined; correct it in model.features.derived, or raise data.maxMissing if that share is expected",
            )


def _duplicates(rows: Rows) -> Mask:
    """Which rows have the same values in all needed columns as an earlier row."""
    candidates = pd.Series(rows.digests).duplicated(keep=False).to_numpy()
    duplicate = np.zeros(len(rows), dtype=bool)
    duplicate[candidates] = rows.table()[candidates].duplicated().to_numpy()
    return duplicate
