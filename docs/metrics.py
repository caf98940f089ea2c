"""The table of metrics in docs/metrics.md: `python docs/metrics.py` writes it from the metric table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from perennial_operator.core.api.metric_table import METRIC_TABLE, MetricEntry

PAGE = Path(__file__).parent / "metrics.md"
BEGIN, END = "<!-- made by docs/metrics.py -->", "<!-- end -->"
HEADINGS = (
    ("Of the model's quality, on rows with a target", "quality"),
    ("Of the distribution of features, target and predictions", "drift"),
    ("Of the data", "data"),
)
NOTES = {
    "mse": ("mean of (y - ŷ)²", "every error, large ones most", "the direction of the errors; one outlier may decide"),
    "rmse": ("√mse", "as mse, in the unit of the target", "as mse"),
    "mae": ("mean of abs(y - ŷ)", "the typical error, robust against outliers", "a few very large errors"),
    "r2": (
        "1 - mse / variance of y",
        "how much better than the mean the model is",
        "it falls without any change of the errors when y varies less",
    ),
    "accuracy": ("share of ŷ = y", "wrong classes", "a rare class: with 1 % positives, 'never' scores 0.99"),
    "f1": ("2·tp / (2·tp + fp + fn)", "the positive class, also where it is rare", "true negatives; probabilities"),
    "log_loss": (
        "mean of -ln p(y)",
        "wrong and over-confident probabilities",
        "its level: it has no natural limit",
    ),
    "roc_auc": (
        "P(score of a positive > score of a negative)",
        "the order of the rows",
        "the level of the probabilities, the threshold of the decision",
    ),
    "precision": ("tp / (tp + fp)", "false alarms of the model", "missed positives"),
    "recall": ("tp / (tp + fn)", "missed positives", "false alarms of the model"),
    "regret": (
        "(loss - loss of the challenger) / loss, on the recent rows; the loss is (y - ŷ)² or the Brier score",
        "that a model of newer rows is better, whatever is hard about the rows themselves",
        "a change that no older row shows yet; it waits for targets",
    ),
    "weights_regret": (
        "(loss - loss with other weights) / loss, of a blend on recent rows that it has not learned; the loss is "
        "(y - ŷ)² or the Brier score",
        "that other models of the blend fit better by now",
        "what no model of the blend knows; it waits for targets",
    ),
    "excess_loss": (
        "(loss - loss of the version that it replaces) / loss, of a candidate on the rows that it answered; the loss "
        "is (y - ŷ)² or the Brier score",
        "that a candidate is worse where it serves, whatever is hard about the rows themselves",
        "rows whose label comes after the watch",
    ),
    "drifted_share": (
        "share of features with psi > 0.2, beyond chance",
        "a change of many features at once",
        "one feature that changes completely",
    ),
    "significant_share": (
        "share of features with a significant `ks_p` or `chi2_p` (Benjamini-Hochberg, 5 %)",
        "small changes of many features",
        "the size of a change: with many rows, harmless ones are significant",
    ),
    "prediction_psi": (
        "psi of the predictions, or the greatest psi of a class's probability, against the holdout",
        "changes of those features that the model uses, without any target",
        "changes that cancel out, and changes of the target alone",
    ),
    "target_psi": ("psi of the target", "a change of base rates", "changes of the features; it waits for targets"),
    "psi": (
        "Σ (q - p) ln(q / p) over the bins; p is the share before, q the recent one",
        "changes of any form, between bins",
        "changes within a bin",
    ),
    "ks": (
        "greatest difference between the two distribution functions",
        "shifts of the middle of a distribution",
        "its tails; categories, for which it is not defined",
    ),
    "wasserstein": (
        "area between the two distribution functions, in standard deviations of the reference",
        "how far values moved, tails included",
        "a change of shape within a small distance; a few outliers may decide",
    ),
    "js": (
        "√((KL(p, m) + KL(q, m)) / 2), m = (p + q) / 2, in bits, over the bins",
        "as psi; never above 1, so one limit suits all columns",
        "as psi; small changes of rare values",
    ),
    "chi2": (
        "Σ (count - expected)² / expected over both sides and the bins of a category",
        "changes of the frequencies of categories",
        "its size grows with the rows: no fixed limit is right for long",
    ),
    "ks_p": (
        "p-value of ks",
        "whether there is a difference",
        "its size; a limit of 0.05 alone would alarm in 5 % of the checks of each feature",
    ),
    "chi2_p": (
        "p-value of chi2",
        "whether there is a difference",
        "its size; wrong where many categories are rare",
    ),
    "new_class_share": (
        "share of rows with a target whose class training did not know",
        "new or misspelt classes",
        "changes among known classes",
    ),
    "missing_share": ("share of missing values", "gaps", "whether training had the same gaps"),
    "missing_increase": (
        "missing_share less that of training",
        "a broken feed",
        "values that are wrong, not missing",
    ),
    "new_share": (
        "share of rows whose category training did not know",
        "new codes, renamed or misspelt ones",
        "changes among known values",
    ),
}
"""Of each metric: its formula, what it sees, and what it does not see."""


def section() -> str:
    """The metrics by kind."""
    return "\n".join([BEGIN, *(line for heading, kind in HEADINGS for line in table(heading, kind)), END])


def table(heading: str, kind: str) -> Iterator[str]:
    yield f"### {heading}"
    yield ""
    yield "| metric | what it is | values | drift is | sees | does not see |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for entry in METRIC_TABLE:
        if entry.kind == kind:
            formula, sees, misses = NOTES[entry.name]
            worse = "less" if entry.better == "higher" else "more"
            yield f"| `{entry.name}` | {formula} | {bounds(entry)} | {worse} | {sees} | {misses} |"
    yield ""


def bounds(entry: MetricEntry) -> str:
    if entry.maximum is None:
        return f"from {entry.minimum:g}"
    return f"up to {entry.maximum:g}" if entry.minimum is None else f"{entry.minimum:g} to {entry.maximum:g}"


def written(page: str) -> str:
    """The page with the section in its place."""
    return re.sub(f"{BEGIN}.*?{END}", lambda _: section(), page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
