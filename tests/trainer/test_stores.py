"""Data and versions are read from and written to each kind of store, over its real protocol."""

import functools
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
import pytest
import s3fs
from adlfs import AzureBlobFileSystem

from perennial_trainer.contract.errors import FailedTask
from perennial_trainer.storage import store as storage
from tests.trainer.tasks import Trainer, a_check, a_training, a_validation, a_version, diabetes, written

MSE = {"metric": "mse", "confidence": 0.95}


def put(path: Path, key: str) -> None:
    boto3.client("s3").upload_file(str(path), "bikes", key)


def objects() -> set[str]:
    listing = boto3.client("s3").list_objects_v2(Bucket="models", Prefix="perennial/v1/")
    return {each["Key"].rpartition("/")[2] for each in listing.get("Contents", [])}


@pytest.mark.usefixtures("s3")
def test_all_tasks_read_from_and_write_to_s3(trainer: Trainer, tmp_path: Path) -> None:
    frame = diabetes()
    written(frame.head(200), tmp_path / "a.parquet")
    written(frame.tail(242), tmp_path / "b.csv")
    put(tmp_path / "a.parquet", "rides/2026/a.parquet")
    put(tmp_path / "b.csv", "rides/2026/b.csv")
    task = a_training("s3://bikes/rides/*/*", "s3://models/perennial/v1", data__timeColumn="day")
    trained = trainer.done(task)
    assert trained["data"]["rows"] + trained["data"]["holdoutRows"] == 442
    assert trained["artifact"]["uri"] == "s3://models/perennial/v1/model.joblib"
    assert {"model.joblib", "metadata.json", "holdout.parquet", "report.html"} < objects()
    assert trainer.done(task) == trained  # again, over what is there
    validated = trainer.done(a_validation(task, trained, a_version(trained), against=MSE, holdout=holdout(trained)))
    assert validated["metrics"]["candidate"] == trained["metrics"]
    checked = trainer.done(a_check(task, trained, "s3://bikes/rides"))
    assert checked["samples"] == 442
    assert checked["details"] == "s3://models/perennial/v1-check/report.html"


@pytest.mark.usefixtures("s3")
def test_partitioned_folders_are_read_from_s3(trainer: Trainer, tmp_path: Path) -> None:
    for sex, some in diabetes().groupby("sex"):
        written(some.drop(columns="sex"), tmp_path / f"{sex}.parquet")
        put(tmp_path / f"{sex}.parquet", f"rides/sex={sex}/a.parquet")
    task = a_training("s3://bikes/rides", "s3://models/perennial/v1")
    trained = trainer.done(task)
    assert trained["data"]["rows"] + trained["data"]["holdoutRows"] == 442
    assert trainer.done(a_check(task, trained, "s3://bikes/rides/sex=2/*"))["samples"] == 207


def holdout(trained: dict[str, dict[str, str]]) -> dict[str, str]:
    return {"uri": trained["data"]["holdoutUri"], "sha256": trained["data"]["holdoutSha256"]}


@pytest.mark.usefixtures("s3")
def test_empty_prefix_and_missing_bucket_are_rejected_by_name(trainer: Trainer) -> None:
    for uri in ("s3://bikes/none/*.csv", "s3://bikes/none", "s3://nobody/rides"):
        code, answer = trainer(a_training(uri, "s3://models/perennial/v1"))
        assert (code, answer["reason"]) == (3, "NoFilesMatched"), answer
        assert uri in answer["message"]
    assert objects() == set()


@pytest.mark.usefixtures("s3")
def test_bucket_without_write_access_fails_by_name(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(diabetes(), tmp_path / "data" / "a.csv")
    code, answer = trainer(a_training(uri, "s3://no-such-bucket/v1"))
    assert (code, answer["outcome"], answer["reason"]) == (1, "Failed", "StorageNotWritable")
    assert "s3://no-such-bucket/v1" in answer["message"]


def test_store_that_does_not_answer_fails_the_task(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    code, answer = trainer(a_training("s3://bikes/rides/*.csv", "s3://models/v1"))
    s3fs.S3FileSystem.clear_instance_cache()
    assert (code, answer["outcome"], answer["reason"]) == (1, "Failed", "DataUnreachable")


@pytest.mark.parametrize(
    ("uri", "client", "path"),
    [
        ("s3://bikes/rides/a.csv", "S3FileSystem", "bikes/rides/a.csv"),
        ("gs://bikes/rides/a.csv", "GCSFileSystem", "bikes/rides/a.csv"),
        ("az://bikes/rides/a.csv", "AzureBlobFileSystem", "bikes/rides/a.csv"),
        ("abfs://bikes@acme.dfs.core.windows.net/rides/a.csv", "AzureBlobFileSystem", "bikes/rides/a.csv"),
        ("https://host/rides/a.csv", "HTTPFileSystem", "https://host/rides/a.csv"),
    ],
)
def test_client_of_each_scheme_is_configured_by_secret_variables(
    monkeypatch: pytest.MonkeyPatch, uri: str, client: str, path: str
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "acme")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    store, path_in_store = storage.open_filesystem(uri)
    assert (client in {kind.__name__ for kind in type(store).__mro__}, path_in_store) == (True, path)


def test_store_without_account_is_rejected_with_needed_variables(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ACCOUNT_NAME", "ACCOUNT_KEY", "CONNECTION_STRING"):
        monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)
    AzureBlobFileSystem.clear_instance_cache()
    code, answer = trainer(a_training("az://bikes/rides/*.csv", (tmp_path / "v1").as_uri()))
    assert (code, answer["reason"]) == (3, "StoreNotConfigured"), answer
    assert "az://bikes/rides/*.csv" in answer["message"] and "AZURE_STORAGE_ACCOUNT_NAME" in answer["message"]


@pytest.fixture
def http(tmp_path: Path) -> Iterator[str]:
    """A plain server, which answers for whole files alone."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path / "web")))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.csv.gz"])
def test_presigned_url_is_read_and_its_signature_redacted(
    trainer: Trainer, tmp_path: Path, http: str, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    written(diabetes(), tmp_path / "web" / name)
    answer = trainer.done(a_training(f"{http}/{name}?X-Signature=hush", (tmp_path / "v1").as_uri()))
    assert answer["data"]["rows"] + answer["data"]["holdoutRows"] == 442
    output = capfd.readouterr().out + "".join(path.read_text("latin-1") for path in (tmp_path / "v1").iterdir())
    assert f"{http}/{name}" in output
    assert "hush" not in output


def test_local_file_is_written_completely_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = (tmp_path / "v1").as_uri()
    storage.write_files(uri, {"a": b"old", "b": b"old"})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FailedTask, match="No space left"):
        storage.write_files(uri, {"a": b"new and longer"})
    assert (tmp_path / "v1" / "a").read_bytes() == b"old"
