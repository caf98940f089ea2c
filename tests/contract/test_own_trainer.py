"""A trainer that shares no line with ours, run by the real operator: what docs/own-trainer.md promises is enough."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_tasks_of_the_operator import HERE, RESULT, TASK
from tests.e2e.models import a_claim, a_model, a_report, a_table, rows
from tests.stage import OWN_TRAINER, Stage

CUSTOM = {
    "model": {"framework": "custom", "estimator": "mean"},
    "training": {"pod": {"image": OWN_TRAINER}},
    "serving": {"replicas": 1},
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("own"), cluster="local") as stage:
        yield stage


def targets(value: float, seed: int) -> str:
    """csv whose target lies around the value."""
    header, *lines = rows(seed, slope=0.1).splitlines()
    moved = (f"{front},{value + float(last):.4f}" for front, _, last in (line.rpartition(",") for line in lines))
    return "\n".join((header, *moved)) + "\n"


def conversations(stage: Stage, role: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The task and the answer of each Job's pod in that role; by the version."""
    pairs = []
    for pod in stage.kubectl.list("Pod", f"perennial.dev/role={role}"):
        (container,) = pod["spec"]["containers"]
        task = next(variable["value"] for variable in container["env"] if variable["name"] == "PERENNIAL_TASK")
        answer = pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
        pairs.append((json.loads(task), json.loads(answer)))
    return sorted(pairs, key=lambda both: str(both[0]["version"]))


def test_an_own_trainer_needs_only_the_contract(stage: Stage) -> None:
    stage.apply(a_table("own-data", {"0.csv": targets(10, 0)}), a_claim("own-models"), a_model("own", CUSTOM))
    assert stage.until_phase("own-v1", "Live", "Failed", "Rejected")["phase"] == "Live"
    assert stage.predict("own", {"feature1": [1.0, 2.0]}) == pytest.approx([10, 10], abs=0.3)

    both = {"0.csv": targets(10, 0), "1.csv": targets(30, 1)}
    stage.apply(a_table("own-data", both), a_report("own-drifts", "own"))
    live = stage.until_phase("own-v2", "Live", "Failed", "Rejected")
    assert live["phase"] == "Live", live["message"]
    assert live["metrics"]["candidate"]["mse"] < live["metrics"]["live"]["mse"]
    stage.wait("only the second version serves", lambda: stage.serves_alone("own-v2"))
    assert stage.predict("own", {"feature1": [1.0]}) == pytest.approx([20], abs=0.5)

    for role in ("training", "validation"):
        pairs = conversations(stage, role)
        assert len(pairs) == 2
        for task, answer in pairs:
            TASK.validate(task)
            RESULT.validate(answer)


def test_a_refusal_of_an_own_trainer_is_reported_and_final(stage: Stage) -> None:
    few = {**CUSTOM, "data": {"minRows": 5000}, "training": {**CUSTOM["training"], "retries": 2}}
    stage.apply(a_table("few-data", {"0.csv": targets(10, 0)}), a_claim("few-models"), a_model("few", few))
    status = stage.until_phase("few-v1", "Failed", "Live")
    assert (status["reason"], "400 rows, data.minRows is 5000" in status["message"]) == ("TooFewRows", True)
    assert len(stage.kubectl.list("Pod", "batch.kubernetes.io/job-name=few-v1-train")) == 1


def test_a_check_is_answered_by_the_contract_too(tmp_path: Path) -> None:
    (tmp_path / "recent.csv").write_text(targets(10, 0))
    (tmp_path / "model.json").write_text('{"mean": 9}')
    model = {"framework": "custom", "format": "joblib", "estimator": "mean", "parameters": {}, "task": "regression"}
    task = {
        "task": "check",
        "namespace": "n",
        "modelDeployment": "own",
        "version": "own-v1",
        "model": model | {"features": {"numeric": ["feature1"], "categorical": []}, "target": "target"},
        "live": {"name": "own-v1", "uri": f"file://{tmp_path}/model.json", "sha256": "0" * 64},
        "data": {"uri": f"file://{tmp_path}/*.csv", "window": "all"},
        "storage": f"file://{tmp_path}/check",
    }
    TASK.validate(task)
    code, answer = run(task, tmp_path)
    RESULT.validate(answer)
    assert (code, answer["reason"]) == (3, "DigestMismatch")

    live = {"name": "own-v1", "uri": f"file://{tmp_path}/model.json", "sha256": sha256(b'{"mean": 9}').hexdigest()}
    code, answer = run(task | {"live": live}, tmp_path)
    RESULT.validate(answer)
    assert (code, answer["samples"], answer["metrics"][0]["name"]) == (0, 400, "mse")


def run(task: dict[str, Any], directory: Path) -> tuple[int, dict[str, Any]]:
    """The exit code and the answer of the trainer as a process."""
    result = directory / "result"
    environment = {"PATH": os.environ["PATH"], "PERENNIAL_TASK": json.dumps(task), "PERENNIAL_RESULT": str(result)}
    code = subprocess.run([sys.executable, HERE / "own_trainer.py"], env=environment, check=False).returncode
    return code, json.loads(result.read_text())


def test_the_own_trainer_is_plain_python() -> None:
    tree = ast.parse((HERE / "own_trainer.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {name.split(".")[0] for node in imports for name in _named(node)}
    assert modules
    assert modules <= sys.stdlib_module_names


def _named(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
