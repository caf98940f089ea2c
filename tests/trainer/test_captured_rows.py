"""Captured rows are joined with the labels that come later, and count as the rows of files do."""

from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from perennial_trainer.captured.encoding import decode_table, encode_table
from perennial_trainer.captured.keys import SECRET
from perennial_trainer.contract.data import RecentData
from perennial_trainer.contract.errors import FailedTask, RejectedTask
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.load import load_rows
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.rows import Rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.captured.files import CapturedFiles
from perennial_trainer.data.tables.captured.index import Index, read_index
from tests.trainer.captured import KEY_SECRET, NOW, capture, captured
from tests.trainer.tasks import Trainer, a_check, a_training, diabetes, written

COLUMNS = Columns(Features(numeric=("x",), categorical=()), "target", "regression", "asked")
OLD, YOUNG = "2026-01-20T10:00Z", "2026-01-31T10:00Z"  # of which the younger one is less than a day old


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, KEY_SECRET.decode())


def asked(*keys: str, time: str = OLD, **columns: Any) -> pd.DataFrame:
    """Requests with the feature x: 0, 1, 2 ..."""
    times = pd.date_range(time, periods=len(keys), freq="s")
    return pd.DataFrame({"x": range(len(keys)), "id": keys, "asked": times} | columns)


def labels(folder: Path, name: str = "1", **columns: Any) -> str:
    return written(pd.DataFrame(columns), folder / "labels" / f"{name}.csv")


def read(of: Any, notes: Notes | None = None, window: str | int = "all", **source: Any) -> Rows:
    data = msgspec.convert({"captured": of, "window": window, "timeColumn": "asked", **source}, RecentData)
    return load_rows(data, COLUMNS, NOW, notes, window=window)


def targets(of: Any, **source: Any) -> dict[float, float | None]:
    """The target of each row, by its feature."""
    rows = read(of, **source)
    return dict(zip(rows.features.x, rows.target.astype(object).where(rows.target.notna(), None), strict=True))


def test_newest_label_of_a_key_wins(tmp_path: Path) -> None:
    uri = capture(asked("a", "b"), tmp_path / "captured", "id", "asked")
    at = {"known": ["2026-01-22", "2026-01-21"]}
    labels(tmp_path, id=["a", "a"], target=[2, 1], **at)
    of_time = captured(uri, labels(tmp_path, "2", id=["b", "b"], target=["", 5], **at), timeColumn="known")
    assert targets(of_time) == {0: 2, 1: 5}
    of_order = captured(uri, labels(tmp_path, "3", id=["a", "b"], target=[7, ""], known=["2026-01-20"] * 2))
    assert targets(of_order) == {0: 7, 1: 5}


def test_rows_of_a_key_have_labels_of_their_own(tmp_path: Path) -> None:
    rows = asked("a", "a", "a", "b#1")
    uri = capture(rows, tmp_path / "captured", "id", "asked")
    by_key = labels(tmp_path / "1", id=["a", "a#2", "b#1", "none#1"], target=[1, 3, 4, 9])
    assert targets(captured(uri, by_key)) == {0: 1, 1: None, 2: 3, 3: 4}
    by_column = labels(tmp_path / "2", id=["a", "a", "b#1", "b"], n=[0, 2, 0, 1], target=[1, 3, 4, 9])
    assert targets(captured(uri, by_column, row="n")) == {0: 1, 1: None, 2: 3, 3: 4}


def test_rows_of_one_request_count_once(tmp_path: Path) -> None:
    uri = capture(asked("a", "b"), tmp_path / "captured", "id", "asked")
    capture(asked("a", time="2026-01-20T12:00Z"), tmp_path / "captured", "id", "asked", pod="again")
    capture(asked("a", "b"), tmp_path / "captured", "id", "asked", shadow=True, pod="copy")
    rows = read(captured(uri))
    assert (len(rows), rows.time.dt.hour.tolist()) == (2, [10, 10])  # type: ignore[union-attr]


def test_young_rows_have_no_label_yet(tmp_path: Path) -> None:
    uri = capture(asked("a"), tmp_path / "captured", "id", "asked")
    capture(asked("z", "b", time=YOUNG).tail(1), tmp_path / "captured", "id", "asked")
    of = labels(tmp_path, id=["a", "b"], target=[1, 2])
    assert targets(captured(uri, of)) == {0: 1, 1: None}
    assert targets(captured(uri, of, mature="1h")) == {0: 1, 1: 2}


def test_rows_of_before_count_once_and_weigh_less(tmp_path: Path) -> None:
    keys = [f"k{n}" for n in range(100)]
    uri = capture(asked(*keys), tmp_path / "captured", "id", "asked", share=0.25)
    alone = read(captured(uri)).features.x
    before = asked(f"k{int(alone[0])}", *(f"old{n}" for n in range(9)), target=1.0)
    files = written(before.assign(asked=before.asked.astype(str)), tmp_path / "before" / "1.csv")
    notes = Notes()
    rows = read(captured(uri, labels(tmp_path, id=keys, target=range(100))), notes, uri=files)
    assert (len(rows), notes.also_before) == (10 + len(alone) - 1, 1)
    assert rows.weights is not None
    assert rows.weights.weight.sum() == 10 * 0.25 + len(alone) - 1
    assert len(set(rows.weights.request)) == len(rows)
    assert rows.equal.columns.target  # each of these stands for four rows
    assert len(alone) - 1 <= len(rows.equal) < len(rows)


