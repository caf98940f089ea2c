"""A server of a version that was compiled answers without scikit-learn, and by the pipeline if it cannot."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from perennial_trainer.artifacts.model_file import load_compiled
from perennial_trainer.compiled.columns import Encoder
from perennial_trainer.compiled.estimators import Linear
from perennial_trainer.compiled.model import CompiledModel, Member
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.contract.task import Version
from perennial_trainer.serve.answers.compiled import CompiledAnswers
from tests.serve.processes import MIXED, Server, compiled_version, fitted, running
from tests.serve.requests import ROWS, request, tensor

COMPILED = 'model_compiled{model="bike-demand",version="bike-demand-v1"}'
BOTH = [{"name": "predict"}, {"name": "predict_proba"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("compiled")
    with running(folder, compiled_version(folder)) as server:
        yield server


def test_its_answers_are_the_pipelines(server: Server) -> None:
    predict, probabilities = server.infer(request(ROWS, outputs=BOTH)).json()["outputs"]
    pipeline = fitted(MIXED, "classification", "busy")
    assert predict["data"] == pipeline.predict(ROWS).tolist()
    assert probabilities["data"] == pytest.approx(pipeline.predict_proba(ROWS).ravel().tolist(), rel=1e-12)
    assert server.metric(COMPILED) == 1


def test_neither_pandas_nor_scikit_learn_is_loaded(server: Server) -> None:
    for datatype, value in (("BYTES", None), ("FP64", 1.5)):
        inputs = [tensor("temp", [None]), tensor("hum", [0.5]), tensor("season", [value], datatype=datatype)]
        assert server.infer({"inputs": inputs}).status_code == 200
    libraries = Path(f"/proc/{server.pid}/maps").read_text()
    assert "numpy" in libraries
    assert not [name for name in ("pandas", "sklearn", "pyarrow", "scipy") if f"/{name}/" in libraries]


def test_without_the_library_of_its_trees_the_pipeline_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    artifact = compiled_version(tmp_path)["artifact"]
    version = Version(
        name="v1", uri=artifact["uri"], sha256=artifact["sha256"], metadata_sha256=artifact["metadataSha256"]
    )
    assert load_compiled(version)
    monkeypatch.setattr(CompiledModel, "load", Mock(side_effect=ImportError("no treelite")))
    assert load_compiled(version) is None


@pytest.mark.parametrize(
    ("estimator", "rows"),
    [
        (Linear(np.zeros(1), np.zeros((1, 2))), 256),
        (Linear(np.zeros(9_000), np.zeros((9_000, 2))), 1),
        (Linear(np.zeros(99_000), np.zeros((99_000, 2))), 0),
        (Mock(trees=5), 8),
        (Mock(trees=500), 1),
        (Mock(trees=5_000), 0),
    ],
)
def test_only_what_takes_a_millisecond_is_answered_at_once(estimator: Any, rows: int) -> None:
    two = np.zeros(2)
    encoder = Encoder(("temp", "hum"), two, two, two, (), (), ())
    model = CompiledModel((Member(encoder, estimator, "identity"),), (1.0,))
    assert CompiledAnswers(model, Features(numeric=("temp", "hum"), categorical=())).rows_at_once == rows


@pytest.mark.parametrize("content", [b"changed", None])
def test_without_its_compiled_model_the_pipeline_answers(tmp_path: Path, content: bytes | None) -> None:
    task = compiled_version(tmp_path)
    (tmp_path / "model.npz").unlink()
    if content is not None:
        (tmp_path / "model.npz").write_bytes(content)
    with running(tmp_path, task) as server:
        assert server.infer(request(ROWS)).status_code == 200
        assert server.metric(COMPILED) == 0
        assert "the pipeline of bike-demand-v1 answers, since its compiled model cannot be used" in server.log()


def test_a_changed_model_file_of_a_compiled_one_is_refused(tmp_path: Path) -> None:
    task = compiled_version(tmp_path)
    (tmp_path / "model.joblib").write_bytes(b"changed")
    with running(tmp_path, task, ready=False) as server:
        assert server.exit_code() == 3
        assert server.result()["reason"] == "DigestMismatch"
