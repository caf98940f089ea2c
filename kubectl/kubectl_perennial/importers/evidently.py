"""Reads the metrics of a report of Evidently (0.7 or newer; `save_json` or `json()` of a run).

Its value of a drift test is a distance or a p-value, depending on the test: its `ks` is our `ks_p`. Its Jensen-Shannon
distance is in nats, ours in bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kubectl_perennial.client import Body
from kubectl_perennial.errors import CommandError
from kubectl_perennial.importers.measurements import Columns, Measured
from perennial_operator.core.api.thresholds import QUALITY_METRICS

NATS = 1 / math.sqrt(math.log(2))
"""A Jensen-Shannon distance in nats times this is one in bits."""

DRIFT: Mapping[str, tuple[str, float]] = {
    "psi": ("psi", 1),
    "ks": ("ks_p", 1),
    "k-s p_value": ("ks_p", 1),
    "chisquare": ("chi2_p", 1),
    "chi-square p_value": ("chi2_p", 1),
    "jensenshannon": ("js", NATS),
    "jensen-shannon distance": ("js", NATS),
    "wasserstein": ("wasserstein", 1),
    "wasserstein distance (normed)": ("wasserstein", 1),
    "hellinger": ("hellinger", 1),
    "hellinger distance": ("hellinger", 1),
}
"""Evidently's name of the method → our metric, and the factor to convert it."""

QUALITY = {name.replace("_", ""): name for name in QUALITY_METRICS}
"""Evidently's class in lower case, without `score` → the metric: RocAuc is roc_auc, and F1Score is f1."""


def read(document: Any, columns: Columns) -> Measured:
    """The metrics of the document. CommandError if it is not a report of Evidently."""
    if not isinstance(document, dict) or not isinstance(document.get("metrics"), list):
        raise CommandError(f"this is not a report of Evidently: it has no list of metrics; {HINT}")
    kinds = [(_kind(each), each) for each in document["metrics"]]
    if not all(kind for kind, _ in kinds):
        raise CommandError(f"this is not a report of Evidently 0.7 or newer: its metrics have no config.type; {HINT}")
    measured = Measured("evidently")
    rows = [each["value"] for kind, each in kinds if kind == "RowCount"]
    measured.samples = int(rows[0]) if rows else None
    for kind, each in kinds:
        _add(measured, kind, each, columns)
    return measured


HINT = "write one with Report([...]).run(current, reference).save_json(path)"


def _kind(metric: Any) -> str:
    config = metric.get("config") if isinstance(metric, dict) else None
    return str(config.get("type", "")).rpartition(":")[2] if isinstance(config, dict) else ""


def _add(measured: Measured, kind: str, metric: Body, columns: Columns) -> None:
    config, value = metric["config"], metric.get("value")
    if kind == "ValueDrift":
        _drift(measured, config, value, columns)
    elif kind == "DriftedColumnsCount" and isinstance(value, dict):
        measured.add("drifted_share", value.get("share"))
    elif kind == "MissingValueCount" and isinstance(value, dict):
        columns.drift(measured, "missing_share", config["column"], value.get("share"))
    elif name := QUALITY.get(kind.lower().removesuffix("score")):
        _quality(measured, name, value)
    elif kind != "RowCount":
        measured.leave_out(" of ".join(filter(None, (kind, config.get("column")))), "Perennial has no such metric")


def _drift(measured: Measured, config: Body, value: object, columns: Columns) -> None:
    method, column = str(config.get("method")), str(config.get("column"))
    name, factor = DRIFT.get(method.lower(), ("", 1.0))
    if not name:
        measured.leave_out(f"{method} of {column}", "Perennial has no such metric")
    else:
        columns.drift(measured, name, column, value * factor if isinstance(value, int | float) else value)


def _quality(measured: Measured, name: str, value: object) -> None:
    """Adds the metric; the standard error of a mean follows from the deviation beside it."""
    error = None
    if isinstance(value, dict):
        deviation, value = value.get("std"), value.get("mean")
        if measured.samples and isinstance(deviation, int | float):
            error = deviation / math.sqrt(measured.samples)
    measured.add(name, value, error=error)
    if name == "rmse" and isinstance(value, int | float):
        measured.add("mse", value**2)
