"""Small files in the formats of Evidently 0.7 and NannyML 0.13."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

HEAD = ("chunk", "chunk")
CHUNKS = (
    ("[0:249]", 0, 0, 249, "2026-01-01 00:00:00", "2026-01-11 09:00:00", "reference"),
    ("[0:249]", 0, 0, 249, "2026-03-01 00:00:00", "2026-03-11 09:00:00", "analysis"),
    ("[250:499]", 1, 250, 499, "2026-03-11 10:00:00", "2026-03-21 19:00:00", "analysis"),
)
FIELDS = ("key", "chunk_index", "start_index", "end_index", "start_date", "end_date", "period")
VALUES: dict[tuple[str, str], tuple[float, float, float]] = {
    ("feature1", "kolmogorov_smirnov"): (0.03, 0.2, 0.43),
    ("feature1", "jensen_shannon"): (0.05, 0.1, 0.46),
    ("feature_2_b", "l_infinity"): (0.01, 0.02, 0.085),
    ("feature1", "wasserstein"): (0.1, 0.2, 1.2),
    ("feature1", "anderson"): (0.1, 0.2, 1.3),
    ("target", "kolmogorov_smirnov"): (0.03, 0.1, 0.31),
    ("other", "kolmogorov_smirnov"): (0.03, 0.1, 0.2),
}


def evidently(*metrics: tuple[str, dict[str, Any], Any]) -> dict[str, Any]:
    """A run's `save_json`: (kind, config, value) of each metric."""
    return {
        "metrics": [
            {
                "id": f"{number:032x}",
                "metric_name": f"{kind}()",
                "config": {"type": f"evidently:metric_v2:{kind}", **config},
                "value": value,
            }
            for number, (kind, config, value) in enumerate(metrics)
        ],
        "tests": [],
    }


def drift(column: str, method: str, value: float) -> tuple[str, dict[str, Any], float]:
    return "ValueDrift", {"column": column, "method": method, "threshold": 0.1}, value


def columns() -> dict[tuple[str, str, str], list[Any]]:
    """`UnivariateDriftCalculator(...).calculate(...).to_df()`, column by column."""
    cells: dict[tuple[str, str, str], list[Any]] = {
        (*HEAD, field): [chunk[number] for chunk in CHUNKS] for number, field in enumerate(FIELDS)
    }
    for (column, method), values in VALUES.items():
        cells[column, method, "value"] = list(values)
        cells[column, method, "upper_threshold"] = [0.1] * 3
        cells[column, method, "alert"] = [value > 0.1 for value in values]
    return cells


def performance(*extra: str) -> dict[tuple[str, str], list[Any]]:
    """`PerformanceCalculator(...).calculate(...).to_df()`; an estimator's has `realized` besides."""
    cells: dict[tuple[str, str], list[Any]] = {
        ("chunk", field): [chunk[number] for chunk in CHUNKS] for number, field in enumerate(FIELDS)
    }
    cells["mse", "sampling_error"], cells["mse", "value"] = [0.01] * 3, [0.1, 0.2, 0.3]
    return cells | {("mse", name): [0.0] * 3 for name in extra}


def flat(of: dict[tuple[str, ...], list[Any]]) -> dict[str, list[Any]]:
    """The same of `to_df(multilevel=False)`."""
    names = {"chunk_chunk_index": "chunk_index"}
    joined = {"_".join(dict.fromkeys(column)): cells for column, cells in of.items()}
    return {names.get(name, name): cells for name, cells in joined.items()}


def to_csv(of: dict[tuple[str, ...], list[Any]], path: Path, *, index: bool) -> Path:
    """As pandas writes levels: a line for each, and the index's own column without a name."""
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        for level in zip(*of, strict=True):
            lines.writerow([*([""] if index else []), *level])
        for number, row in enumerate(zip(*of.values(), strict=True)):
            lines.writerow([*([number] if index else []), *row])
    return path


def to_flat_csv(of: dict[tuple[str, ...], list[Any]], path: Path) -> Path:
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(flat(of))
        lines.writerows(zip(*of.values(), strict=True))
    return path


def to_json(of: dict[Any, list[Any]], path: Path) -> Path:
    """As pandas's `to_json` writes it, by column and then by line."""
    path.write_text(json.dumps({str(name): dict(enumerate(cells)) for name, cells in of.items()}))
    return path


def to_parquet(of: dict[Any, list[Any]], path: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.table({str(name): cells for name, cells in of.items()}), path)
    return path
