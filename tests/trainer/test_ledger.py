"""The outcome of a version is recorded once and can be recovered from the storage alone."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from perennial_trainer.storage import store
from perennial_trainer.storage.digest import sha256_digest
from tests.trainer.recorded import DEPLOYMENT, sought, stored_version
from tests.trainer.tasks import Json, Trainer, a_model, changed

KEY = "PERENNIAL_LEDGER_KEY"


@pytest.fixture(params=["file"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The model's folder, on a disk or on a server that speaks S3."""
    if request.param == "file":
        return (tmp_path / "models/clinic/progression").as_uri()
    request.getfixturevalue("s3")
    return "s3://models/clinic/progression"


on_every_store = pytest.mark.parametrize("storage", ["file", "s3"], indirect=True)


@pytest.fixture
def versions(storage: str) -> Callable[..., Json]:
    """Stores a version of this number and answers what is to be recorded of it."""

    def make(number: int, phase: str = "Live", day: int | None = None) -> Json:
        return stored_version(storage, number, phase, day)

    return make


def put(uri: str, content: bytes | None) -> None:
    """The file is changed, or gone, behind everybody's back."""
    if uri.startswith("s3://"):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        s3 = boto3.client("s3")
        s3.delete_object(Bucket=bucket, Key=key) if content is None else s3.put_object(
            Bucket=bucket, Key=key, Body=content
        )
        return
    path = Path(uri.removeprefix("file://"))
    path.unlink() if content is None else path.write_bytes(content)


def page(record: Json) -> str:
    return f"{record['storage']}/ledger/{record['entry']['name']}.json"


@on_every_store
def test_recovery_returns_last_live_version(trainer: Trainer, versions: Callable[..., Json]) -> None:
    first, second = versions(1), versions(2)
    for record in (first, second):
        assert trainer.done(record)["entry"] == page(record)
    answer = trainer.done(sought(second))
    assert answer["message"] == "progression-v2 is in the ledger and its files are complete"
    assert answer["number"] == 2
    assert answer["passedOver"] == []
    (version,) = answer["versions"]
    assert version["status"]["artifact"].pop("metadataSha256") == sha256_digest(
        store.read_bytes(f"{second['storage']}/progression-v2/metadata.json")
    )
    assert version == {
        "version": "progression-v2",
        "number": 2,
        "entry": second["entry"]["name"],
        "trigger": second["entry"]["trigger"],
        "status": second["entry"]["status"],
    }


def test_version_promoted_last_is_live_whatever_its_number(trainer: Trainer, versions: Callable[..., Json]) -> None:
    again = versions(1, day=9)
    for record in (versions(1), versions(2), again):
        trainer.done(record)
    answer = trainer.done(sought(again))
    assert [each["entry"] for each in answer["versions"]] == ["20261109T120000Z-v1-Live"]
    assert answer["number"] == 2


@on_every_store
def test_entry_is_written_once_and_a_conflict_is_rejected(trainer: Trainer, versions: Callable[..., Json]) -> None:
    record = versions(1)
    assert trainer.done(record) == trainer.done(record)
    code, answer = trainer(changed(record, entry__trigger={"reason": "Request"}))
    assert (code, answer["reason"]) == (3, "LedgerConflict")
    assert page(record) in answer["message"]
    assert trainer.done(sought(record))["versions"][0]["trigger"] == record["entry"]["trigger"]


@on_every_store
def test_recovery_from_empty_storage_returns_no_version(trainer: Trainer, storage: str) -> None:
    task = {"task": "recover", "namespace": "clinic", "modelDeployment": DEPLOYMENT, "storage": storage}
    answer = trainer.done({**task, "recipe": {"model": a_model(), "data": {}}})
    assert (answer["number"], answer["versions"], answer["passedOver"]) == (0, [], [])


@on_every_store
def test_number_includes_versions_that_were_not_recorded(trainer: Trainer, versions: Callable[..., Json]) -> None:
    trainer.done(versions(1))
    unrecorded = versions(7)
    answer = trainer.done(sought(unrecorded))
    assert (answer["number"], answer["versions"][0]["version"]) == (7, "progression-v1")


