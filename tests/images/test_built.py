"""The built images do their work as any user, with nothing to write to and no rights. `make images` builds them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from perennial_operator import __version__
from tests.images.containers import USER, built, run
from tests.plugin.test_backtest import MANIFEST, a_stream

TOOL, REGISTRY = os.environ.get("TOOL", ""), os.environ.get("REGISTRY", "")
OPERATOR, TRAINER, KERAS, BACKTEST = (
    f"{REGISTRY}/perennial-{part}:{__version__}".lstrip("/")
    for part in ("operator", "trainer", "trainer-keras", "backtest")
)
MEANT = {"task": "regression", "features": {"numeric": ["a", "b"], "categorical": []}, "target": "y"}
RIDGE = {"framework": "sklearn", "format": "joblib", "estimator": "sklearn.linear_model.Ridge", "parameters": {}}
TREES = RIDGE | {"estimator": "lightgbm.LGBMRegressor"}
"""Their library needs OpenMP's, which a slim base does not have."""
NETWORK = {"framework": "keras", "format": "joblib", "estimator": "keras.Sequential"}
NETWORK |= {"parameters": {"layers": [{"class": "Dense", "units": 8}], "epochs": 30, "learning_rate": 0.01}}

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


SERVED = """
import json, os, subprocess, sys, time, urllib.error, urllib.request
os.environ["PERENNIAL_RESULT"] = "/tmp/result"
server = subprocess.Popen([sys.executable, "-m", "perennial_trainer"], stdout=sys.stderr)
inputs = [{"name": name, "shape": [2], "datatype": "FP64", "data": data} for name, data in (("a", [1.0, 0.0]), ("b", [0.0, 1.0]))]
body = json.dumps({"inputs": inputs}).encode()
asked = urllib.request.Request("http://127.0.0.1:8080/v2/models/line/infer", body, {"Content-Type": "application/json"})
while server.poll() is None:
    try:
        print(urllib.request.urlopen(asked).read().decode())
        break
    except (urllib.error.URLError, ConnectionError):  # it has not begun to listen
        time.sleep(0.1)
server.terminate()
sys.exit(server.wait())
"""


def table(directory: Path) -> None:
    """300 rows of y = 3 a - b."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 300))
    rows = "\n".join(
        f"{x:.4f},{z:.4f},{3 * x - z + e:.4f}" for x, z, e in zip(a, b, random.normal(0, 0.1, 300), strict=True)
    )
    (directory / "rows.csv").write_text(f"a,b,y\n{rows}\n")


def trained(
    directory: Path, image: str = TRAINER, model: dict[str, object] = RIDGE
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """A training in a container on the rows in `directory`, and its answer."""
    task = {
        "task": "train",
        "namespace": "default",
        "modelDeployment": "line",
        "version": "line-v1",
        "model": model | MEANT,
        "data": {
            "uri": "file:///data/*.csv",
            "window": "all",
            "holdout": 0.2,
            "cleaning": {"missing": "drop", "duplicates": "drop", "outliers": "keep"},
            "minRows": 100,
            "maxMissing": 0.2,
        },
        "storage": "file:///data/models",
    }
    environment = {"PERENNIAL_TASK": json.dumps(task), "PERENNIAL_RESULT": "/data/result.json"}
    done = run(TOOL, image, environment=environment, volumes={"/data": directory})
    return done, json.loads((directory / "result.json").read_text())


def test_the_trainer_runs_as_any_user_on_a_read_only_root(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    table(tmp_path)
    done, answer = trained(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert answer["outcome"] == "Succeeded"
    (model,) = tmp_path.rglob("model.joblib")
    assert model.stat().st_uid == USER


@pytest.mark.parametrize(
    ("image", "model"),
    [(TRAINER, RIDGE), (TRAINER, TREES), (KERAS, NETWORK)],
    ids=["sklearn", "lightgbm", "keras"],
)
def test_what_an_image_has_trained_it_serves(tmp_path: Path, image: str, model: dict[str, object]) -> None:
    if image == KERAS and not built(TOOL, image):
        pytest.skip("this image is built by `make image-keras`")
    tmp_path.chmod(0o777)
    table(tmp_path)
    done, answer = trained(tmp_path, image, model)
    assert done.returncode == 0, done.stdout + done.stderr
    about = {"namespace": "default", "modelDeployment": "line", "version": "line-v1", "model": model | MEANT}
    artifact = {"name": "line-v1"} | {name: answer["artifact"][name] for name in ("uri", "sha256", "metadataSha256")}
    task = json.dumps({"task": "serve", **about, "artifact": artifact, "port": 8080})
    asked = run(TOOL, image, ["python", "-c", SERVED], {"PERENNIAL_TASK": task}, {"/data": tmp_path})
    assert asked.returncode == 0, asked.stderr
    assert "the pipeline of line-v1 answers" not in asked.stderr  # the libraries of compiled models are there, too
    (output,) = json.loads(asked.stdout)["outputs"]
    assert output["data"] == pytest.approx([3, -1], abs=0.6)


def test_the_trainer_refuses_bad_rows_in_its_container_too(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    done, answer = trained(tmp_path)
    assert done.returncode == 3
    assert (answer["outcome"], answer["reason"]) == ("Refused", "MissingColumn")


def test_backtest_runs_as_any_user_on_a_read_only_root(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    a_stream().to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "tide.yaml").write_text(yaml.safe_dump(MANIFEST))
    words = ["/data/tide.yaml", "--data", "/data/rows.parquet", "--every", "50", "--first", "4", "-o", "json"]
    done = run(TOOL, BACKTEST, ["python", "-m", "kubectl_perennial", "backtest", *words], volumes={"/data": tmp_path})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["policies"][0]["trainings"] > 0


def test_the_operator_starts_and_tells_what_it_cannot_use() -> None:
    done = run(TOOL, OPERATOR, environment={"PERENNIAL_WORKERS": "none"})
    assert done.returncode == 2
    assert done.stderr.strip() == "PERENNIAL_WORKERS is 'none'; give a whole number from 1 to 1000"


def test_operator_starts_and_fails_without_a_cluster() -> None:
    done = run(TOOL, OPERATOR, ["python", "-c", START])
    assert "kubernetes.aio.config.config_exception.ConfigException" in done.stdout, done.stdout


OWN = {
    OPERATOR: ["kopf", "kubernetes", "perennial_operator"],
    TRAINER: ["sklearn", "perennial_trainer"],
    BACKTEST: ["sklearn", "kubernetes", "perennial_operator", "perennial_trainer"],
}


@pytest.mark.parametrize("image", OWN)
def test_an_image_holds_what_runs_and_nothing_that_installs(image: str) -> None:
    places = [
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
    done = run(TOOL, image, ["python", "-c", LOOK, *places])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "uid": USER,
        "writable": False,
        "capabilities": 0,
        "may_gain": False,
        "modules": OWN[image],
        "uncompiled": [],
        "ours": [],
    }
