"""`check` writes a DriftReport from files of other tools or of rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.plugin import tool_files
from tests.plugin.terminal import Terminal
from tests.plugin.tool_files import drift

ROWS = ("RowCount", {}, 400.0)


def written(folder: Path, *metrics: Any) -> str:
    path = folder / "drift.json"
    path.write_text(json.dumps(tool_files.evidently(*metrics)))
    return str(path)


def rows(path: Path, shift: float, count: int = 400) -> str:
    random = np.random.default_rng(0)
    lines = [
        f"{a:.4f},{b:.4f}" for a, b in zip(random.normal(shift, 1, count), random.normal(0, 1, count), strict=True)
    ]
    path.write_text("\n".join(["feature1,feature2", *lines]) + "\n")
    return str(path)


def only_report(terminal: Terminal) -> dict[str, Any]:
    (report,) = terminal.kubectl.list("DriftReport")
    return report


@pytest.fixture
def bike(terminal: Terminal) -> Terminal:
    terminal.put_model()
    terminal.put_version("bike-v1")
    return terminal


def test_report_of_evidently_becomes_one_drift_report(bike: Terminal, tmp_path: Path) -> None:
    file = written(tmp_path, ROWS, drift("feature1", "psi", 0.4))
    result = bike.output("check", "bike", "--evidently", file)
    report = only_report(bike)
    assert result == (
        f"DriftReport {report['metadata']['name']} created; kubectl perennial status bike shows its outcome\n"
    )
    assert report["spec"] == {
        "modelDeployment": "bike",
        "samples": 400,
        "source": "evidently",
        "metrics": [{"name": "psi", "feature": "feature1", "value": 0.4}],
    }
    assert bike.output("check", "bike", "--evidently", file) == (
        f"DriftReport {report['metadata']['name']} exists already, with the same measurement\n"
    )
    only_report(bike)


def test_dry_run_prints_the_report_and_writes_nothing(bike: Terminal, tmp_path: Path) -> None:
    file = written(tmp_path, ROWS, drift("feature1", "psi", 0.4))
    manifest = yaml.safe_load(bike.output("check", "bike", "v1", "--evidently", file, "--dry-run"))
    assert bike.kubectl.list("DriftReport") == []
    assert manifest["spec"]["modelVersion"] == "bike-v1"
    bike.kubectl.apply(manifest)
    assert only_report(bike)["spec"] == manifest["spec"]


def test_options_add_what_the_file_does_not_have(bike: Terminal, tmp_path: Path) -> None:
    file = written(tmp_path, drift("answer", "psi", 0.4))
    result = ("--samples", "300", "--start", "2026-11-22", "--end", "2026-11-23T12:00:00+02:00", "--name", "mine")
    more = ("--source", "nightly", "--details", "https://example.com/page.html", "--prediction", "answer")
    bike.output("check", "bike", "--evidently", file, *result, *more)
    report = only_report(bike)
    assert report["metadata"]["name"] == "mine"
    assert report["spec"] == {
        "modelDeployment": "bike",
        "samples": 300,
        "source": "nightly",
        "window": {"start": "2026-11-22T00:00:00Z", "end": "2026-11-23T10:00:00Z"},
        "details": "https://example.com/page.html",
        "metrics": [{"name": "prediction_psi", "value": 0.4}],
    }


def test_newest_chunk_of_nannyml_becomes_a_drift_report(bike: Terminal, tmp_path: Path) -> None:
    file = tool_files.to_csv(tool_files.columns(), tmp_path / "drift.csv", index=True)
    result = bike.run("check", "bike", "--nannyml", str(file))
    assert "left out: wasserstein of feature1: it is in the feature's own units" in result.err
    assert "no threshold is about js, ks, target_ks: spec.drift.thresholds asks for psi" in result.err
    spec = only_report(bike)["spec"]
    assert (spec["samples"], spec["window"]["end"]) == (250, "2026-03-21T19:00:00Z")
    assert {"name": "ks", "feature": "feature1", "value": 0.43} in spec["metrics"]


def test_two_files_are_compared_by_the_trainers_code(bike: Terminal, tmp_path: Path) -> None:
    before, after = rows(tmp_path / "before.csv", 0), rows(tmp_path / "after.csv", 2)
    bike.output("check", "bike", "--reference", before, "--recent", after, "--newest", "300")
    spec = only_report(bike)["spec"]
    psi = {each.get("feature"): each["value"] for each in spec["metrics"] if each["name"] == "psi"}
    assert psi["feature1"] > 1 > 0.1 > psi["feature2"]
    assert (spec["samples"], spec["source"]) == (300, "kubectl perennial check")


def test_comparing_files_without_the_trainer_names_the_package(as_process: Terminal, tmp_path: Path) -> None:
    from tests.plugin.terminal import PATHS

    (tmp_path / "msgspec.py").write_text("raise ImportError('not installed', name='msgspec')\n")
    words = ("check", "bike", "--reference", "a.csv", "--recent", "b.csv")
    assert as_process.error(*words, PYTHONPATH=f"{tmp_path}:{PATHS}") == (
        "two files are compared by the trainer's code, which is not installed (msgspec is missing): "
        "pip install 'perennial[kubectl,trainer]'"
    )


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        ((), 2, "give one of --evidently FILE, --nannyml FILE, --reference FILE with --recent FILE, or --now"),
        (("--evidently", "a", "--nannyml", "b"), 2, "give one of"),
        (("--reference", "a"), 2, "give one of"),
        (("--evidently", "missing.json"), 1, "missing.json is not a file"),
        (("--nannyml", "missing.csv"), 1, "missing.csv is not a file"),
        (("--evidently", "{file}"), 1, "the file does not say how many rows were measured: give --samples"),
        (("--evidently", "{file}", "--samples", "9", "--start", "2026-11-22"), 2, "give both --start and --end"),
        (
            ("--evidently", "{file}", "--samples", "9", "--start", "2026-11-23", "--end", "2026-11-22"),
            2,
            "--start 2026-11-23 is after --end 2026-11-22; swap them",
        ),
        (
            ("--evidently", "{file}", "--samples", "9", "--start", "noon", "--end", "2026-11-22"),
            2,
            "--start noon is not a time; write it as 2026-11-22T00:00:00Z",
        ),
        (("--reference", "nowhere.csv", "--recent", "nowhere.csv"), 1, "NoFilesMatched: "),
        (("--reference", "{rows}", "--recent", "{rows}", "--newest", "soon"), 1, "--newest soon: "),
        (("--reference", "{rows}", "--recent", "{rows}", "--newest", "24h"), 1, "WindowNeedsTimeColumn: "),
    ],
)
def test_check_refuses_bad_input_and_writes_nothing(
    bike: Terminal, tmp_path: Path, options: tuple[str, ...], code: int, sentence: str
) -> None:
    names = {"file": written(tmp_path, drift("feature1", "psi", 0.4)), "rows": rows(tmp_path / "rows.csv", 0)}
    result = bike.error("check", "bike", *(option.format(**names) for option in options), code=code)
    assert result.startswith(sentence)
    assert bike.kubectl.list("DriftReport") == []


def test_report_without_any_known_metric_is_not_written(bike: Terminal, tmp_path: Path) -> None:
    result = bike.run("check", "bike", "--evidently", written(tmp_path, ROWS, drift("feature1", "mannw", 0.3)))
    assert result.code == 1
    assert result.err.splitlines() == [
        "left out: mannw of feature1: Perennial has no such metric",
        "error: nothing is left to report: Perennial knows no metric of the file",
    ]


def test_name_of_another_measurement_is_refused(bike: Terminal, tmp_path: Path) -> None:
    bike.put_report("mine")
    file = written(tmp_path, ROWS, drift("feature1", "psi", 0.4))
    assert "already exists" in bike.error("check", "bike", "--evidently", file, "--name", "mine")


def test_error_of_the_api_server_is_printed_as_it_is(bike: Terminal, tmp_path: Path) -> None:
    file = written(tmp_path, ROWS, drift("feature1", "psi", 0.4))
    assert "spec.source" in bike.error("check", "bike", "--evidently", file, "--source", "x" * 300)
