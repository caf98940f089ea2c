"""The server listens before the model is loaded, and a model that must not be loaded ends it."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from perennial_trainer.artifacts.model_file import parse_model
from perennial_trainer.models.frameworks.sklearn import dump_pipeline
from perennial_trainer.storage.digest import sha256_digest
from tests.serve.processes import MIXED, fitted, running, serve_task, stored
from tests.serve.requests import ROWS, request

CONTRACT = json.loads((Path(__file__).parents[1] / "contract" / "result.schema.json").read_text())


class Store(ThreadingHTTPServer):
    """Holds one file, and hands it out once `open` is set."""

    def __init__(self, content: bytes) -> None:
        self.open = threading.Event()
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                store.open.wait()
                self.send_response(200)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server_port}/model.joblib"


@pytest.fixture
def content() -> bytes:
    return dump_pipeline(fitted(MIXED, "regression", "cnt"), "joblib")


@pytest.fixture
def store(content: bytes) -> Iterator[Store]:
    with Store(content) as store:
        threading.Thread(target=store.serve_forever, daemon=True).start()
        yield store
        store.open.set()
        store.shutdown()


def test_a_server_is_live_at_once_and_ready_after_loading(tmp_path: Path, content: bytes, store: Store) -> None:
    with running(tmp_path, serve_task(store.uri, sha256_digest(content)), ready=False) as server:
        server.wait("/v2/health/live", 200)
        for path in ("/v2/health/ready", "/v2/models/bike-demand/ready", "/v2/models/bike-demand"):
            assert server.status(path) == 503
        response = server.infer(request(ROWS))
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert response.json()["error"].startswith("bike-demand-v1 is being loaded: try again")
        store.open.set()
        server.wait("/v2/health/ready", 200)
        assert server.infer(request(ROWS)).status_code == 200
        assert f"loaded bike-demand-v1, sha256 {sha256_digest(content)}" in server.log()


def test_a_server_that_loads_stops_at_once(tmp_path: Path, content: bytes, store: Store) -> None:
    with running(tmp_path, serve_task(store.uri, sha256_digest(content)), ready=False) as server:
        server.wait("/v2/health/live", 200)
        server.signal()
        assert server.exit_code() == 0
        assert not store.open.is_set()


class Mischief:
    """Makes a directory when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._path),)


def test_an_artifact_with_another_digest_is_never_unpickled(tmp_path: Path) -> None:
    trace = tmp_path / "unpickled"
    uri, _ = stored(tmp_path, dump_pipeline(Mischief(trace), "joblib"))  # type: ignore[arg-type]
    with running(tmp_path, serve_task(uri, "0" * 64), ready=False) as server:
        assert server.exit_code() == 3
        jsonschema.validate(server.result(), CONTRACT)
        assert {key: server.result()[key] for key in ("task", "outcome", "reason")} == {
            "task": "serve",
            "outcome": "Refused",
            "reason": "DigestMismatch",
        }
    assert not trace.exists()


def test_the_mischief_of_the_test_above_is_real(tmp_path: Path) -> None:
    trace = tmp_path / "unpickled"
    parse_model("memory", dump_pipeline(Mischief(trace), "joblib"), "joblib")  # type: ignore[arg-type]
    assert trace.exists()


def test_a_model_of_another_scikit_learn_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted(MIXED, "regression", "cnt")
    monkeypatch.setattr("sklearn.base.__version__", "1.5.2")
    uri, sha256 = stored(tmp_path, dump_pipeline(model, "joblib"))
    with running(tmp_path, serve_task(uri, sha256), ready=False) as server:
        assert server.exit_code() == 3
        assert server.result()["reason"] == "LibraryMismatch"


def test_a_port_that_is_taken_is_named(tmp_path: Path, store: Store) -> None:
    task = serve_task(store.uri, "0" * 64) | {"port": store.server_port}
    with running(tmp_path, task, ready=False) as server:
        assert server.exit_code() == 1
        assert server.result()["reason"] == "CannotListen"
        assert f"port {store.server_port} cannot be listened on" in server.result()["message"]


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, serve_task((tmp_path / "gone.joblib").as_uri(), "0" * 64), ready=False) as server:
        assert server.exit_code() == 3
        assert server.result()["reason"] == "ArtifactMissing"