@on_every_store
@pytest.mark.parametrize("content", [b"another", None], ids=["changed", "gone"])
@pytest.mark.parametrize("name", ["model.joblib", "holdout.parquet", "rows.npy", "metadata.json"])
def test_version_with_damaged_file_is_passed_over(
    trainer: Trainer, versions: Callable[..., Json], storage: str, name: str, content: bytes | None
) -> None:
    older, newer = versions(1), versions(2)
    trainer.done(older), trainer.done(newer)
    put(f"{storage}/progression-v2/{name}", content)
    answer = trainer.done(sought(newer))
    assert [each["version"] for each in answer["versions"]] == ["progression-v1"]
    assert answer["passedOver"] == ["progression-v2"]
    assert f"passed over: progression-v2: {storage}/progression-v2/{name} " in answer["message"]
    assert answer["number"] == 2


def test_all_damaged_versions_are_named_and_numbers_continue(
    trainer: Trainer, versions: Callable[..., Json], storage: str
) -> None:
    for record in (versions(1), versions(2)):
        trainer.done(record)
        put(record["entry"]["status"]["artifact"]["uri"], b"another")
    answer = trainer.done(sought(record))
    assert (answer["versions"], answer["passedOver"]) == ([], ["progression-v2", "progression-v1"])
    assert answer["message"].startswith("the ledger has no version that was live; passed over: progression-v2: ")
    assert answer["number"] == 2


@pytest.mark.parametrize("damage", ["truncated", "edited", "copied", "empty"])
def test_damaged_ledger_file_is_passed_over(
    trainer: Trainer, versions: Callable[..., Json], storage: str, damage: str
) -> None:
    older, newer = versions(1), versions(2)
    trainer.done(older), trainer.done(newer)
    content = store.read_bytes(page(newer))
    put(
        page(newer),
        {
            "truncated": content[:-20],
            "edited": content.replace(b"trainer:1", b"trainer:2"),
            "copied": store.read_bytes(page(older)),
            "empty": b"",
        }[damage],
    )
    answer = trainer.done(sought(newer))
    assert [each["version"] for each in answer["versions"]] == ["progression-v1"]
    assert answer["passedOver"] == ["progression-v2"]
    assert page(newer) in answer["message"]


def test_other_files_in_the_ledger_folder_are_ignored(
    trainer: Trainer, versions: Callable[..., Json], storage: str
) -> None:
    record = versions(1)
    trainer.done(record)
    for name in ("README.md", "20261109T120000Z-v1-Live.json.part", "20261109T120000Z-v0-Live.json"):
        put(f"{storage}/ledger/{name}", b"hello")
    assert trainer.done(sought(record))["passedOver"] == []


def test_version_requested_by_name_is_returned_in_any_phase(trainer: Trainer, versions: Callable[..., Json]) -> None:
    records = [versions(1), versions(2, "RolledBack"), versions(3)]
    for record in records:
        trainer.done(record)
    answer = trainer.done(sought(records[0], version="progression-v2"))
    assert [(each["version"], each["status"]["phase"]) for each in answer["versions"]] == [
        ("progression-v2", "RolledBack")
    ]
    answer = trainer.done(sought(records[0], version="progression-v9"))
    assert (answer["versions"], answer["message"]) == ([], "the ledger has no progression-v9")


def test_rejected_version_is_returned_after_the_live_one(trainer: Trainer, versions: Callable[..., Json]) -> None:
    for record in (versions(1), versions(2, "Rejected")):
        trainer.done(record)
    answer = trainer.done(sought(record))
    assert [each["version"] for each in answer["versions"]] == ["progression-v1", "progression-v2"]
    trainer.done(versions(3))
    answer = trainer.done(sought(record))
    assert [each["version"] for each in answer["versions"]] == ["progression-v3"]


def test_recipe_is_returned_only_if_it_differs(trainer: Trainer, versions: Callable[..., Json]) -> None:
    record = versions(1)
    trainer.done(record)
    answer = trainer.done(sought(record, recipe__data={"window": "90d"}))
    assert answer["versions"][0]["recipe"] == record["entry"]["recipe"]