def test_files_of_other_hours_are_not_opened(tmp_path: Path) -> None:
    uri = capture(asked(*"abcd"), tmp_path / "captured", "id", "asked")
    old = tmp_path / "captured/date=2026-01-01/hour=00/broken.parquet"
    old.parent.mkdir(parents=True)
    old.write_text("not a parquet file")
    assert len(read(captured(uri), window="5d")) == 4
    assert len(read(captured(uri), window=2)) == 2
    with pytest.raises(RejectedTask, match="not valid parquet"):
        read(captured(uri))


def test_file_without_rows_is_read(tmp_path: Path) -> None:
    uri = capture(asked("a", "b"), tmp_path / "captured", "id", "asked")
    capture(asked("c", time="2026-01-20T12:00Z"), tmp_path / "captured", "id", "asked", pod="emptied")
    forget_in(next(tmp_path.glob("**/emptied-*.parquet")))
    assert len(read(captured(uri))) == len(read(captured(uri), window="5d")) == 2


def test_file_that_loses_rows_while_it_is_read_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = capture(asked("a", "b"), tmp_path / "captured", "id", "asked")

    def then_forget(files: CapturedFiles, version: str | None) -> Index:
        index = read_index(files, version)
        forget_in(next(tmp_path.glob("**/*.parquet")))
        return index

    monkeypatch.setattr("perennial_trainer.data.tables.captured.join.read_index", then_forget)
    with pytest.raises(FailedTask, match="has lost rows while it was read: the next run reads it again"):
        read(captured(uri))


def forget_in(file: Path) -> None:
    """The first row of the file is deleted."""
    file.write_bytes(encode_table(decode_table(file.read_bytes()).slice(1)))


def test_labels_need_the_secret_unless_keys_are_in_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = capture(asked("a"), tmp_path / "captured", "id", "asked")
    monkeypatch.delenv(SECRET)
    of = captured(uri, labels(tmp_path, id=["a"], target=[1]))
    with pytest.raises(RejectedTask, match="has no PERENNIAL_CAPTURE_KEY"):
        read(of)
    assert targets({**of, "keyInClear": True}) == {0: None}  # no key is stored as it is


def test_no_labels_yet_is_said(tmp_path: Path) -> None:
    uri, notes = capture(asked("a"), tmp_path / "captured", "id", "asked"), Notes()
    (tmp_path / "labels").mkdir()
    assert len(read(captured(uri, (tmp_path / "labels").as_uri()), notes)) == 1
    assert "there is no label yet" in notes.suffix()


def patients(every: str = "10min") -> pd.DataFrame:
    """Requests of 442 patients, of which the last are younger than a day."""
    times = pd.date_range(end="2026-01-31T12:00Z", periods=442, freq=every)
    return diabetes().assign(id=[f"p{n}" for n in range(442)], asked=times).drop(columns="day")


def train(trainer: Trainer, folder: Path, **data: Any) -> dict[str, Any]:
    task = a_training(data.pop("uri", ""), (folder / "v1").as_uri(), data__timeColumn="asked", now=NOW.isoformat())
    if not task["data"]["uri"]:
        del task["data"]["uri"]
    return task | {"data": task["data"] | data}


def test_training_on_captured_rows_is_one_on_files(trainer: Trainer, tmp_path: Path) -> None:
    rows = patients()
    uri = capture(rows, tmp_path / "captured", "id", "asked")
    known = labels(tmp_path, id=rows.id, target=rows.target)
    ours = trainer.done(train(trainer, tmp_path / "ours", captured=captured(uri, known)))
    of_files = written(rows[rows.asked <= "2026-01-31"], tmp_path / "files" / "1.parquet")
    theirs = trainer.done(train(trainer, tmp_path / "theirs", uri=of_files))
    assert ours["data"]["sha256"] == theirs["data"]["sha256"]
    assert ours["metrics"] == pytest.approx(theirs["metrics"])
    assert any("wait for one" in each for each in ours["findings"])


def test_check_of_captured_rows_measures_labelled_ones(trainer: Trainer, tmp_path: Path) -> None:
    rows = patients()
    training = train(trainer, tmp_path, uri=written(rows.drop(columns="id"), tmp_path / "files" / "1.parquet"))
    trained = trainer.done(training)
    uri = capture(rows, tmp_path / "captured", "id", "asked")
    known = labels(tmp_path, id=rows.id[100:], target=rows.target[100:] + 100)
    data = {"captured": captured(uri, known), "window": "all", "timeColumn": "asked"}
    check = a_check(training, trained, "", now=NOW.isoformat()) | {"data": data}
    ours = trainer.done(check)
    late = rows[(rows.index >= 100) & (rows.asked <= "2026-01-31")]
    labelled = rows.assign(target=(late.target + 100).reindex(rows.index))
    files = written(labelled, tmp_path / "recent" / "1.parquet")
    theirs = trainer.done(check | {"data": {"uri": files, "window": "all", "timeColumn": "asked"}})
    values, same = ([each["value"] for each in of["metrics"]] for of in (ours, theirs))
    assert values == pytest.approx(same)
    assert (ours["samples"], ours["waiting"]) == (442, 442 - len(late))
    assert f"{442 - len(late)} rows wait for their label, which counts after 1d" in ours["message"]
    assert "waiting" not in theirs
