"""The built images do their work as any user, with nothing to write to and no rights. `make images` builds them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from perennial_operator import __version__
from tests.images.containers import USER, run

TOOL, REGISTRY = os.environ.get("TOOL", ""), os.environ.get("REGISTRY", "")
OPERATOR, TRAINER = (f"{REGISTRY}/perennial-{part}:{__version__}".lstrip("/") for part in ("operator", "trainer"))

pytestmark = pytest.mark.skipif(not TOOL, reason="images are built and tried by `make images`, which sets TOOL")

LOOK = """
import importlib.util, json, os, pathlib, sys
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
try:
    pathlib.Path("/written").touch()
    writable = True
except OSError:
    writable = False
print(json.dumps({
    "uid": os.getuid(),
    "writable": writable,
    "capabilities": int(status["CapEff"], 16),
    "may_gain": status["NoNewPrivs"] == "0",
    "modules": [name for name in sys.argv[1:] if importlib.util.find_spec(name)],
    "uncompiled": [str(p) for p in pathlib.Path("/app").rglob("*.py") if not list(p.parent.glob(f"__pycache__/{p.stem}.*.pyc"))],
    "ours": [str(p) for top in ("/app", "/opt/venv") for p in pathlib.Path(top).rglob("*") if p.lstat().st_uid],
}))
"""

START = """
import subprocess, sys
operator = subprocess.Popen([sys.executable, "-m", "perennial_operator"], stderr=subprocess.PIPE, text=True)
for line in operator.stderr:
    print(line, end="")
    if "Invalid kube-config" in line:  # it goes on looking
        operator.kill()
"""


def table(directory: Path) -> None:
    """300 rows of y = 3 a - b."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 300))
    rows = "\n".join(
        f"{x:.4f},{z:.4f},{3 * x - z + e:.4f}" for x, z, e in zip(a, b, random.normal(0, 0.1, 300), strict=True)
    )
    (directory / "rows.csv").write_text(f"a,b,y\n{rows}\n")


def trained(directory: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, object]]:
    """A training in a container on the rows in `directory`, and its answer."""
    task = {
        "task": "train",
        "namespace": "default",
        "modelDeployment": "line",
        "version": "line-v1",
        "model": {
            "framework": "sklearn",
            "format": "joblib",
            "estimator": "sklearn.linear_model.Ridge",
            "parameters": {},
            "task": "regression",
            "features": {"numeric": ["a", "b"], "categorical": []},
            "target": "y",
        },
        "data": {
            "uri": "file:///work/*.csv",
            "window": "all",
            "holdout": 0.2,
            "cleaning": {"missing": "drop", "duplicates": "drop", "outliers": "keep"},
            "minRows": 100,
            "maxMissing": 0.2,
        },
        "storage": "file:///work/models",
    }
    environment = {"PERENNIAL_TASK": json.dumps(task), "PERENNIAL_RESULT": "/work/result.json"}
    done = run(TOOL, TRAINER, environment=environment, volumes={"/work": directory})
    return done, json.loads((directory / "result.json").read_text())


def test_the_trainer_trains_as_a_user_the_image_does_not_know_on_a_root_it_cannot_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    table(tmp_path)
    done, answer = trained(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert answer["outcome"] == "Succeeded"
    (model,) = tmp_path.rglob("model.joblib")
    assert model.stat().st_uid == USER


def test_the_trainer_refuses_bad_rows_in_its_container_too(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    done, answer = trained(tmp_path)
    assert done.returncode == 3
    assert (answer["outcome"], answer["reason"]) == ("Refused", "MissingColumn")


def test_the_operator_starts_and_tells_what_it_cannot_use() -> None:
    done = run(TOOL, OPERATOR, environment={"PERENNIAL_WORKERS": "none"})
    assert done.returncode == 2
    assert done.stderr.strip() == "PERENNIAL_WORKERS is 'none'; give a whole number from 1 to 1000"


def test_the_operator_runs_until_it_finds_that_there_is_no_cluster() -> None:
    done = run(TOOL, OPERATOR, ["python", "-c", START])
    assert "kubernetes.aio.config.config_exception.ConfigException" in done.stdout, done.stdout


@pytest.mark.parametrize("image", [OPERATOR, TRAINER])
def test_an_image_holds_what_runs_and_nothing_that_installs(image: str) -> None:
    looked = [
        "pip",
        "ensurepip",
        "setuptools",
        "wheel",
        "sklearn",
        "kopf",
        "kubernetes",
        "perennial_operator",
        "perennial_trainer",
    ]
    done = run(TOOL, image, ["python", "-c", LOOK, *looked])
    assert done.returncode == 0, done.stderr
    own = ["kopf", "kubernetes", "perennial_operator"] if image == OPERATOR else ["sklearn", "perennial_trainer"]
    assert json.loads(done.stdout) == {
        "uid": USER,
        "writable": False,
        "capabilities": 0,
        "may_gain": False,
        "modules": own,
        "uncompiled": [],
        "ours": [],
    }
