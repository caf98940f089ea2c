"""What is read from another tool's file is true of the whole file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from kubectl_perennial.importers import nannyml
from kubectl_perennial.importers.measurements import Columns

BIKE = Columns(("temp",), "cnt", "prediction")


def result_of(folder: Path, sizes: Sequence[int], values: Sequence[float], reference: int = 0) -> Path:
    """A result of NannyML with chunks of these sizes, of which the first are of the reference period."""
    names = ["chunk_key", "chunk_index", "chunk_start_index", "chunk_end_index", "chunk_period"]
    path, start = folder / "result.csv", 0
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*names, "temp_kolmogorov_smirnov_value", "temp_kolmogorov_smirnov_alert"])
        for number, (size, value) in enumerate(zip(sizes, values, strict=True)):
            end = start + size - 1
            period = "reference" if number < reference else "analysis"
            rows.writerow([f"[{start}:{end}]", number, start, end, period, value, value > 0.2])
            start = end + 1
    return path


@pytest.mark.parametrize(
    ("sizes", "samples", "value"),
    [
        ([500, 500, 500, 3], 500, 0.3),
        ([500, 500, 500, 499], 500, 0.3),
        ([500, 500, 500, 500], 500, 0.4),
        ([480, 510, 530, 460], 460, 0.4),
        ([480, 510, 530, 90], 530, 0.3),
    ],
    ids=["remainder", "almost full", "full", "days of other sizes", "day that is not over"],
)
def test_newest_full_chunk_is_reported(tmp_path: Path, sizes: list[int], samples: int, value: float) -> None:
    """Kind 24."""
    measured = nannyml.read(result_of(tmp_path, sizes, [0.1, 0.2, 0.3, 0.4], reference=1), BIKE)
    assert measured.samples == samples
    assert measured.metrics == [{"name": "ks", "feature": "temp", "value": value}]
    assert bool(measured.left_out) is (value == 0.3)


def test_only_chunk_is_reported_whatever_its_size(tmp_path: Path) -> None:
    assert nannyml.read(result_of(tmp_path, [500, 3], [0.1, 0.4], reference=1), BIKE).samples == 3
