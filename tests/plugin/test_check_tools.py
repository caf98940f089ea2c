"""The metrics of Evidently and NannyML become metrics of a DriftReport."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubectl_perennial.errors import CommandError
from kubectl_perennial.importers import evidently, nannyml
from kubectl_perennial.importers.measurements import Columns
from tests.plugin import tool_files
from tests.plugin.tool_files import drift

BIKE = Columns(("feature1", "feature_2_b"), "target", "prediction")


def values(measured: Any) -> dict[str, float]:
    return {
        f"{each['name']} of {each['feature']}" if "feature" in each else each["name"]: each["value"]
        for each in measured.metrics
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
def test_metric_of_evidently_gets_our_name(metric: Any, name: str, value: float) -> None:
    measured = evidently.read(tool_files.evidently(metric), BIKE)
    assert values(measured) == {name: pytest.approx(value)}
    assert measured.left_out == []


def test_means_of_evidently_get_a_standard_error() -> None:
    rows, mae = ("RowCount", {}, 400.0), ("MAE", {}, {"mean": 0.3, "std": 0.2})
    (metric,) = evidently.read(tool_files.evidently(mae, rows), BIKE).metrics
    assert metric == {"name": "mae", "value": 0.3, "standardError": pytest.approx(0.01)}
    (metric,) = evidently.read(tool_files.evidently(mae), BIKE).metrics
    assert "standardError" not in metric


def test_rmse_is_also_reported_as_mse() -> None:
    assert values(evidently.read(tool_files.evidently(("RMSE", {}, 0.5)), BIKE)) == {"rmse": 0.5, "mse": 0.25}


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        (drift("feature1", "mannw", 0.3), "mannw of feature1: Perennial has no such metric"),
        (
            drift("stranger", "psi", 0.3),
            "psi of stranger: it is not a feature, the target or the prediction (--prediction) of this model",
        ),
        (("MAPE", {}, {"mean": 1.0, "std": 1.0}), "MAPE: Perennial has no such metric"),
        (drift("feature1", "psi", math.nan), "psi of feature1: its value is nan"),
        (drift("feature1", "psi", math.inf), "psi of feature1: its value is inf"),
        (("R2Score", {}, None), "r2: its value is None"),
    ],
)
def test_unknown_metric_is_left_out_with_a_reason(metric: Any, why: str) -> None:
    measured = evidently.read(tool_files.evidently(metric), BIKE)
    assert (measured.metrics, measured.left_out) == ([], [why])


@pytest.mark.parametrize(
    "document", [[], {}, {"metrics": {}}, {"metrics": [{"metric": "DataDriftTable"}]}, {"metrics": ["x"]}]
)
def test_other_documents_than_evidentlys_are_refused(document: Any) -> None:
    with pytest.raises(CommandError, match=r"not a report of Evidently.*save_json\(path\)"):
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
        lambda folder: tool_files.to_csv(tool_files.columns(), folder / "drift.csv", index=True),
        lambda folder: tool_files.to_csv(tool_files.columns(), folder / "drift.csv", index=False),
        lambda folder: tool_files.to_flat_csv(tool_files.columns(), folder / "drift.csv"),
        lambda folder: tool_files.to_json(tool_files.columns(), folder / "drift.json"),
        lambda folder: tool_files.to_json(tool_files.flat(tool_files.columns()), folder / "drift.json"),
        lambda folder: tool_files.to_parquet(tool_files.columns(), folder / "drift.parquet"),
        lambda folder: tool_files.to_parquet(tool_files.flat(tool_files.columns()), folder / "drift.parquet"),
    ],
    ids=["csv", "csv without index", "flat csv", "json", "flat json", "parquet", "flat parquet"],
)
def test_nannyml_is_read_from_every_format_of_pandas(write: Callable[[Path], Path], tmp_path: Path) -> None:
    measured = nannyml.read(write(tmp_path), BIKE)
    assert values(measured) == DRIFT
    assert (measured.samples, measured.start, measured.end) == (250, "2026-03-11T10:00:00Z", "2026-03-21T19:00:00Z")
    unknown, *others = sorted(measured.left_out)
    assert "anderson" in unknown and unknown.endswith(": Perennial has no such metric")
    assert others == [
        "ks of other: it is not a feature, the target or the prediction (--prediction) of this model",
        "wasserstein of feature1: it is in the feature's own units, and Perennial's is in standard deviations",
    ]


@pytest.mark.parametrize(("extra", "name"), [((), "mse"), (("realized",), "estimated_mse")])
def test_estimates_of_nannyml_are_named_as_estimated(extra: tuple[str, ...], name: str, tmp_path: Path) -> None:
    file = tool_files.to_csv(tool_files.performance(*extra), tmp_path / "performance.csv", index=True)
    assert nannyml.read(file, BIKE).metrics == [{"name": name, "value": 0.3, "standardError": 0.01}]


def test_times_in_json_of_pandas_are_read(tmp_path: Path) -> None:
    of = tool_files.performance()
    of["chunk", "start_date"] = of["chunk", "end_date"] = [1767225600000, 1772323200000, 1773223200000]
    assert nannyml.read(tool_files.to_json(of, tmp_path / "a.json"), BIKE).end == "2026-03-11T10:00:00Z"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", "", "not a result of NannyML"),
        ("a.csv", "a,b\n1,2\n", "not a result of NannyML"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "[]", "not a result of NannyML"),
        ("a.parquet", "x", "cannot be read as parquet"),
        ("a.pkl", "x", r"ends in \.pkl; NannyML's results are read from csv, parquet or json"),
        ("a.csv", "chunk_key,chunk_period,mse_value\n[0:9],reference,1\n", "only chunks of the reference period"),
    ],
)
def test_other_files_than_nannymls_are_refused(name: str, content: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(CommandError, match=sentence):
        nannyml.read(tmp_path / name, BIKE)
