"""Inspects cleaned rows: unusual data are reported as findings; data that no useful model can come from are refused."""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from perennial_trainer.contract.errors import Problems, join_names
from perennial_trainer.contract.task import Version
from perennial_trainer.data.rows import Rows, Series
from perennial_trainer.profiling.leaks import find_leaks
from perennial_trainer.profiling.novelty import Novelty, find_novelties

log = logging.getLogger(__name__)

MIN_COPY_CORRELATION = 0.999999  # absolute; above it a feature is a linear copy, never a measured cause
MIN_ROWS = 10  # fewer rows correlate by chance
RARE = 10  # rows; a class with fewer is reported as rare
WIDE = 1000  # values of a category
LARGE = 0.05  # share of the rows; a class of so many rows whose name means that the outcome is not known is reported
NOT_KNOWN = frozenset(
    (
        "pending",
        "unknown",
        "undefined",
        "unlabelled",
        "unlabeled",
        "in progress",
        "in_progress",
        "tbd",
        "n/a",
        "na",
        "nan",
        "none",
        "null",
        "missing",
        "?",
    )
)
SAMPLE = 10_000  # first rows, which rule out most columns before all rows are used


class Findings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is unusual in the rows.

    `contradicting` rows of a classification have the same features as another row and a different class. `novelties`
    are by column. `leaks` are features that alone predict the target, `not_known` classes whose name means that the
    outcome is not known yet, with their rows. `cleaning` are sentences about the cleaning, `wide`
    categories with many values.
    """

    constant: list[str]
    distinct_targets: int
    commonest_target_share: float
    rare_classes: dict[str, int]
    contradicting: int
    novelties: dict[str, Novelty] = msgspec.field(name="beyond", default_factory=dict)  # as in the first release
    leaks: dict[str, str] = msgspec.field(default_factory=dict)
    not_known: dict[str, int] = msgspec.field(default_factory=dict)
    cleaning: list[str] = msgspec.field(default_factory=list)
    wide: dict[str, int] = msgspec.field(default_factory=dict)


def inspect_rows(
    rows: Rows, live: Version | None = None, allowed: Sequence[str] = (), problems: Problems | None = None
) -> Findings:
    """The findings in n > 0 rows, logged.

    Problems: ConstantFeatures, LeakingColumn (except for the allowed features), TooManyClasses. They are raised if they
    are not to be collected.
    """
    if problems is None:
        problems = Problems()
        findings = inspect_rows(rows, live, allowed, problems)
        problems.raise_all()
        return findings
    constant = [str(name) for name, values in rows.features.items() if _is_constant(values)]
    if len(constant) == len(rows.features.columns):
        problems.add(
            "ConstantFeatures",
            f"each feature ({join_names(constant)}) has one value in all {len(rows)} rows, so nothing can be learned: "
            "fix what writes the features",
        )
    copies = _find_copies(rows, constant, allowed, problems)
    counts = rows.target.value_counts()
    is_classification = rows.columns.kind == "classification"
    if is_classification:
        _check_number_of_classes(rows, counts, problems)
    rare = {str(name): int(count) for name, count in counts.items() if count < RARE}
    findings = Findings(
        constant=constant,
        distinct_targets=len(counts),
        commonest_target_share=float(counts.iloc[0] / len(rows)),
        rare_classes=rare if is_classification else {},
        contradicting=_contradicting(rows) if is_classification else 0,
        novelties=find_novelties(rows, live),
        wide={name: count for name, count in _category_counts(rows).items() if count > WIDE},
        leaks=find_leaks(rows, frozenset((*constant, *copies, *allowed))),
        not_known=_not_known(counts, len(rows)) if is_classification else {},
    )
    log.info("quality: %s", "; ".join(describe_findings(findings)) or "nothing unusual")
    return findings


def _check_number_of_classes(rows: Rows, counts: "pd.Series[int]", problems: Problems) -> None:
    if len(counts) * 2 > len(rows):
        problems.add(
            "TooManyClasses",
            f"the target {rows.columns.target} has {len(counts)} classes in {len(rows)} rows, so most classes "
            "have one row: set model.task to regression, or group the classes",
        )


def describe_findings(findings: Findings) -> list[str]:
    """A sentence for each finding; empty if nothing is unusual."""
    lines = [f"feature {name} {text}: it may not be known at prediction" for name, text in findings.leaks.items()]
    lines += findings.cleaning
    for name, count in findings.not_known.items():
        lines.append(f"class {name} has {count} rows: if it means that the outcome is not known yet, empty its target")
    for name, count in findings.wide.items():
        lines.append(f"feature {name} has {count} values, which become as many columns")
    if findings.constant:
        lines.append(f"features with the same value in every row: {join_names(findings.constant)}")
    if findings.rare_classes:
        lines.append(f"classes with fewer than {RARE} rows: {len(findings.rare_classes)}")
    if findings.commonest_target_share > 0.9:
        lines.append(f"{findings.commonest_target_share:.1%} of rows have the same target")
    if findings.contradicting:
        lines.append(f"{findings.contradicting} rows have the same features as another row and a different class")
    for name, novelty in findings.novelties.items():
        lines.append(
            f"values of {name} that the live version was not trained on: {novelty.new} in {novelty.rows} rows; it was "
            f"trained on {novelty.known}"
        )
    return lines


def _is_constant(values: "Series[Any]") -> bool:
    return bool(values.iloc[:SAMPLE].nunique() <= 1 and values.nunique() <= 1)


def _category_counts(rows: Rows) -> dict[str, int]:
    return {name: int(rows.features[name].nunique()) for name in rows.columns.features.all_categorical}


def _not_known(counts: "pd.Series[int]", rows: int) -> dict[str, int]:
    return {
        str(name): int(count)
        for name, count in counts.items()
        if str(name).strip().lower() in NOT_KNOWN and count >= LARGE * rows
    }


def _find_copies(rows: Rows, constant: list[str], allowed: Sequence[str], problems: Problems) -> list[str]:
    """The features that contain the target, each a problem: LeakingColumn."""
    copies = []
    for name, values in rows.features.items():
        relation = "" if name in constant or name in allowed else _leak(values, rows.target)
        if relation:
            copies.append(str(name))
            problems.add(
                "LeakingColumn",
                f"feature {name} is {relation} of the target {rows.columns.target} in {len(rows)} rows, so it will not "
                "be known when predictions are requested: remove it from model.features, or, if it is known then, add "
                "it to data.allowLeaks",
            )
    return copies


def _leak(feature: "Series[Any]", target: "Series[Any]") -> str:
    """What the feature is of the target if it leaks it, else an empty text."""
    if feature.dtype.kind == "f" and target.dtype.kind == "f":
        in_sample = abs(_correlation(feature.iloc[:SAMPLE], target.iloc[:SAMPLE]))
        # 0 does not rule out a copy: the first rows may all have the same value.
        ruled_out = 0 < in_sample <= MIN_COPY_CORRELATION
        is_copy = not ruled_out and abs(_correlation(feature, target)) > MIN_COPY_CORRELATION
        return "a linear copy" if is_copy else ""
    return "a one-to-one encoding" if _is_renamed(feature, target) else ""


def _correlation(feature: "Series[Any]", target: "Series[Any]") -> float:
    """Pearson's correlation of the rows with the feature; 0 for too few rows and where it is undefined."""
    present = feature.notna().to_numpy()
    if present.sum() < MIN_ROWS:
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        correlation = float(np.corrcoef(feature[present], target[present])[0, 1])
    return correlation if np.isfinite(correlation) else 0.0


def _is_renamed(feature: "Series[Any]", target: "Series[Any]") -> bool:
    """Whether each value of one has exactly one value of the other; not if most values occur once, as in a key."""
    if not _is_one_to_one(feature.iloc[:SAMPLE], target.iloc[:SAMPLE]) or not _is_one_to_one(feature, target):
        return False
    present, distinct = feature.notna().sum(), feature.nunique()
    return bool(present >= MIN_ROWS and distinct * 2 <= present)


def _is_one_to_one(feature: "Series[Any]", target: "Series[Any]") -> bool:
    pairs = pd.DataFrame({"feature": feature, "target": target}).dropna().drop_duplicates()
    return bool(pairs["feature"].is_unique and pairs["target"].is_unique)


def _contradicting(rows: Rows) -> int:
    """How many rows have the same features as another row and a different class."""
    digests = pd.util.hash_pandas_object(rows.features, index=False).to_numpy()
    repeated = pd.Series(digests).duplicated(keep=False).to_numpy()
    classes = rows.target[repeated].groupby(digests[repeated]).transform("nunique")
    return int((classes > 1).sum())
