"""Kinds 16, 22 and 26: a few unreadable values are counted and left out; the problems of the data come together."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perennial_trainer.data.values.times import readable_times
from tests.trainer.tasks import Frame, Trainer, a_check, a_training, diabetes, written

SECONDS = 1767322800  # 2026-01-02 03:00 UTC


@pytest.mark.parametrize(
    "values",
    [
        [SECONDS, 0, SECONDS + 1],
        [SECONDS, -1, SECONDS + 1],
        [str(SECONDS), "ERR", str(SECONDS + 1)],
        [float(SECONDS), np.inf, SECONDS + 1.0],
        [20260102, 0, 20260103],
        ["2026-01-02", "soon", "2026-01-03"],
        ["2026-01-02", "2026-13-45", "2026-01-03"],
        ["2026-01-02T03:00:00Z", "0000-00-00 00:00:00", "2026-01-03"],
    ],
)
def test_one_unreadable_time_leaves_the_others(values: list[Any]) -> None:
    times, unreadable = readable_times("t", values)
    assert times.dt.year.tolist()[::2] == [2026, 2026] and times.isna()[1]
    assert unreadable is not None and unreadable.mask.tolist() == [False, True, False]


def odd(frame: Frame, column: str, value: str, rows: list[int]) -> Frame:
    values = frame[column].astype(str)
    values.iloc[rows] = value
    return frame.assign(**{column: values})


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("column", "value"), [("target", "ERR"), ("target", "inf"), ("target", "1e300"), ("day", "soon")]
)
def test_odd_targets_and_times_are_left_out(
    trainer: Trainer, tmp_path: Path, column: str, value: str, suffix: str
) -> None:
    """The version and the check are those of the rows without them."""
    task = a_training("", (tmp_path / "v1").as_uri(), data__timeColumn="day")
    data = {"odd": odd(diabetes(), column, value, [7, 20]), "rest": diabetes().drop(index=[7, 20])}
    trained = {}
    for name, frame in data.items():
        uri = written(frame, tmp_path / name / f"a.{suffix}")
        trained[name] = trainer.done(task | {"data": task["data"] | {"uri": uri}})
    assert trained["odd"]["data"]["sha256"] == trained["rest"]["data"]["sha256"]
    assert trained["odd"]["artifact"]["sha256"] == trained["rest"]["artifact"]["sha256"]
    assert any(each.startswith("2 of 442 values of the") for each in trained["odd"]["findings"])
    check = a_check(task, trained["odd"], (tmp_path / "odd").as_uri(), data__timeColumn="day")
    checked = trainer.done(check)
    assert f"{column} 2" in checked["message"] and checked["samples"] == (440 if column == "day" else 442)
    if column == "target":
        assert "440 with a target" in checked["message"]


@pytest.mark.parametrize(("column", "reason"), [("target", "NonNumericTarget"), ("day", "UnreadableTime")])
def test_many_unreadable_values_are_refused_with_their_line(
    trainer: Trainer, tmp_path: Path, column: str, reason: str
) -> None:
    task = a_training(written(diabetes(), tmp_path / "good" / "a.csv"), (tmp_path / "v1").as_uri())
    trained = trainer.done(task)
    uri = written(odd(diabetes(), column, "ERR", list(range(5, 105))), tmp_path / "odd" / "a.csv")
    for each in (
        task | {"data": task["data"] | {"uri": uri, "timeColumn": "day"}},
        a_check(task, trained, uri, data__timeColumn="day"),
    ):
        _, result = trainer(each)
        assert result["reason"] == reason
        assert (
            f"/a.csv, line 7: 100 of 442 values of the {'target' if column == 'target' else 'time'}"
            in result["message"]
        )


def test_problems_of_files_and_of_rows_come_together(trainer: Trainer, tmp_path: Path) -> None:
    frame = diabetes()
    frame.loc[frame.index < 200, "s1"] = np.nan
    frame["s5"] = frame["target"] * 2 + 1
    uri = written(frame.drop(columns="bmi"), tmp_path / "data" / "a.csv")
    (tmp_path / "data" / "b.csv").write_text("age,sex\n1,2,3\n")
    (tmp_path / "data" / "c.parquet").write_bytes(b"PAR1 no more")
    _, result = trainer(a_training(uri, (tmp_path / "v1").as_uri(), data__holdout=0.0001))
    expected = ("MissingColumn", "UnreadableFile", "TooManyMissing", "LeakingColumn", "HoldoutTooSmall")
    assert [each for each in expected if each not in result["message"]] == [], result["message"]
    assert result["message"].startswith("5 problems of the data: ") and "(and 1 more files)" in result["message"]


def test_one_class_to_train_on_is_one_of_the_problems(trainer: Trainer, tmp_path: Path) -> None:
    """The first class ends before the newest rows begin, so that each side has one class."""
    frame = diabetes().assign(target=["ill"] * 400 + ["well"] * 42)
    frame["bp"] = frame["bp"].where(frame.index % 2 == 0)
    changes = {"data__timeColumn": "day", "model__task": "classification", "model__positiveClass": "dead"}
    uri = written(frame, tmp_path / "data" / "a.csv")
    estimator = "sklearn.linear_model.LogisticRegression"
    _, result = trainer(a_training(uri, (tmp_path / "v1").as_uri(), model__estimator=estimator, **changes))
    for reason in ("TooManyMissing", "SingleClass", "UnknownPositiveClass"):
        assert reason in result["message"], result["message"]


def test_absent_time_column_is_one_problem(trainer: Trainer, tmp_path: Path) -> None:
    frame = diabetes().drop(columns="day")
    frame["bp"] = frame["bp"].where(frame.index % 2 == 0)
    changes = {"data__timeColumn": "day", "data__window": "90d"}
    _, result = trainer(a_training(written(frame, tmp_path / "d" / "a.csv"), (tmp_path / "v1").as_uri(), **changes))
    assert "2 problems of the data: (1) MissingColumn" in result["message"]
    assert "(2) TooManyMissing: 50.0% of column bp" in result["message"]


def test_unusable_feature_hides_no_other_problem(trainer: Trainer, tmp_path: Path) -> None:
    """No row could be served, so none has a target; what else is wrong with the targets is reported all the same."""
    frame = diabetes().assign(target="ill", bmi="32,1 kg")
    changes = {"model__task": "classification", "model__positiveClass": "well"}
    uri = written(frame, tmp_path / "data" / "a.csv")
    estimator = "sklearn.linear_model.LogisticRegression"
    _, result = trainer(a_training(uri, (tmp_path / "v1").as_uri(), model__estimator=estimator, **changes))
    for reason in ("(1) NonNumericFeature", "SingleClass", "UnknownPositiveClass"):
        assert reason in result["message"], result["message"]