def test_copied_folder_is_recovered_at_its_new_location(
    trainer: Trainer, versions: Callable[..., Json], storage: str, tmp_path: Path
) -> None:
    record = versions(1)
    trainer.done(record)
    there, path = store.open_filesystem(storage)
    there.get(path, str(tmp_path / "moved"), recursive=True)
    put(record["entry"]["status"]["artifact"]["uri"], None)
    moved = next(path.parent.parent for path in (tmp_path / "moved").rglob("ledger/*.json")).as_uri()
    (version,) = trainer.done(sought(record, storage=moved))["versions"]
    assert version["status"]["artifact"]["uri"] == f"{moved}/progression-v1/model.joblib"
    assert version["status"]["data"]["holdoutUri"] == f"{moved}/progression-v1/holdout.parquet"


@pytest.mark.parametrize(("written", "read"), [("", "key"), ("key", ""), ("key", "another")])
def test_ledger_file_needs_the_key_that_sealed_it(
    trainer: Trainer, versions: Callable[..., Json], monkeypatch: pytest.MonkeyPatch, written: str, read: str
) -> None:
    record = versions(1)
    monkeypatch.setenv(KEY, written)
    trainer.done(record)
    assert trainer.done(sought(record))["versions"]
    monkeypatch.setenv(KEY, read)
    answer = trainer.done(sought(record))
    assert (answer["versions"], answer["passedOver"]) == ([], ["progression-v1"])


def test_missing_html_page_does_not_matter(trainer: Trainer, versions: Callable[..., Json], storage: str) -> None:
    record = versions(1)
    trainer.done(record)
    put(f"{storage}/progression-v1/report.html", None)
    assert trainer.done(sought(record))["versions"]


def test_custom_trainer_version_records_model_and_holdout(
    trainer: Trainer, versions: Callable[..., Json], storage: str
) -> None:
    record = versions(1)
    put(f"{storage}/progression-v1/metadata.json", None)
    trainer.done(record)
    put(f"{storage}/progression-v1/profile.json", None)
    assert trainer.done(sought(record))["versions"]
    put(record["entry"]["status"]["data"]["holdoutUri"], b"another")
    assert not trainer.done(sought(record))["versions"]


@pytest.mark.parametrize("length", [100, 2000, 9000])
def test_recovery_result_fits_and_names_what_is_left_out(
    trainer: Trainer, versions: Callable[..., Json], length: int
) -> None:
    record = versions(1)
    features = [hashlib.sha256(b"%d" % i).hexdigest()[:10] for i in range(length // 10)]  # which nothing compresses
    long = changed(
        record, entry__recipe__model__features__numeric=features, entry__status__parameters={"a": "b" * 2000}
    )
    trainer.done(long)
    answer = trainer.done(sought(record))
    assert bool(answer["versions"]) is (length < 9000)
    assert answer["passedOver"] == ([] if length < 9000 else ["progression-v1"])
    assert ("too long to be reported" in answer["message"]) is (length == 9000)
    assert answer["number"] == 1


def test_unreachable_store_fails_and_does_not_look_empty(trainer: Trainer, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("no folder")
    task = {"task": "recover", "namespace": "clinic", "modelDeployment": DEPLOYMENT}
    storage = (tmp_path / "models" / "clinic").as_uri()
    code, answer = trainer({**task, "storage": storage, "recipe": {"model": a_model(), "data": {}}})
    assert (code, answer["reason"]) == (1, "StorageUnreachable"), json.dumps(answer)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"entry__name": "../../etc/passwd"}, "entry.name"),
        ({"entry__status__artifact": {}}, "entry"),
        ({"storage": "models"}, "storage"),
    ],
)
def test_invalid_record_task_writes_nothing(trainer: Trainer, tmp_path: Path, change: Json, field: str) -> None:
    status = {
        "artifact": {"uri": "file:///m", "sha256": "a" * 64},
        "data": {"holdoutUri": "file:///h", "holdoutSha256": "a" * 64},
    }
    entry = {"name": "20261101T120000Z-v1-Live", "trigger": {}, "recipe": {}, "status": status}
    record = {"task": "record", "namespace": "clinic", "modelDeployment": DEPLOYMENT, "version": "progression-v1"}
    task = changed({**record, "entry": entry, "storage": tmp_path.as_uri()}, **change)
    code, answer = trainer(task, in_contract=False)
    assert (code, answer["reason"]) == (3, "InvalidTask")
    assert field in answer["message"]
    assert not (tmp_path / "ledger").exists()
