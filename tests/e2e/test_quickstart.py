"""Whoever has a file is live at the first try: the commands of docs/quickstart.md, on four files."""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.models import a_table
from tests.plugin import first_files
from tests.plugin.terminal import run_here
from tests.stage import ROOT, Stage


class File(NamedTuple):
    write: Callable[[Path], Path]
    target: str


FILES = {
    "diabetes": File(first_files.diabetes, "progression"),
    "cancer": File(first_files.cancer, "diagnosis"),
    "mieten": File(first_files.rents, "Miete"),
    "prices": File(first_files.prices, "price"),
}


def commands(name: str, target: str) -> list[list[str]]:
    """The commands of the page, for this file instead of diabetes.csv."""
    page = (ROOT / "docs" / "quickstart.md").read_text()
    block = re.search(r"```sh\n(.*?)```", page, re.S)
    assert block
    text = block[1].replace("progression", target).replace("diabetes", name).replace("trial", f"{name}-trial")
    return [shlex.split(line) for line in text.replace("model.yaml", f"{name}.yaml").splitlines()]


def run(stage: Stage, words: list[str]) -> None:
    """One line of the page, as its shell and kubectl would run it."""
    match words:
        case ["pip", *_]:
            pass
        case ["kubectl", "perennial", *rest]:
            out = rest[rest.index(">") + 1] if ">" in rest else None
            result = run_here(["kubectl-perennial", *(rest[: rest.index(">")] if out else rest)], {}, "")
            assert (result.code, result.err) == (0, "")
            if out:
                Path(out).write_text(result.out)
        case ["kubectl", "create", "configmap", name, option]:
            path = Path(option.removeprefix("--from-file="))
            stage.apply(config_map(name, path))
        case ["kubectl", "apply", "-f", file]:
            stage.kubectl.apply(Path(file))
        case ["kubectl", "wait", "--for=condition=Ready", model, _]:
            name = model.removeprefix("mdep/")
            stage.wait(f"{name} is Ready", lambda: stage.condition(name, "Ready").get("status") == "True", 90)
        case _:
            raise AssertionError(f"the page has a command that this test does not know: {words}")


def config_map(name: str, path: Path) -> dict[str, Any]:
    """As kubectl makes it: what is not UTF-8 is binary."""
    try:
        return a_table(name, {path.name: path.read_text(encoding="utf-8")})
    except UnicodeDecodeError:
        return {**a_table(name, {}), "binaryData": {path.name: base64.b64encode(path.read_bytes()).decode()}}


def test_the_page_makes_the_file_of_its_example(tmp_path: Path) -> None:
    (command,) = re.findall(r"^python -c .*$", (ROOT / "docs" / "quickstart.md").read_text(), re.M)
    subprocess.run([sys.executable, *shlex.split(command)[1:]], cwd=tmp_path, check=True)
    (tmp_path / "ours").mkdir()
    assert (tmp_path / "diabetes.csv").read_text() == first_files.diabetes(tmp_path / "ours").read_text()


def test_four_files_are_live_at_the_first_try(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    todo = {name: commands(name, file.target) for name, file in FILES.items()}
    for file in FILES.values():
        file.write(Path())
    for lines in zip(*todo.values(), strict=True):  # all are applied before one is waited for
        for words in lines:
            run(stage, words)
    for name in FILES:
        trial, version = tmp_path / f"{name}-trial", stage.version(f"{name}-v1")
        assert version["phase"] == "Live"
        assert rounded(version["metrics"]["candidate"]) == rounded(metrics_of(trial / "default" / name / f"{name}-v1"))
    assert len(stage.kubectl.list("ModelVersion")) == len(FILES)  # no second try
    with_classes = json.loads((tmp_path / "cancer-trial/answer.json").read_text())
    assert [each["name"] for each in with_classes["outputs"]] == ["predict", "predict_proba"]
    request, answer = (
        json.loads((tmp_path / f"diabetes-trial/{name}.json").read_text()) for name in ("request", "answer")
    )
    served = stage.predict("diabetes", {each["name"]: each["data"] for each in request["inputs"]})
    assert served == pytest.approx(answer["outputs"][0]["data"])


def metrics_of(version: Path) -> dict[str, float]:
    """What the trial measured."""
    metrics: dict[str, Any] = json.loads((version / "metrics.json").read_text())["metrics"]
    return {name: each["value"] for name, each in metrics.items()}


def rounded(metrics: dict[str, float]) -> dict[str, str]:
    return {name: f"{value:.6g}" for name, value in metrics.items()}  # threads change the last bits
