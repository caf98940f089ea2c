"""What Evidently and NannyML say, in Perennial's words."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubectl_perennial.errors import SorryError
from kubectl_perennial.importers import evidently, nannyml
from kubectl_perennial.importers.measurements import Columns
from tests.plugin import measured
from tests.plugin.measured import drift

BIKE = Columns(("feature1", "feature_2_b"), "target", "prediction")


def told(found: Any) -> dict[str, float]:
    return {
        f"{each['name']} of {each['feature']}" if "feature" in each else each["name"]: each["value"]
        for each in found.metrics
    }


@pytest.mark.parametrize(
    ("metric", "name", "value"),
    [
        (drift("feature1", "psi", 0.3), "psi of feature1", 0.3),
        (drift("feature1", "PSI", 0.3), "psi of feature1", 0.3),
        (drift("feature1", "ks", 0.01), "ks_p of feature1", 0.01),
        (drift("feature1", "K-S p_value", 0.01), "ks_p of feature1", 0.01),
        (drift("feature1", "chi-square p_value", 0.01), "chi2_p of feature1", 0.01),
        (drift("feature1", "Wasserstein distance (normed)", 0.9), "wasserstein of feature1", 0.9),
        (drift("feature1", "Jensen-Shannon distance", math.sqrt(math.log(2))), "js of feature1", 1.0),
        (drift("target", "psi", 0.3), "target_psi", 0.3),
        (drift("prediction", "psi", 0.3), "prediction_psi", 0.3),
        (("DriftedColumnsCount", {"drift_share": 0.5}, {"count": 3.0, "share": 0.6}), "drifted_share", 0.6),
        (("MissingValueCount", {"column": "feature1"}, {"count": 4.0, "share": 0.1}), "missing_share of feature1", 0.1),
        (("R2Score", {}, 0.8), "r2", 0.8),
        (("F1Score", {}, 0.8), "f1", 0.8),
        (("RocAuc", {}, 0.8), "roc_auc", 0.8),
        (("Precision", {}, 0.8), "precision", 0.8),
        (("Recall", {}, 0.8), "recall", 0.8),
    ],
)
def test_a_metric_of_evidently_has_a_name_here(metric: Any, name: str, value: float) -> None:
    found = evidently.read(measured.evidently(metric), BIKE)
    assert told(found) == {name: pytest.approx(value)}
    assert found.left_out == []


def test_evidentlys_means_come_with_their_standard_errors_where_the_rows_are_counted() -> None:
    rows, mae = ("RowCount", {}, 400.0), ("MAE", {}, {"mean": 0.3, "std": 0.2})
    (metric,) = evidently.read(measured.evidently(mae, rows), BIKE).metrics
    assert metric == {"name": "mae", "value": 0.3, "standardError": pytest.approx(0.01)}
    (metric,) = evidently.read(measured.evidently(mae), BIKE).metrics
    assert "standardError" not in metric


def test_a_root_mean_square_is_told_squared_too() -> None:
    assert told(evidently.read(measured.evidently(("RMSE", {}, 0.5)), BIKE)) == {"rmse": 0.5, "mse": 0.25}


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        (drift("feature1", "mannw", 0.3), "mannw of feature1: Perennial has no such metric"),
        (
            drift("stranger", "psi", 0.3),
            "psi of stranger: it is no feature, target or prediction (--prediction) of this model",
        ),
        (("MAPE", {}, {"mean": 1.0, "std": 1.0}), "MAPE: Perennial has no such metric"),
        (drift("feature1", "psi", math.nan), "psi of feature1: its value is nan"),
        (drift("feature1", "psi", math.inf), "psi of feature1: its value is inf"),
        (("R2Score", {}, None), "r2: its value is None"),
    ],
)
def test_what_has_no_name_or_no_value_here_is_left_out_with_a_word(metric: Any, why: str) -> None:
    found = evidently.read(measured.evidently(metric), BIKE)
    assert (found.metrics, found.left_out) == ([], [why])


@pytest.mark.parametrize(
    "document", [[], {}, {"metrics": {}}, {"metrics": [{"metric": "DataDriftTable"}]}, {"metrics": ["x"]}]
)
def test_what_is_no_report_of_evidently_is_refused_with_how_to_write_one(document: Any) -> None:
    with pytest.raises(SorryError, match=r"no report of Evidently.*save_json\(path\)"):
        evidently.read(document, BIKE)


DRIFT = {
    "ks of feature1": 0.43,
    "js of feature1": 0.46,
    "l_infinity of feature_2_b": 0.085,
    "target_ks": 0.31,
}


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: measured.to_csv(measured.columns(), folder / "drift.csv", index=True),
        lambda folder: measured.to_csv(measured.columns(), folder / "drift.csv", index=False),
        lambda folder: measured.to_flat_csv(measured.columns(), folder / "drift.csv"),
        lambda folder: measured.to_json(measured.columns(), folder / "drift.json"),
        lambda folder: measured.to_json(measured.flat(measured.columns()), folder / "drift.json"),
        lambda folder: measured.to_parquet(measured.columns(), folder / "drift.parquet"),
        lambda folder: measured.to_parquet(measured.flat(measured.columns()), folder / "drift.parquet"),
    ],
    ids=["csv", "csv without index", "flat csv", "json", "flat json", "parquet", "flat parquet"],
)
def test_the_newest_chunk_of_nannyml_is_read_from_every_file_that_pandas_writes(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    found = nannyml.read(write(tmp_path), BIKE)
    assert told(found) == DRIFT
    assert (found.samples, found.start, found.end) == (250, "2026-03-11T10:00:00Z", "2026-03-21T19:00:00Z")
    unknown, *others = sorted(found.left_out)
    assert "anderson" in unknown and unknown.endswith(": Perennial has no such metric")
    assert others == [
        "ks of other: it is no feature, target or prediction (--prediction) of this model",
        "wasserstein of feature1: it is in the feature's own units, and Perennial's is in standard deviations",
    ]


@pytest.mark.parametrize(("extra", "name"), [((), "mse"), (("realized",), "estimated_mse")])
def test_what_nannyml_estimates_without_labels_is_not_taken_for_measured(
    extra: tuple[str, ...], name: str, tmp_path: Path
) -> None:
    file = measured.to_csv(measured.performance(*extra), tmp_path / "performance.csv", index=True)
    assert nannyml.read(file, BIKE).metrics == [{"name": name, "value": 0.3, "standardError": 0.01}]


def test_times_as_pandas_writes_them_into_json_are_read(tmp_path: Path) -> None:
    of = measured.performance()
    of["chunk", "start_date"] = of["chunk", "end_date"] = [1767225600000, 1772323200000, 1773223200000]
    assert nannyml.read(measured.to_json(of, tmp_path / "a.json"), BIKE).end == "2026-03-11T10:00:00Z"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", "", "no result of NannyML"),
        ("a.csv", "a,b\n1,2\n", "no result of NannyML"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "[]", "no result of NannyML"),
        ("a.parquet", "x", "cannot be read as parquet"),
        ("a.pkl", "x", r"ends in \.pkl; NannyML's results are read from csv, parquet or json"),
        ("a.csv", "chunk_key,chunk_period,mse_value\n[0:9],reference,1\n", "only chunks of the reference period"),
    ],
)
def test_what_is_no_result_of_nannyml_is_refused(name: str, content: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SorryError, match=sentence):
        nannyml.read(tmp_path / name, BIKE)
