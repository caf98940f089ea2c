"""The metric table is the same in the operator, the trainer and the contract's schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from perennial_operator.core.api import metric_table as of_operator
from perennial_trainer.contract import metric_table as of_trainer
from perennial_trainer.metrics.evaluate import measure_all
from perennial_trainer.metrics.registry import COMPUTATIONS
from perennial_trainer.metrics.scored_rows import ScoredRows

HERE = Path(__file__).parent
TASK: dict[str, Any] = json.loads((HERE / "task.schema.json").read_text(encoding="utf-8"))


def test_operator_and_trainer_have_identical_metric_tables() -> None:
    copies = [Path(str(module.__file__)) for module in (of_operator, of_trainer)]
    assert copies[0].read_bytes() == copies[1].read_bytes(), f"copy one over the other: cp {copies[0]} {copies[1]}"


def test_metric_names_are_unique() -> None:
    assert len(of_trainer.METRICS_BY_NAME) == len(of_trainer.METRIC_TABLE)


def test_only_quality_metrics_have_a_task() -> None:
    for entry in of_trainer.METRIC_TABLE:
        assert (entry.task is not None) == (entry.kind == "quality"), entry.name


def test_schema_allows_exactly_the_quality_metrics() -> None:
    quality = [entry.name for entry in of_trainer.METRIC_TABLE if entry.kind == "quality"]
    assert TASK["$defs"]["qualityMetric"]["enum"] == quality


def test_schema_allows_slices_by_metrics_with_a_ratio_only() -> None:
    assert TASK["$defs"]["sliceMetric"]["enum"] == list(of_trainer.SLICE_METRICS)


def test_every_quality_metric_has_a_computation() -> None:
    assert list(COMPUTATIONS) == [entry.name for entry in of_trainer.METRIC_TABLE if entry.kind == "quality"]


def test_metric_table_says_which_metrics_have_a_standard_error() -> None:
    values, classes = np.arange(4.0), np.asarray([0, 1, 0, 1])
    probability = np.asarray([[0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.1, 0.9]])
    of_classes = ScoredRows(classes, probability.argmax(axis=1), ("0", "1"), probability)
    measured = measure_all(ScoredRows(values, values**2)) | measure_all(of_classes)
    assert measured.keys() == COMPUTATIONS.keys()
    for name, each in measured.items():
        assert of_trainer.METRICS_BY_NAME[name].standard_error == (each.standard_error is not None), name
