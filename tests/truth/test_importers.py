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


@pytest.mark.parametrize(
    ("sizes", "reference", "reported"),
    [
        ([3000, 3010, 2990, 1000, 1010, 990], 3, 5),
        ([500, 510, 490, 505, 495, 100, 110, 505, 515, 495, 500, 505, 105, 95], 0, 13),
        ([90, 500, 510, 490, 60], 0, 3),
        ([500, 510, 490, 90, 60], 3, 4),
        ([500, 500, 3, 500, 500, 499], 3, 4),
        ([500, 3], 0, 0),
    ],
    ids=[
        "less traffic than the reference",
        "weekends",
        "first and last period",
        "only parts of periods",
        "remainder of the reference too",
        "two chunks, no reference",
    ],
)
def test_periods_differ_and_are_full(tmp_path: Path, sizes: list[int], reference: int, reported: int) -> None:
    values = [number / 100 for number in range(len(sizes))]
    measured = nannyml.read(result_of(tmp_path, sizes, values, reference), BIKE)
    assert [metric["value"] for metric in measured.metrics] == [reported / 100]
    assert len(measured.left_out) == len(sizes) - 1 - reported


def test_feature_may_be_called_as_a_chunk(tmp_path: Path) -> None:
    path = result_of(tmp_path, [500, 500], [0.1, 0.4])
    path.write_text(path.read_text().replace("temp_", "chunk_size_"))
    measured = nannyml.read(path, Columns(("chunk_size",), "cnt", "prediction"))
    assert measured.metrics == [{"name": "ks", "feature": "chunk_size", "value": 0.4}]


def test_only_chunk_is_reported_whatever_its_size(tmp_path: Path) -> None:
    assert nannyml.read(result_of(tmp_path, [500, 3], [0.1, 0.4], reference=1), BIKE).samples == 3
