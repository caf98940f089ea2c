"""The trainer runs no code from its task, data or files, and no message or log line holds a secret."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from perennial_trainer import redaction as hidden
from perennial_trainer.contract.errors import FailedTask, RejectedTask
from perennial_trainer.storage import store
from perennial_trainer.storage.digest import sha256_digest
from tests.trainer.tasks import Trainer, a_training, a_validation, a_version, changed, diabetes, written
from tests.trainer.test_artifact import Bomb

CODE = [
    "os.system",
    "builtins.eval",
    "subprocess.Popen",
    "sklearn.utils._testing.SkipTest",
    "sklearn.linear_model.os",
    "sklearn.linear_model.__class__",
    "sklearn.linear_model._base.LinearRegression",
    "sklearn.multioutput.MultiOutputRegressor",
    "lightgbm.basic.Booster",
    "lightgbm.LGBMModel",
    "xgboost.dask.DaskXGBRegressor",
    "xgboost.core.ctypes",
    "sklearn.preprocessing.FunctionTransformer",
    "sklearn.pipeline.Pipeline",
    "sklearn.linear_model.Ridge.fit",
    "sklearn.linear_model.Ridge()",
    "sklearn..linear_model.Ridge",
    "sklearn.linear_model.Ridge; import os",
    "joblib.load",
]


@pytest.mark.parametrize("name", CODE)
def test_estimator_outside_allow_list_is_never_looked_up(trainer: Trainer, tmp_path: Path, name: str) -> None:
    task = a_training(
        written(diabetes(), tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri(), model__estimator=name
    )
    code, answer = trainer(task)
    assert (code, answer["reason"]) == (3, "UnknownEstimator"), answer
    assert not (tmp_path / "v1").exists()


SMUGGLED: dict[str, dict[str, Any]] = {
    "code as text": {"alpha": "__import__('os').mkdir('trace')"},
    "code for a solver": {"solver": "lambda: os.mkdir('trace')"},
    "an object by its class": {"alpha": {"__class__": "os.system", "args": ["mkdir trace"]}},
    "a parameter of an inner estimator": {"alpha__x": 1},
    "a private attribute": {"__dict__": {}},
    "a method": {"fit": "x"},
    "too deep a list": {"alpha": [[[[[]]]]]},
}


@pytest.mark.parametrize("parameters", SMUGGLED.values(), ids=SMUGGLED)
def test_parameters_are_values_and_run_no_code(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = written(diabetes(), tmp_path / "data" / "a.csv")
    for where in (
        {"model__parameters": parameters},
        {"search": SEARCH | {"space": {k: [v] for k, v in parameters.items()}}},
    ):
        code, answer = trainer(a_training(uri, (tmp_path / "v1").as_uri(), **where))
        assert code == 3, answer
        assert answer["reason"] in ("InvalidParameter", "FitFailed", "SearchFailed"), answer
    assert not (tmp_path / "trace").exists()


SEARCH = {"method": "grid", "folds": 3, "iterations": 10}
ADDRESSES = {
    "contains ..": "file://{}/data/../secret/*.csv",
    "contains .. in a glob": "file://{}/data/*/../../secret/*.csv",
    "is encoded": "file://{}/data/%2e%2e/secret/a.csv",
    "contains .. as character classes": "file://{}/data/[.][.]/secret/*.csv",
    "is a chain": "simplecache::file://{}/secret/a.csv",
    "is a chain behind": "file://{}/x.zip::file://{}/secret/a.csv",
    "is of another scheme": "local://{}/secret/a.csv",
    "runs": "reference://{}/secret/a.csv",
}


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_data_uri_cannot_leave_its_folder(trainer: Trainer, tmp_path: Path, address: str) -> None:
    written(diabetes(), tmp_path / "secret" / "a.csv")
    (tmp_path / "data" / "inner").mkdir(parents=True)
    code, answer = trainer(
        a_training(address.replace("{}", str(tmp_path)), (tmp_path / "v1").as_uri()), in_contract=False
    )
    assert (code, answer["outcome"]) == (3, "Refused"), answer
    assert answer["reason"] in ("UnknownScheme", "NoFilesMatched", "InvalidTask")
    assert not (tmp_path / "v1").exists()


@pytest.mark.parametrize("write", [store.read_bytes, lambda uri: store.write_files(uri, {"a": b""}), store.remove_file])
def test_storage_uri_cannot_leave_its_folder(tmp_path: Path, write: Any) -> None:
    (tmp_path / "victim").write_text("whole")
    with pytest.raises(RejectedTask, match="must not contain"):
        write(f"file://{tmp_path}/bike/../victim")
    assert (tmp_path / "victim").read_text() == "whole"


def test_replaced_model_or_holdout_is_never_unpickled(trainer: Trainer, tmp_path: Path) -> None:
    task = a_training(written(diabetes(), tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri())
    trained = trainer.done(task)
    bomb = pickle.dumps(Bomb(tmp_path / "trace"))
    for name in ("model.joblib", "holdout.parquet"):
        whole = (tmp_path / "v1" / name).read_bytes()
        (tmp_path / "v1" / name).write_bytes(bomb)
        code, answer = trainer(a_validation(task, trained, a_version(trained)))
        assert (code, answer["reason"]) == (3, "DigestMismatch"), answer
        (tmp_path / "v1" / name).write_bytes(whole)
    assert not (tmp_path / "trace").exists()
    assert sha256_digest(bomb) != trained["artifact"]["sha256"]


KEY, PASSWORD, SIGNATURE = "AKIA-hush-hush", "lovelace-1815", "sig-hush-hush"


@pytest.fixture
def denies(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that refuses everything and repeats what it was asked, and a Secret in the environment."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)

    class Denies(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(403, f"Forbidden {KEY}")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Denies))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("field", ["data__uri", "storage"])
def test_message_about_denied_store_holds_no_secret(
    trainer: Trainer, tmp_path: Path, denies: str, capfd: pytest.CaptureFixture[str], field: str
) -> None:
    address = f"http://ada:{PASSWORD}@{denies}/a.csv?X-Signature={SIGNATURE}"
    uri = written(diabetes(), tmp_path / "data" / "a.csv")
    code, answer = trainer(changed(a_training(uri, (tmp_path / "v1").as_uri()), **{field: address}))
    assert code in (1, 3), answer
    output = str(answer) + "".join(capfd.readouterr())
    assert denies in output
    assert [secret for secret in (KEY, PASSWORD, SIGNATURE) if secret in output] == []


def test_traceback_in_the_log_holds_no_secret(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STORE_TOKEN", KEY)
    monkeypatch.setenv("PERENNIAL_SHOW_VALUES", "1")

    def broken(*_: object) -> None:
        raise RuntimeError(f"GET https://ada:{PASSWORD}@host/a?sig={SIGNATURE} with {KEY}")

    monkeypatch.setattr("perennial_trainer.training.train.train_version", broken)
    assert trainer(a_training("file:///data", (tmp_path / "v1").as_uri())).answer["reason"] == "Unexpected"
    output = "".join(capfd.readouterr())
    assert "RuntimeError: GET https://***@host/a?***" in output
    assert [secret for secret in (KEY, PASSWORD, SIGNATURE) if secret in output] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://models/v1 of abfs://c@account.dfs.core.windows.net/x", None),
        ("file:///data/a?b.csv and 12:30@noon", None),
        ("https://ada:pw@h/a?q=1'", "https://***@h/a?***'"),
    ],
)
def test_only_secrets_are_redacted(text: str, shown: str | None) -> None:
    assert hidden.redact(text) == (shown or text)


def test_message_of_any_failed_task_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", PASSWORD)
    assert FailedTask("X", f"no {PASSWORD}").message == "no ***"
