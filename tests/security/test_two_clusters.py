"""Two clusters with one storage: no file of a version is overwritten, and one of them stops and says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from perennial_trainer.ledger.files import seal_fields
from tests.simulation.play import Play, a_play
from tests.trainer.tasks import Json, Trainer, a_check, a_model, a_training, diabetes, written


class Storage:
    """One folder, and trainings by two clusters."""

    def __init__(self, trainer: Trainer, path: Path) -> None:
        self.trainer, self.path = trainer, path / "models"
        self.data = written(diabetes(), path / "data" / "a.csv")
        self.folder = self.path.as_uri()

    def owner(self, uid: str, **fields: bool) -> Json:
        return {"uid": uid, "folder": self.folder, **fields}

    def training(self, uid: str, number: int = 1, **fields: bool) -> Json:
        name = f"progression-v{number}"
        return a_training(self.data, f"{self.folder}/{name}", version=name, owner=self.owner(uid, **fields))

    def recovery(self, uid: str) -> Json:
        task = {"task": "recover", "namespace": "clinic", "modelDeployment": "progression", "storage": self.folder}
        return {**task, "recipe": {"model": a_model(), "data": {}}, "owner": self.owner(uid, takeOver=True)}


@pytest.fixture
def storage(trainer: Trainer, tmp_path: Path) -> Storage:
    return Storage(trainer, tmp_path)


def test_second_cluster_does_not_write_into_the_folder(storage: Storage) -> None:
    storage.trainer.done(storage.training("first"))
    before = {path: path.read_bytes() for path in storage.path.rglob("*") if path.is_file()}
    code, answer = storage.trainer(storage.training("second"))
    assert (code, answer["reason"]) == (3, "OwnedElsewhere")
    assert "ModelDeployment first" in answer["message"]
    assert {path: path.read_bytes() for path in storage.path.rglob("*") if path.is_file()} == before


def test_owner_that_finds_a_newer_one_stops_writing(storage: Storage) -> None:
    first = storage.training("first")
    trained = storage.trainer.done(first)
    storage.trainer.done(storage.recovery("second"))
    check = a_check(first, trained, storage.data, owner=storage.owner("first"))
    for task in (storage.training("first", 2), check):
        code, answer = storage.trainer(task)
        assert (code, answer["reason"]) == (3, "OwnedElsewhere"), answer
    storage.trainer.done(storage.training("second", 2))


def test_request_of_a_person_takes_the_folder_back(storage: Storage) -> None:
    storage.trainer.done(storage.recovery("first"))
    storage.trainer.done(storage.recovery("second"))
    storage.trainer.done(storage.training("first", takeOver=True))
    assert storage.trainer(storage.training("second", 2)).answer["reason"] == "OwnedElsewhere"
    assert sorted(path.name for path in (storage.path / "owners").iterdir()) == [f"00000{n}.json" for n in (1, 2, 3)]


def test_folder_of_a_version_is_created_once(storage: Storage) -> None:
    """Also where the second cluster owns the folder: the first one's live files stay."""
    task = storage.training("first")
    answer = storage.trainer.done(task)
    assert storage.trainer.done(task) == answer  # a Job that runs again
    code, refused = storage.trainer(storage.training("second", takeOver=True))
    assert (code, refused["reason"]) == (3, "FolderTaken")
    (storage.path / "progression-v1" / "created-by.json").unlink()  # as of an earlier release
    assert storage.trainer(storage.training("second")).answer["reason"] == "FolderTaken"


def test_page_without_the_key_s_seal_takes_no_folder(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_LEDGER_KEY", "key")
    storage.trainer.done(storage.training("first"))
    (storage.path / "owners" / "000002.json").write_text('{"uid": "thief", "seal": "0"}')
    storage.trainer.done(storage.training("first", 2))


def test_copied_owner_page_gives_no_folder_back(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_LEDGER_KEY", "key")
    for uid in ("first", "second"):
        storage.trainer.done(storage.recovery(uid))
    owners = storage.path / "owners"
    shutil.copy(owners / "000001.json", owners / "000003.json")
    assert storage.trainer(storage.training("first")).answer["reason"] == "OwnedElsewhere"
    storage.trainer.done(storage.training("second"))


@pytest.mark.parametrize("name", ["999999.json", "999999999.json", "9999999999.json"])
def test_owner_page_of_the_greatest_number_locks_no_folder(storage: Storage, name: str) -> None:
    storage.trainer.done(storage.recovery("first"))
    (storage.path / "owners" / name).write_text('{"uid": "thief", "seal": "0"}')
    storage.trainer.done(storage.recovery("second"))
    storage.trainer.done(storage.training("second"))
    assert storage.trainer(storage.training("first")).answer["reason"] == "OwnedElsewhere"


def test_owner_page_of_an_earlier_release_counts(storage: Storage) -> None:
    (storage.path / "owners").mkdir(parents=True)
    (storage.path / "owners" / "000001.json").write_bytes(seal_fields({"uid": "first"}))
    storage.trainer.done(storage.training("first"))
    assert storage.trainer(storage.training("second", 2)).answer["reason"] == "OwnedElsewhere"


def owned(play: Play) -> Json | None:
    status = play.bodies["ModelDeployment", "bike"]["status"]
    return next((each for each in status["conditions"] if each["type"] == "Owned"), None)


ELSEWHERE = {"task": "train", "outcome": "Refused", "reason": "OwnedElsewhere", "message": "another cluster writes"}


def test_model_says_that_another_cluster_owns_its_folder() -> None:
    play = a_play(drift={"cooldown": "1m"})
    play.until_live(1)
    assert owned(play) is None
    play.wait(hours=2)
    play.report("drift")
    play.settle()
    play.finish("bike-v2-train", ELSEWHERE)
    condition = owned(play)
    assert condition
    assert (condition["status"], condition["reason"]) == ("False", "OwnedElsewhere")
    assert play.version(1)["phase"] == "Live"
    assert play.version(2)["surroundings"]
