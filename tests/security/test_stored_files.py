"""What lies beside a model is read only if its digest is the one that the ModelVersion leads to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from perennial_trainer.storage.digest import sha256_digest
from tests.trainer.tasks import Json, Trainer, a_check, a_training, a_validation, a_version, diabetes, written


class Stored:
    """A trained version whose files somebody changes who may write to the storage."""

    def __init__(self, trainer: Trainer, folder: Path) -> None:
        self.trainer, self.folder = trainer, folder / "v1"
        self.data = written(diabetes(), folder / "data" / "a.csv")
        self.task = a_training(self.data, self.folder.as_uri())
        self.trained = trainer.done(self.task)

    @property
    def version(self) -> Json:
        return {**a_version(self.trained), "metadataSha256": self.trained["artifact"]["metadataSha256"]}

    def check(self, **version: Any) -> Json:
        return self.trainer(a_check(self.task, self.trained, self.data, live={**self.version, **version})).answer

    def validation(self) -> Json:
        task = a_validation(self.task, self.trained, self.version, candidate=self.version)
        return self.trainer(task).answer

    def change(self, name: str) -> None:
        """The file is another valid one, such as a profile after which no row has drifted."""
        path = self.folder / name
        if path.suffix == ".json":
            path.write_text(json.dumps(json.loads(path.read_text())))
        else:
            path.write_bytes(path.read_bytes() + b" ")

    def list_again(self, name: str) -> None:
        """metadata.json names the changed file's digest."""
        path = self.folder / "metadata.json"
        content = (self.folder / name).read_bytes()
        metadata = json.loads(path.read_text())
        metadata["files"][name] = {"sha256": sha256_digest(content), "bytes": len(content)}
        path.write_text(json.dumps(metadata))


@pytest.fixture
def stored(trainer: Trainer, tmp_path: Path) -> Stored:
    return Stored(trainer, tmp_path)


@pytest.mark.parametrize("listed", [False, True], ids=["alone", "with its digest in metadata.json"])
def test_check_refuses_a_changed_profile(stored: Stored, listed: bool) -> None:
    assert stored.check()["outcome"] == "Succeeded"
    stored.change("profile.json")
    if listed:
        stored.list_again("profile.json")
    answer = stored.check()
    assert (answer["outcome"], answer["reason"]) == ("Refused", "DigestMismatch"), answer
    assert ("metadata.json" if listed else "profile.json") in answer["message"]


@pytest.mark.parametrize("name", ["metadata.json", "rows.npy", "metrics.json", "holdout.parquet"])
def test_validation_refuses_changed_files(stored: Stored, name: str) -> None:
    stored.change(name)
    if name not in ("metadata.json", "holdout.parquet"):
        stored.list_again(name)
    answer = stored.validation()
    assert (answer["outcome"], answer["reason"]) == ("Refused", "DigestMismatch"), answer


def test_file_that_metadata_do_not_name_is_refused(stored: Stored) -> None:
    path = stored.folder / "metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["files"]["profile.json"]
    path.write_text(json.dumps(metadata))
    answer = stored.check(metadataSha256=sha256_digest(path.read_bytes()))
    assert (answer["outcome"], answer["reason"]) == ("Refused", "DigestMismatch"), answer


def test_version_without_digests_is_read_and_the_log_says_so(stored: Stored, capfd: pytest.CaptureFixture[str]) -> None:
    """A version of an earlier release, or of a trainer that writes no metadata.json."""
    check = a_check(stored.task, stored.trained, stored.data)
    assert stored.trainer(check).answer["outcome"] == "Succeeded"
    assert "metadata.json is read without a check" in "".join(capfd.readouterr())
    (stored.folder / "metadata.json").unlink()
    assert stored.trainer(check).answer["outcome"] == "Succeeded"
    assert "profile.json is read without a check" in "".join(capfd.readouterr())


def test_ledger_does_not_record_a_changed_list_of_files(stored: Stored) -> None:
    recipe = {"model": stored.task["model"], "data": {}}
    status = {"phase": "Live", **{key: stored.trained[key] for key in ("artifact", "data")}}
    entry = {"name": "20261101T120000Z-v1-Live", "trigger": {"reason": "Initial"}, "recipe": recipe, "status": status}
    task = {key: stored.task[key] for key in ("namespace", "modelDeployment", "version")}
    task |= {"task": "record", "entry": entry, "storage": stored.folder.parent.as_uri()}
    stored.change("metadata.json")
    answer = stored.trainer(task).answer
    assert (answer["outcome"], answer["reason"]) == ("Refused", "DigestMismatch"), answer


@pytest.mark.parametrize("name", ["model.skops", "model"])
def test_format_of_the_task_decides_how_a_model_is_read(stored: Stored, name: str) -> None:
    """Whatever the file is called: a joblib file is not loaded for a model whose format is skops."""
    (stored.folder / "model.joblib").rename(stored.folder / name)
    (stored.folder / "model.npz").unlink()  # which would answer without the pipeline
    version = {"uri": f"{stored.folder.as_uri()}/{name}"}
    assert stored.check(format="joblib", **version)["outcome"] == "Succeeded"
    answer = stored.check(format="skops", **version)
    assert (answer["outcome"], answer["reason"]) == ("Refused", "UnreadableArtifact"), answer
