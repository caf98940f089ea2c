"""`try`: a manifest is played once on this machine, by the real trainer and the real rules."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from kubectl_perennial.__main__ import main
from kubectl_perennial.simulation.trying import request
from kubectl_perennial.simulation.trying.remedies import FIELDS
from kubectl_perennial.simulation.trying.source import local_uri
from perennial_operator.core.api.model_deployment import ModelDeploymentSpec
from tests.builders import merged
from tests.plugin import first_files
from tests.plugin.golden import compare
from tests.stage import ROOT

RENTS: dict[str, Any] = {
    "apiVersion": "perennial.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "rents"},
    "spec": {
        "model": {
            "estimator": "sklearn.linear_model.Ridge",
            "features": {"numeric": ["Fläche", "Alter"], "categorical": ["Ort"]},
            "target": "Miete",
        },
        "data": {
            "training": {"uri": "s3://homes/*.csv"},
            "timeColumn": "Datum",
            "timeFormat": "%d.%m.%Y",
        },
        "drift": {
            "check": {"schedule": "0 3 * * *", "data": {"uri": "s3://homes/*.csv"}, "window": 100},
            "thresholds": [{"metric": "mse", "maxIncrease": 0.05, "sigmas": 3}],
            "minSamples": 50,
        },
        "validation": {"thresholds": [{"metric": "r2", "min": 0.5}]},
        "storage": {"uri": "s3://models"},
    },
}


@pytest.fixture(scope="module")
def rents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return first_files.rents(tmp_path_factory.mktemp("rents"))


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["kubectl-perennial", *words])
    monkeypatch.setenv("KUBECONFIG", "/does/not/exist")
    return main()


def write(folder: Path, changes: Mapping[str, Any] = {}) -> str:
    path = folder / "model.yaml"
    body = {**RENTS, "spec": merged(RENTS["spec"], changes)}
    path.write_text(yaml.safe_dump(body))
    return str(path)


def test_trial_shows_each_step_and_the_manifest(
    rents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "trial"
    assert run(monkeypatch, "try", write(tmp_path), str(rents), "--folder", str(folder)) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    compare("try", shown.out, FOLDER=folder)
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text())
    csv = {"separator": ";", "decimal": ",", "encoding": "cp1252"}
    assert manifest["spec"] == merged(RENTS["spec"], {"data": {"csv": csv}})
    assert "prefers-color-scheme" in (folder / "default/rents/rents-v1/validation.html").read_text()


def bad_cells(rents: Path, folder: Path) -> None:
    """A feature of words, an empty feature, and times that are none."""
    table = pd.read_csv(rents, sep=";", decimal=",", encoding="cp1252")
    table = table.assign(Alter="new", Ort=None, Datum="soon")
    table.to_csv(folder / "bad.csv", index=False)


def test_all_problems_are_shown_at_once_with_fields(
    rents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad_cells(rents, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "try", write(tmp_path), "bad.csv") == 1
    shown = capsys.readouterr()
    assert shown.err == "error: rents would not go live: fix what is named above, and try again\n"
    compare("try-problems", shown.out)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "rows.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


HEAD = "Datum;Fläche;Alter;Ort;Miete\n"
ROW = "01.02.2023;80,5;3;Bonn;900,5\n"
HOSTILE = "\x1b[31mowned\x07\x9b2J"


@pytest.mark.parametrize(
    ("content", "reason", "field"),
    [
        (HEAD.replace(";Miete", "") + "01.02.2023;80,5;3;Bonn\n" * 300, "MissingColumn", "model.target"),
        ("", "EmptyData", "data.training"),
        (HEAD, "EmptyData", "data.training"),
        (HEAD + ROW, "TooFewRows", "data.minRows"),
        (
            HEAD + "".join(f"{n + 1:02}.02.2023;80,{n};{n};Bonn;90{n},5\n" for n in range(10)),
            "TooFewRows",
            "data.minRows",
        ),
        (
            HEAD + "".join(f"{n % 28 + 1:02}.02.2023;8{n};{n};Bonn;9\n" for n in range(300)),
            "ConstantTarget",
            "model.target",
        ),
        (np.random.default_rng(0).bytes(5000), "UnreadableFile", "data.csv"),
        (HEAD + ROW.replace(";3;", f";{HOSTILE};") * 300, "NonNumericFeature", "model.features.categorical"),
        ((HEAD + ROW * 300).replace(";", "#"), "MissingColumn", "data.csv.separator"),
    ],
    ids=[
        "no target",
        "empty",
        "header",
        "one row",
        "ten rows",
        "constant",
        "binary",
        "control characters",
        "separator",
    ],
)
def test_bad_file_is_refused_with_the_field(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str | bytes,
    reason: str,
    field: str,
) -> None:
    assert run(monkeypatch, "try", write(tmp_path), str(written(tmp_path, content)), "-o", "json") == 1
    shown = capsys.readouterr().out
    assert {"reason": reason, "field": field}.items() <= json.loads(shown)["problems"][0].items()
    assert '"0 rows"' not in shown  # of a file that may have many
    assert all(line.isprintable() for line in shown.split("\n"))


def test_what_workers_cannot_fit_is_refused_without_them(
    rents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exact = {"estimator": "xgboost.XGBRegressor", "parameters": {"tree_method": "exact"}}
    manifest = write(tmp_path, {"model": exact, "training": {"engine": {"dask": {"workers": 2}}}})
    assert run(monkeypatch, "try", manifest, str(rents), "-o", "json") == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["field"], problem["reason"]) == ("model.parameters", "InvalidParameter")


def test_model_that_fails_the_gate_would_not_go_live(
    rents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write(tmp_path, {"validation": {"thresholds": [{"metric": "r2", "min": 0.999}]}})
    assert run(monkeypatch, "try", manifest, str(rents), "-o", "json") == 1
    steps = {each["step"]: each for each in json.loads(capsys.readouterr().out)["steps"]}
    assert list(steps) == ["read", "train", "validate"] and not steps["validate"]["done"]
    assert "below min 0.999" in steps["validate"]["message"]


def test_model_that_refuses_the_request_is_an_error(
    rents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(request, "request_body", lambda *_: {"inputs": []})
    assert run(monkeypatch, "try", write(tmp_path), str(rents)) == 1
    shown = capsys.readouterr()
    assert "rents would go live, but refuse requests" in shown.out and "answered a request with status 400" in shown.out
    assert shown.err == "error: rents would refuse requests such as the one above: the answer says why\n"


@pytest.mark.parametrize(("mode", "named"), [("Train", False), ("Report", True)])
def test_drift_mode_is_named_if_the_manifest_has_it(
    mode: str,
    named: bool,
    rents: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Drift is only reported while a manifest is tried, which is not what its author wrote."""
    manifest = write(tmp_path, {"drift": {"mode": mode, "thresholds": [{"metric": "mse", "max": 0.1}]}})
    assert run(monkeypatch, "try", manifest, str(rents), "-o", "json") == 0
    (check,) = [each for each in json.loads(capsys.readouterr().out)["steps"] if each["step"] == "check"]
    assert "it would have started the training of rents-v2" in check["message"]
    assert ("drift.mode" in check["message"]) == named


