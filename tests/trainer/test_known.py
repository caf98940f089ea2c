"""The rows of the live version are not trained on again, and values that are new to it are reported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perennial_trainer.contract.task import Version
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.profiling import profile
from perennial_trainer.profiling.build import build_profile
from perennial_trainer.profiling.novelty import find_novelties
from tests.trainer.tasks import Frame, Json, Trainer, a_training, a_version, diabetes, iris, written
from tests.trainer.test_quality import rows


class Clinic:
    """The live version, and candidates after it."""

    def __init__(self, trainer: Trainer, folder: Path, **changes: Any) -> None:
        self.trainer, self.folder, self.changes = trainer, folder, changes
        self.live: Json = {}

    def task(self, name: str, frame: Frame, **more: Any) -> Json:
        uri = written(frame, self.folder / f"data-{name}" / "a.csv")
        return a_training(uri, (self.folder / name).as_uri(), version=name, **self.changes, **more)

    def go_live(self, frame: Frame) -> None:
        self.live = self.trainer.done(self.task("v1", frame))

    def after(self, frame: Frame, **more: Any) -> Json:
        known = {"live": a_version(self.live, "v1"), "knownRows": self.live["data"]["sha256"]}
        return self.task("v2", frame, **known, **more)


@pytest.fixture
def clinic(trainer: Trainer, tmp_path: Path) -> Clinic:
    clinic = Clinic(trainer, tmp_path)
    clinic.go_live(diabetes().head(400))
    return clinic


@pytest.mark.parametrize(
    "same",
    [
        diabetes().head(400),
        pd.concat([diabetes().head(400), diabetes().head(30)]),  # only rows that are dropped
        pd.concat([diabetes().head(400), diabetes().tail(42).assign(target=None)]),  # and that have no label yet
        diabetes().head(400).assign(s2=0.0),  # and in columns that nobody reads
    ],
    ids=["same file", "repeated rows", "unlabelled rows", "other columns"],
)
def test_rows_of_live_version_are_rejected_as_no_new_rows(clinic: Clinic, same: Frame) -> None:
    code, answer = clinic.trainer(clinic.after(same))
    assert (code, answer["outcome"], answer["reason"]) == (3, "Refused", "NoNewRows"), answer
    assert "400 rows" in answer["message"] and "v1 was trained on" in answer["message"]
    assert not (clinic.folder / "v2").exists()


@pytest.mark.parametrize(
    "other",
    [diabetes(), diabetes().head(399), diabetes().head(400).assign(bmi=lambda f: f["bmi"] + 1)],
    ids=["more rows", "fewer rows", "other values"],
)
def test_other_rows_are_trained_on(clinic: Clinic, other: Frame) -> None:
    clinic.trainer.done(clinic.after(other))


def test_same_rows_are_trained_on_without_known_rows(clinic: Clinic) -> None:
    task = clinic.after(diabetes().head(400))
    del task["knownRows"]
    again = clinic.trainer.done(task)
    assert again["artifact"]["sha256"] == clinic.live["artifact"]["sha256"]


@pytest.mark.parametrize("window", [100, "5d"])
def test_window_without_new_rows_is_rejected(trainer: Trainer, tmp_path: Path, window: str | int) -> None:
    clinic = Clinic(trainer, tmp_path, data__timeColumn="day", data__window=window)
    clinic.go_live(diabetes())
    assert trainer(clinic.after(diabetes().tail(200))).answer["reason"] == "NoNewRows"
    newer = pd.concat([diabetes(), diabetes().head(1).assign(day="2026-02-01")])
    assert trainer(clinic.after(newer)).answer.get("reason") != "NoNewRows"


def findings(folder: Path) -> Any:
    return json.loads((folder / "metrics.json").read_text())["findings"]


def test_novel_values_are_counted_and_reported(clinic: Clinic) -> None:
    known = diabetes().head(400)
    newer = diabetes().astype({"sex": str, "bmi": float, "s1": float})
    newer.loc[[410, 411], "bmi"] = [99.5, 120.0]
    newer.loc[412, "s1"] = -5.0
    newer.loc[[413, 414, 415], "sex"] = ["x", "x", "y"]
    clinic.trainer.done(clinic.after(newer))
    novelties = findings(clinic.folder / "v2")["beyond"]
    bmi = f"about {known['bmi'].min():.0f} to {known['bmi'].max():.0f}"
    assert novelties["bmi"] == {"rows": 2, "known": bmi, "found": "about 100 to 120"}
    assert novelties["s1"]["rows"] == 1 and novelties["s1"]["found"] == "about -5"
    rare = "2 with fewer than 10 rows each"
    assert novelties["sex"] == {"rows": 3, "known": "2 categories", "found": rare}
    page = (clinic.folder / "v2" / "report.html").read_text()
    assert f"bmi that the live version was not trained on: about 100 to 120 in 2 rows; it was trained on {bmi}" in page
    assert f"sex that the live version was not trained on: {rare} in 3 rows; it was trained on 2 categories" in page


def test_values_within_the_known_range_are_no_finding(clinic: Clinic) -> None:
    patients = diabetes()
    usual = (
        patients.drop(columns=["sex", "day"]).apply(lambda c: c.between(c.quantile(0.02), c.quantile(0.98))).all(axis=1)
    )
    clinic.trainer.done(clinic.after(patients[usual]))
    assert findings(clinic.folder / "v2")["beyond"] == {}


def test_novel_target_values_are_reported(clinic: Clinic) -> None:
    task = clinic.after(diabetes().assign(target=lambda f: f["target"].mask(f.index == 5, 5000)))
    clinic.trainer.done(task)
    assert findings(clinic.folder / "v2")["beyond"]["target"] == {
        "rows": 1,
        "known": "other values",
        "found": "smaller or greater ones",
    }


@pytest.mark.parametrize("content", [None, b"{", b'{"rows": 1}'], ids=["none", "no JSON", "another trainer's"])
def test_unreadable_live_profile_does_not_stop_training(clinic: Clinic, content: bytes | None) -> None:
    stored = clinic.folder / "v1" / "profile.json"
    stored.unlink() if content is None else stored.write_bytes(content)
    clinic.trainer.done(clinic.after(diabetes()))
    assert findings(clinic.folder / "v2")["beyond"] == {}


def test_column_that_changed_kind_is_not_compared(tmp_path: Path) -> None:
    before = iris().rename(columns={"petal width (cm)": "category"}).assign(target=range(150))
    content = profile.encode_profile(
        build_profile(rows(before), ScoredRows(np.arange(150.0), np.arange(150.0)), {}, 150)
    )
    (tmp_path / "profile.json").write_bytes(content)
    live = Version(name="v1", uri=(tmp_path / "model.joblib").as_uri(), sha256="0" * 64)
    assert find_novelties(rows(before), live) == {}
    after = before.rename(columns={"category": "petal width (cm)"})
    assert "petal width (cm)" not in find_novelties(rows(after), live)
