"""What is odd in rows that are fit to learn from: each finding is counted and told, and a leak stops the training."""

import logging
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.task import Version
from perennial_trainer.data.rows import Rows, Series
from perennial_trainer.profiling.novelty import Novelty, find_novelties

log = logging.getLogger(__name__)

COPY = 0.999999  # |correlation| from which a feature passes for a linear copy; no measured cause is as close
LEAST = 10  # rows; fewer correlate by chance
RARE = 10  # rows of a class, below which nothing can be said of it
SAMPLE = 10_000  # rows that rule out most columns before all are counted


class Findings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`contradicting` rows of a classification have the features of another row and not its class.

    `beyond` is by column, what the live version has not been trained on.
    """

    constant: list[str]
    distinct_targets: int
    commonest_target_share: float
    rare_classes: dict[str, int]
    contradicting: int
    beyond: dict[str, Novelty] = {}


def inspect_rows(rows: Rows, live: Version | None = None) -> Findings:
    """The findings, logged. Raises a RejectedTask: ConstantFeatures, LeakingColumn, TooManyClasses."""
    constant = [str(name) for name, values in rows.features.items() if _is_constant(values)]
    if len(constant) == len(rows.features.columns):
        raise RejectedTask(
            "ConstantFeatures",
            f"each feature ({join_names(constant)}) has one value in all {len(rows)} rows, so nothing to learn from: "
            "fix what writes them",
        )
    for name, values in rows.features.items():
        if name not in constant and (how := _leaks(values, rows.target)):
            raise RejectedTask(
                "LeakingColumn",
                f"feature {name} {how} the target {rows.columns.target} in {len(rows)} rows: it gives the answer away "
                "and will not be known when predictions are asked for; take it out of model.features",
            )
    counts = rows.target.value_counts()
    classes = rows.columns.kind == "classification"
    if classes and len(counts) * 2 > len(rows):
        raise RejectedTask(
            "TooManyClasses",
            f"the target {rows.columns.target} has {len(counts)} classes in {len(rows)} rows, such as "
            f"{str(counts.index[0])[:40]!r}, so most occur once: set model.task to regression, or group them",
        )
    found = Findings(
        constant=constant,
        distinct_targets=len(counts),
        commonest_target_share=float(counts.iloc[0] / len(rows)),
        rare_classes={str(name): int(count) for name, count in counts.items() if count < RARE} if classes else {},
        contradicting=_contradicting(rows) if classes else 0,
        beyond=find_novelties(rows, live),
    )
    log.info("quality: %s", "; ".join(describe_findings(found)) or "nothing odd")
    return found


def describe_findings(found: Findings) -> list[str]:
    """What is odd, for people; nothing where nothing is."""
    share = found.commonest_target_share
    rare = (f"{name} ({count})" for name, count in found.rare_classes.items())
    return [
        *(
            [f"one value in every row, so nothing to learn from: {join_names(found.constant)}"]
            if found.constant
            else []
        ),
        *([f"fewer than {RARE} rows of a class: {join_names(rare)}"] if found.rare_classes else []),
        *([f"{share:.1%} of rows have one target"] if share > 0.9 else []),
        *([f"{found.contradicting} rows have another's features and not its class"] if found.contradicting else []),
        *(
            f"values of {name} that the live version did not know ({each.known}): {each.found} (rows: {each.rows})"
            for name, each in found.beyond.items()
        ),
    ]


def _is_constant(values: "Series[Any]") -> bool:
    return bool(values.iloc[:SAMPLE].nunique() <= 1 and values.nunique() <= 1)


def _leaks(feature: "Series[Any]", target: "Series[Any]") -> str:
    """How the feature gives the target away, if it does: a verb."""
    if feature.dtype.kind == "f" and target.dtype.kind == "f":
        in_sample = abs(_correlation(feature.iloc[:SAMPLE], target.iloc[:SAMPLE]))
        ruled_out = 0 < in_sample <= COPY  # 0 may be of one value for long
        return "is a linear copy of" if not ruled_out and abs(_correlation(feature, target)) > COPY else ""
    return "tells by its values, one for one," if _is_renamed(feature, target) else ""


def _correlation(feature: "Series[Any]", target: "Series[Any]") -> float:
    """Pearson's where the feature is known; 0 for too few rows, and where one does not vary or has no finite square."""
    known = feature.notna().to_numpy()
    if known.sum() < LEAST:
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = float(np.corrcoef(feature[known], target[known])[0, 1])
    return found if np.isfinite(found) else 0.0


def _is_renamed(feature: "Series[Any]", target: "Series[Any]") -> bool:
    """Whether each value of one goes with one value of the other; not where most values occur once, as in a key."""
    if not _one_to_one(feature.iloc[:SAMPLE], target.iloc[:SAMPLE]) or not _one_to_one(feature, target):
        return False
    known, distinct = feature.notna().sum(), feature.nunique()
    return bool(known >= LEAST and distinct * 2 <= known)


def _one_to_one(feature: "Series[Any]", target: "Series[Any]") -> bool:
    pairs = pd.DataFrame({"feature": feature, "target": target}).dropna().drop_duplicates()
    return bool(pairs["feature"].is_unique and pairs["target"].is_unique)


def _contradicting(rows: Rows) -> int:
    same_features = pd.util.hash_pandas_object(rows.features, index=False).to_numpy()
    repeated = pd.Series(same_features).duplicated(keep=False).to_numpy()
    classes = rows.target[repeated].groupby(same_features[repeated]).transform("nunique")
    return int((classes > 1).sum())
