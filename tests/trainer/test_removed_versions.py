"""An upkeep deletes the files of exactly the versions that it is asked to, after the ledger says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perennial_trainer.storage import store
from perennial_trainer.upkeep import files
from perennial_trainer.upkeep.files import is_removable
from tests.trainer.model_folder import Killed, an_upkeep, put, stored
from tests.trainer.recorded import DEPLOYMENT, sought, stored_version
from tests.trainer.tasks import Json, Trainer, a_training, a_validation, diabetes, written

AT = "2026-11-20T05:00:00Z"
PAGE = "ledger/20261120T050000Z-v{}-Removed.json"


@pytest.fixture(params=["file", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        request.getfixturevalue("s3")
        return "s3://models/clinic/progression"
    return (tmp_path / "models/clinic/progression").as_uri()


@pytest.fixture
def local(tmp_path: Path) -> str:
    return (tmp_path / "models/clinic/progression").as_uri()


def removal(storage: str, *numbers: int) -> Json:
    return an_upkeep(storage, retain=None, removed=[{"number": number, "at": AT} for number in numbers])


def three_versions(storage: str, trainer: Trainer) -> Json:
    """The third was promoted last; what was recorded of it."""
    for number in (1, 2, 3):
        trainer.done(record := stored_version(storage, number))
        put(storage, f"{DEPLOYMENT}-v{number}/created-by.json")
    return record


def of(number: int, names: set[str]) -> set[str]:
    """The files in the folder of the version."""
    return {name for name in names if name.startswith(f"{DEPLOYMENT}-v{number}/")}


def test_known_files_of_named_versions_go(storage: str, trainer: Trainer) -> None:
    three_versions(storage, trainer)
    put(
        storage,
        own := f"{DEPLOYMENT}-v1/mine.txt",
        other := f"{DEPLOYMENT}-v1/more/model.joblib",
        f"{DEPLOYMENT}-v10/model.joblib",
    )
    put(f"{storage}-v1", "model.joblib")
    before = stored(storage)
    answer = trainer.done(removal(storage, 1, 2))
    marker = f"{DEPLOYMENT}-v{{}}/created-by.json"
    assert of(1, stored(storage)) == {own, other, marker.format(1)}
    assert of(2, stored(storage)) == {marker.format(2)}
    assert before - of(1, before) - of(2, before) == stored(storage) - of(1, stored(storage)) - of(
        2, stored(storage)
    ) - {PAGE.format(1), PAGE.format(2)}
    assert (stored(f"{storage}-v1"), answer["deletedFiles"]) == ({"model.joblib"}, 14)
    assert answer["message"].startswith("deleted 14 files of v1, v2; freed ")
    assert trainer.done(removal(storage, 1, 2))["message"] == "there was nothing to do"


def test_all_that_a_training_and_a_validation_store_is_known(local: str, tmp_path: Path, trainer: Trainer) -> None:
    uri = written(diabetes().assign(group=range(442)), tmp_path / "patients.csv")
    by_time = {"data__timeColumn": "day", "data__groupColumn": "group", "refit": True}
    task = a_training(uri, f"{local}/{DEPLOYMENT}-v1", owner={"uid": "uid", "folder": local}, **by_time)
    trainer.done(a_validation(task, trainer.done(task)))
    names = of(1, stored(local))
    assert len(names) > 12
    folder = f"{DEPLOYMENT}-v1"
    assert {name for name in names if not is_removable(name, frozenset({folder}))} == {f"{folder}/created-by.json"}


def test_ledger_passes_over_a_version_without_files_and_says_why(local: str, trainer: Trainer) -> None:
    record = three_versions(local, trainer)
    trainer.done(removal(local, 1))
    answer = trainer.done(sought(record))
    assert [each["version"] for each in answer["versions"]] == ["progression-v3"]
    wanted = trainer.done(sought(record, version="progression-v1"))
    assert (wanted["versions"], wanted["number"]) == ([], 3)
    assert wanted["message"] == (
        "the ledger has no progression-v1; passed over: progression-v1: its files were deleted on 2026-11-20, by "
        "spec.history.artifacts"
    )


def test_version_is_passed_over_while_its_files_are_deleted(local: str, trainer: Trainer, monkeypatch: Any) -> None:
    record = three_versions(local, trainer)
    with monkeypatch.context() as patch:
        patch.setattr(files, "remove_file", killed)
        with pytest.raises(Killed):
            trainer(removal(local, 2))
    assert PAGE.format(2) in stored(local)
    assert trainer.done(sought(record, version="progression-v2"))["versions"] == []
    trainer.done(removal(local, 2))
    assert of(2, stored(local)) == {f"{DEPLOYMENT}-v2/created-by.json"}


def killed(*_: Any) -> None:
    raise Killed


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"-v1-", b"-v2-"),
        lambda text: b"{}",
        lambda text: text.replace(b"progression-v1", b"progression-v9"),
    ],
)
def test_page_that_was_changed_is_not_believed(local: str, trainer: Trainer, change: Callable[[bytes], bytes]) -> None:
    record = three_versions(local, trainer)
    trainer.done(removal(local, 1))
    content = store.read_bytes(f"{local}/{PAGE.format(1)}")
    store.write_files(f"{local}/ledger", {PAGE.format(1).partition("/")[2]: change(content)})
    message = trainer.done(sought(record, version="progression-v1"))["message"]
    assert message.startswith("the ledger has no progression-v1; passed over:") and "does not exist" in message


def test_copied_page_hides_no_other_version(local: str, trainer: Trainer) -> None:
    record = three_versions(local, trainer)
    trainer.done(removal(local, 1))
    content = store.read_bytes(f"{local}/{PAGE.format(1)}")
    store.write_files(f"{local}/ledger", {PAGE.format(3).partition("/")[2]: content})
    assert trainer.done(sought(record))["versions"][0]["version"] == "progression-v3"


def test_files_of_the_version_that_was_promoted_last_stay(local: str, trainer: Trainer) -> None:
    three_versions(local, trainer)
    before = stored(local)
    code, answer = trainer(removal(local, 1, 3))
    assert (code, answer["reason"], stored(local)) == (3, "FilesNeeded", before)
