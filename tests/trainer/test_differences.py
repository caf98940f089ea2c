"""A comparison of two files without a model reports the same drift as a drift check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from perennial_trainer.contract.data import RecentData
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Features
from perennial_trainer.data.schema import Columns
from perennial_trainer.drift.compare import compare_with_reference
from tests.trainer.tasks import Frame, Json, Trainer, a_check, a_model, a_training, diabetes, written

MODEL = a_model()
FEATURES = Features(**{kind: tuple(names) for kind, names in MODEL["features"].items()})


def compared(before: Frame, after: Frame, tmp_path: Path, time: str | None = None, window: Any = "all") -> Json:
    uris = [written(frame, tmp_path / name / "rows.parquet") for name, frame in (("before", before), ("after", after))]
    source = RecentData(uri=uris[1], window=window, **({"time_column": time} if time else {}))
    result: Json = msgspec.to_builtins(
        compare_with_reference(uris[0], source, Columns(FEATURES, "target", "regression", time))
    )
    return result


def values(answer: Json, name: str) -> dict[str | None, float]:
    return {each.get("feature"): each["value"] for each in answer["metrics"] if each["name"] == name}


def test_same_rows_have_no_drift(tmp_path: Path) -> None:
    answer = compared(diabetes(), diabetes(), tmp_path)
    assert (answer["samples"], values(answer, "drifted_share")[None], values(answer, "target_psi")[None]) == (442, 0, 0)
    assert max(values(answer, "psi").values()) == 0


def test_comparison_reports_features_and_target_as_a_check_does(trainer: Trainer, tmp_path: Path) -> None:
    frame = diabetes()
    moved = frame.assign(bmi=frame["bmi"] + 5, target=frame["target"] * 2)
    training = a_training(written(frame, tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri())
    trained = trainer.done(training)
    checked = trainer.done(a_check(training, trained, written(moved, tmp_path / "recent" / "b.csv")))
    answer = compared(frame, moved, tmp_path)
    of_model = ("prediction_psi", "mse", "rmse", "mae", "r2")
    names = [(each["name"], each.get("feature")) for each in checked["metrics"] if each["name"] not in of_model]
    assert sorted(names) == sorted((each["name"], each.get("feature")) for each in answer["metrics"])
    # The check's reference is the training share of the rows, ours is all of them.
    assert next(iter(values(checked, "psi"))) == next(iter(values(answer, "psi"))) == "bmi"
    assert values(checked, "psi")["bmi"] == pytest.approx(values(answer, "psi")["bmi"], rel=0.2)


def test_only_features_are_compared_without_target(tmp_path: Path) -> None:
    answer = compared(diabetes(), diabetes().drop(columns="target"), tmp_path)
    assert not values(answer, "target_psi") and len(values(answer, "psi")) == 6
    answer = compared(diabetes().drop(columns="target"), diabetes(), tmp_path)
    assert not values(answer, "target_psi")


def test_window_counts_back_from_the_newest_row(tmp_path: Path) -> None:
    answer = compared(diabetes(), diabetes(), tmp_path, time="day", window="24h")
    assert answer["samples"] == 24
    assert answer["window"] == {"start": "2026-01-18T10:00:00Z", "end": "2026-01-19T09:00:00Z"}


@pytest.mark.parametrize(("before", "after"), [(0, 442), (442, 0)])
def test_comparison_without_rows_is_rejected(before: int, after: int, tmp_path: Path) -> None:
    with pytest.raises(RejectedTask, match="no row"):
        compared(diabetes().head(before), diabetes().head(after), tmp_path)


def test_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(RejectedTask, match="bmi is missing"):
        compared(diabetes(), diabetes().drop(columns="bmi"), tmp_path)
