"""The operator's own tasks, run by the trainer on real rows: its results get the right verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perennial_operator.core.actions import Create
from tests.builders import task_of
from tests.simulation.play import Play, a_play
from tests.trainer.tasks import Frame, Trainer, written

STORAGE = "s3://models/perennial"
CHECK = {"schedule": "*/15 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}}


def rows_of(count: int, seed: int) -> Frame:
    generator = np.random.default_rng(seed)
    x, z = generator.normal(size=(2, count))
    target = 5 * x + z + generator.normal(size=count) * 0.5
    return pd.DataFrame({"feature1": x, "feature2": z, "target": target})


class Loop:
    """A play whose Jobs of training and drift checks the trainer runs, each on the rows that are given."""

    def __init__(self, trainer: Trainer, folder: Path, training: Frame, **drift: Any) -> None:
        self.trainer, self.folder = trainer, folder
        self.play: Play = a_play(drift={"check": CHECK, "cooldown": "1m"} | drift)
        self.play.settle()
        task = self._task("bike-v1-train", training)
        self.trained = self._run(task)
        self.play.finish("bike-v1-train", self.trained)
        scores = {"candidate": self.trained["metrics"]}
        validated = {"task": "validate", "outcome": "Succeeded", "message": "scored", "holdoutRows": 200}
        self.play.finish("bike-v1-validate", validated | {"metrics": scores})
        self.play.pods_ready()
        assert self.play.phases() == {"bike-v1": "Live"}

    def check(self, recent: Frame) -> tuple[str | None, str]:
        self.play.wait(minutes=15)
        (job,) = [name for name in self.play.jobs if "-check-" in name]
        task = self._task(job, recent)
        self.play.finish(job, self._run(task))
        return self.play.outcome(job)

    def _task(self, job: str, frame: Frame) -> dict[str, Any]:
        manifests = [each.manifest for each in self.play.done if isinstance(each, Create)]
        task = task_of(next(each for each in manifests if each["metadata"]["name"] == job))
        task["data"]["uri"] = written(frame, self.folder / "rows" / job / "a.parquet")
        return task

    def _run(self, task: dict[str, Any]) -> dict[str, Any]:
        """The result, as if the folder were the bucket of spec.storage."""
        result = self.trainer.done(json.loads(json.dumps(task).replace(STORAGE, self.folder.as_uri())))
        stored: dict[str, Any] = json.loads(json.dumps(result).replace(self.folder.as_uri(), STORAGE))
        return stored


def test_check_of_the_holdout_is_exactly_at_its_baseline(trainer: Trainer, tmp_path: Path) -> None:
    """Kind 1: 5 % of a feature are missing; a check that counted other rows would breach, and no training end it."""
    frame = rows_of(2000, 1)
    frame.loc[np.random.default_rng(2).random(2000) < 0.05, "feature1"] = np.nan
    thresholds = [{"metric": "mse", "maxIncrease": 1e-9}, {"metric": "psi", "max": 0.2}]
    loop = Loop(trainer, tmp_path, frame, thresholds=thresholds)
    outcome, message = loop.check(pd.read_parquet(tmp_path / "default" / "bike" / "bike-v1" / "holdout.parquet"))
    assert outcome == "WithinThresholds", message


def test_late_labels_are_not_measured(trainer: Trainer, tmp_path: Path) -> None:
    """Kind 3."""
    thresholds = [{"metric": "mse", "max": 1.0}, {"metric": "psi", "max": 0.2}]
    loop = Loop(trainer, tmp_path, rows_of(2000, 1), thresholds=thresholds)
    outcome, message = loop.check(rows_of(1000, 3).assign(target=np.nan))
    assert outcome == "NotMeasured"
    assert message.startswith("mse was not measured: no row of the window has a target; within thresholds: psi of")
    assert loop.check(rows_of(1000, 4))[0] == "WithinThresholds"


def test_value_by_chance_is_no_breach_and_drift_is(trainer: Trainer, tmp_path: Path) -> None:
    """Kind 9: with so low a limit, the psi of 200 rows without drift is beyond it."""
    loop = Loop(trainer, tmp_path, rows_of(2000, 1), thresholds=[{"metric": "psi", "max": 0.005}])
    outcome, message = loop.check(rows_of(200, 5))
    assert outcome == "WithinThresholds", message
    assert "beyond the limit, but within chance: psi of" in message
    outcome, message = loop.check(rows_of(1000, 6).assign(feature1=lambda f: f["feature1"] + 0.5))
    assert outcome == "Triggered", message
    assert message.startswith("psi of feature1 is") and "judged by the limit alone" not in message


def test_broken_feature_is_bad_data_until_it_is_repaired(trainer: Trainer, tmp_path: Path) -> None:
    """Kind 17: 60 % of a feature are missing."""
    loop = Loop(trainer, tmp_path, rows_of(2000, 1))
    for number in range(4):
        broken = rows_of(1000, 10 + number)
        broken.loc[np.random.default_rng(number).random(1000) < 0.6, "feature1"] = np.nan
        outcome, message = loop.check(broken)
        assert outcome == "BadData", message
        assert "feature1 is missing in 6" in message or "feature1 is missing in 5" in message
        assert message.endswith("raise spec.drift.quality.maxMissing") is (number >= 2)
    assert list(loop.play.phases()) == ["bike-v1"]
    assert loop.check(rows_of(1000, 20))[0] == "WithinThresholds"
    assert loop.play.condition("Checked")["status"] == "True"