@pytest.mark.parametrize(
    ("terminal", "words", "pages"), [(True, [], 1), (True, ["--no-open"], 0), (False, [], 0)], ids=str
)
def test_page_opens_only_on_a_terminal(
    rents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool, words: list[str], pages: int
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert run(monkeypatch, "try", write(tmp_path, {"drift": None}), str(rents), *words) == 0
    assert [page.rpartition("/")[2] for page in opened] == ["validation.html"] * pages


def test_positive_class_and_time_notation_are_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=400)
    at = 1_700_000_000 + 3600 * np.arange(400)
    table = pd.DataFrame({"at": at, "x": x, "y": np.where(x + random.normal(size=400) > 1, "fraud", "fine")})
    table.to_csv(tmp_path / "rows.csv", index=False)
    model = {
        "estimator": "sklearn.linear_model.LogisticRegression",
        "task": "classification",
        "features": {"numeric": ["x"], "categorical": []},
        "target": "y",
    }
    thresholds = [{"metric": "recall", "min": 0.1}]
    changes = {
        "model": model,
        "data": {"timeColumn": "at", "timeFormat": None},
        "drift": None,
        "validation": {"thresholds": thresholds},
    }
    assert run(monkeypatch, "try", write(tmp_path, changes), str(tmp_path / "rows.csv"), "-o", "json") == 0
    fields = json.loads(capsys.readouterr().out)
    spec = yaml.safe_load(fields["manifest"])["spec"]
    assert (spec["model"]["positiveClass"], spec["data"]["timeFormat"]) == ("fraud", "epoch-s")
    assert [each["message"] for each in fields["steps"] if each["step"] == "check"] == [
        "nothing is checked: drift.check is not set"
    ]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nowhere.csv"], 1, "nowhere.csv does not exist: correct the name"),
        ([], 2, "file:///data/rents.csv is a path inside the pods"),
        (["{rows}", "--folder", "{here}"], 1, "is not empty: give another folder by --folder"),
    ],
)
def test_missing_rows_are_an_error_in_one_sentence(
    rents: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    manifest = write(tmp_path, {"data": {"training": {"uri": "file:///data/rents.csv"}}})
    given = [each.format(rows=rents, here=tmp_path) for each in words]
    assert run(monkeypatch, "try", manifest, *given) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_file_without_permission_is_an_error(rents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read every file
    with pytest.raises(Exception, match=r"mieten\.csv cannot be read: Permission denied"):
        local_uri(str(rents))


def test_every_reason_about_the_data_has_a_field() -> None:
    trainer = ROOT / "trainer" / "perennial_trainer"
    folders = ("data", "profiling", "training", "models", "metrics")
    paths = [path for folder in folders for path in sorted((trainer / folder).rglob("*.py"))]
    code = "".join(path.read_text() for path in (*paths, trainer / "artifacts" / "adopted.py"))
    reasons = set(re.findall(r'(?:RejectedTask|problems\.add|Unusable)\([^"]{0,80}"([A-Z]\w+)"', code))
    elsewhere = {
        "CaptureKeyMissing",
        "FilesUnchanged",
        "FolderTaken",
        "InvalidTask",
        "NoNewRows",
    }  # not of a first version on a laptop
    stored = {"LibraryMismatch", "UnreadableArtifact", "UntrustedArtifact", "UnreadableProfile", "ProfileMismatch"}
    assert len(reasons) > 25 and reasons - elsewhere - stored <= FIELDS.keys()


@pytest.mark.parametrize("field", sorted({*FIELDS.values()}))
def test_fields_are_those_of_the_api(field: str) -> None:
    kind: Any = ModelDeploymentSpec
    for part in field.split("."):
        names = {each.alias or name: each.annotation for name, each in kind.model_fields.items()}
        assert part in names
        kind = next(
            (each for each in (names[part], *getattr(names[part], "__args__", ())) if hasattr(each, "model_fields")),
            None,
        )
