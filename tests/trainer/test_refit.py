"""The refit: the proven recipe, fitted to the holdout too, and what its guards are judged by."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial_trainer.artifacts.model_file import load_model
from tests.trainer.tasks import (
    Frame,
    Json,
    Trainer,
    a_check,
    a_training,
    a_validation,
    a_version,
    breast_cancer,
    diabetes,
    written,
)

BY_TIME = {"data__timeColumn": "day", "refit": True}


class Clinic:
    """Trains versions on rows of patients, each with a refit."""

    def __init__(self, trainer: Trainer, folder: Path) -> None:
        self.trainer, self.folder = trainer, folder

    def task(self, frame: Frame, name: str = "v1", **changes: Any) -> Json:
        uri = written(frame, self.folder / f"data-{name}" / "a.parquet")
        return a_training(uri, (self.folder / name).as_uri(), version=name, **BY_TIME | changes)

    def train(self, frame: Frame, name: str = "v1", **changes: Any) -> Json:
        return self.trainer.done(self.task(frame, name, **changes))

    def validate(self, training: Json, trained: Json, live: Json | None = None, **changes: Any) -> Json:
        refit = a_version({"artifact": trained["refit"]["artifact"]}, training["version"])
        return self.trainer.done(a_validation(training, trained, live, refit=refit, **changes))


@pytest.fixture
def clinic(trainer: Trainer, tmp_path: Path) -> Clinic:
    return Clinic(trainer, tmp_path)


def the_refit(trained: Json, name: str = "v1") -> Json:
    return a_version({"artifact": trained["refit"]["artifact"]}, name)


def estimator(artifact: Json) -> Any:
    return load_model(artifact["uri"], artifact["sha256"])[-1]


def test_refit_learns_the_holdout_and_changes_no_other_file(clinic: Clinic) -> None:
    trained = clinic.train(diabetes())
    files = {each.name: each.read_bytes() for each in (clinic.folder / "v1").iterdir()}
    shutil.rmtree(clinic.folder / "v1")
    without = clinic.train(diabetes(), refit=False)
    assert trained["artifact"]["sha256"] == without["artifact"]["sha256"] and trained["metrics"] == without["metrics"]
    assert (trained["data"]["rows"], trained["refit"]["rows"]) == (354, 442)
    assert trained["refit"]["message"] == "fitted again to 442 rows, the holdout included"
    same = {each.name for each in (clinic.folder / "v1").iterdir() if files[each.name] == each.read_bytes()}
    assert files.keys() - same == {
        "refit.joblib",
        "refit-rows.npy",
        "metadata.json",
        "metrics.json",
        "profile.json",
        "report.html",
    }
    listed = json.loads(files["metadata.json"])["files"]
    assert listed["refit.joblib"]["sha256"] == trained["refit"]["artifact"]["sha256"]
    assert len(np.load(clinic.folder / "v1" / "rows.npy")) == 354


@pytest.mark.parametrize(
    ("changes", "frame", "why"),
    [
        ({"data__timeColumn": "day"}, diabetes(), None),
        ({}, diabetes(), "without data.timeColumn"),
    ],
)
def test_refit_needs_a_time_column(clinic: Clinic, changes: Json, frame: Frame, why: str | None) -> None:
    trained = clinic.trainer.done(
        a_training(
            written(frame, clinic.folder / "d" / "a.csv"), (clinic.folder / "v1").as_uri(), refit=True, **changes
        )
    )
    assert ("artifact" in trained["refit"]) == (why is None)
    assert (why or "fitted again") in trained["refit"]["message"]
