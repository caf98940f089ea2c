"""`backtest --in-cluster` prints a Job, and `--result` shows what that has logged."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_perennial.__main__ import main
from tests.manifests.pod_security import violations
from tests.plugin.test_backtest import MANIFEST, command, exit_code, folder

__all__ = ["folder"]
SECRET = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {AWS_SECRET_ACCESS_KEY: hush}\n"


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    monkeypatch.setattr(sys, "argv", ["kubectl-perennial", "backtest", *words])
    assert main() == 0
    return capsys.readouterr().out


def a_file(folder: Path, training: dict[str, Any]) -> str:
    spec = {**MANIFEST["spec"], "data": {**MANIFEST["spec"]["data"], "training": training}}
    spec["training"] = {"pod": {"resources": {"limits": {"cpu": "2"}}, "nodeSelector": {"pool": "cheap"}}}
    (folder / "tide.yaml").write_text(yaml.safe_dump({**MANIFEST, "spec": spec}) + SECRET)
    return str(folder / "tide.yaml")


@pytest.mark.parametrize(
    ("training", "address"),
    [
        ({"uri": "s3://tides/*.csv", "secretRef": {"name": "keys"}}, "s3://tides/*.csv"),
        (
            {"persistentVolumeClaim": {"claimName": "tides", "path": "*.csv"}},
            "file:///mnt/perennial/tides/*.csv",
        ),
    ],
)
def test_job_may_read_the_rows_and_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    training: dict[str, Any],
    address: str,
) -> None:
    words = (a_file(tmp_path, training), "--every", "7d", "--set", "drift.cooldown=1d", "--suggest", "--in-cluster")
    words += ("--service-account", "reader", "--image", "registry.example/backtest:1")
    text = printed(monkeypatch, capsys, *words)
    files, job = yaml.safe_load_all(text)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert violations(job) == [] and pod["automountServiceAccountToken"] is False
    assert pod["nodeSelector"] == {"pool": "cheap"} and container["resources"] == {"limits": {"cpu": "2"}}
    assert (pod["serviceAccountName"], container["image"]) == ("reader", "registry.example/backtest:1")
    assert container["args"][1:3] == ["--data", address]
    options = ["--every", "7d", "--set", "drift.cooldown=1d", "--suggest", "-o", "json", "--html", "-"]
    assert container["args"][3:] == options
    assert [source["secretRef"]["name"] for source in container.get("envFrom", ())] == ["keys"] * ("uri" in training)
    claims = [mount for mount in container["volumeMounts"] if mount["name"].startswith("claim")]
    assert all(mount["readOnly"] for mount in claims) and len(claims) == 1 - ("uri" in training)
    assert "hush" not in text and yaml.safe_load(files["data"]["1-tide.yaml"])["kind"] == "ModelDeployment"


def test_log_of_a_job_is_shown_as_the_backtest_itself(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*command(folder, "--every", "50", "--no-shuffle")[1:]]
    table = printed(monkeypatch, capsys, *words)
    log = printed(monkeypatch, capsys, *words, "-o", "json", "--html", "-")
    (tmp_path / "job.log").write_text(f"a warning {{of a library}}\n{log}")
    page = tmp_path / "page.html"
    assert printed(monkeypatch, capsys, "--result", str(tmp_path / "job.log"), "--html", str(page)) == table
    assert page.read_text() == json.loads(log)["page"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--result", "job.log"], "job.log is not the log of a backtest that has ended; it ends with: error: no rows"),
        (["--every", "7d"], "name a file with a ModelDeployment"),
        (["tide.yaml", "--every", "7d"], "give --data: files with labelled rows"),
        (["tide.yaml", "--every", "7d", "--html", "-"], "give -o json, too"),
    ],
)
def test_wrong_usage_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    a_file(tmp_path, {"uri": "s3://tides/*.csv"})
    (tmp_path / "job.log").write_text("error: no rows\n")
    assert exit_code(monkeypatch, ["backtest", *words]) in (1, 2)
    assert message in capsys.readouterr().err
