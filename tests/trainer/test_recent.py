"""A stream has the same rows, the same window and the same metrics as a table loaded at once."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial_trainer.contract.data import RecentData
from perennial_trainer.contract.task import Features
from perennial_trainer.data import load
from perennial_trainer.data.categories import sorted_classes
from perennial_trainer.data.rows import Rows, concatenate, sort_by_time
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.window import rows_in_window
from perennial_trainer.drift.recent_rows.batch import Batch
from perennial_trainer.drift.recent_rows.selection import recent_batches
from perennial_trainer.metrics.evaluate import measure_all
from perennial_trainer.metrics.sampling import EvenSample
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.metrics.streaming import StreamedMetrics
from tests.trainer.tasks import Frame, written

FEATURES = Features(numeric=("temp",), categorical=("season",))


def rides(rows: int, seed: int = 0) -> Frame:
    """Unordered, of few hours, so that many rows have the same; one in ten has none."""
    generator = np.random.default_rng(seed)
    hours = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(generator.integers(0, 30, rows), unit="h")
    return pd.DataFrame(
        {
            "temp": generator.normal(size=rows).round(3),
            "season": generator.choice(["01", "1", "winter"], rows),
            "cnt": np.arange(rows),
            "hour": pd.Series(hours).where(generator.random(rows) > 0.1),
        }
    )


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perennial_trainer.data.files.parquet_file.BATCH", 64)
    monkeypatch.setattr("perennial_trainer.data.files.csv_file.BLOCK", 2048)


def both(folder: Path, window: str | int, time: str | None) -> tuple[Rows, Rows]:
    """The rows of the window that have a time, read at once, and in a stream."""
    columns = Columns(FEATURES, "cnt", "regression", time)
    once = load.load_rows(folder.as_uri(), columns)
    once = rows_in_window(once if once.time is None else once.take(once.time.notna().to_numpy()), window)
    parts = recent_batches(RecentData(uri=folder.as_uri(), time_column=time, window=window), columns)
    batches = [part.rows for part in parts]
    assert all(0 < len(batch) <= 350 for batch in batches)
    empty = once.take(slice(0, 0))
    return once, sort_by_time(concatenate(batches or [empty]))


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize(
    ("time", "window"),
    [*itertools.product(["hour", None], ["all", "auto", 1, 150, 500, 10_000]), ("hour", "7h"), ("hour", "90d")],
)
def test_window_selects_same_rows_of_stream_and_table(
    tmp_path: Path, suffix: str, time: str | None, window: str | int
) -> None:
    for number in range(3):
        written(rides(250, number), tmp_path / f"{number}.{suffix}")
    once, streamed = both(tmp_path, window, time)
    pd.testing.assert_frame_equal(streamed.table(), once.table())


@pytest.mark.parametrize(
    ("temp", "season"),
    [
        (pa.array([1.5, None, float("nan"), -0.0]), pa.array(["a", None, "b", "a"]).dictionary_encode()),
        (pa.array([1, None, 3, 2**53 + 1]), pa.array(["1", "1.0", "TRUE", ""]).dictionary_encode()),
        (pa.array([1, 2, 3, 4], pa.uint8()), pa.array([1, 2, None, 1]).dictionary_encode()),
        (pa.array([0.1, 2, None, 4], pa.float32()), pa.array(["a", "b", "01", "1"])),
        (pa.array([1, None, 2, 2]), pa.array([7, None, -1, 7])),
        (pa.array([True, None, False, True]), pa.array([True, False, None, True])),
        (pa.array(["1", " 2 ", None, "1e3"]), pa.array([1.0, 2.5, None, 1.0])),
        (pa.nulls(4, pa.float64()), pa.nulls(4, pa.string()).dictionary_encode()),
    ],
)
@pytest.mark.parametrize("part", [slice(0, 4), slice(1, 4), slice(2, 3)])
def test_counts_without_conversion_equal_counts_of_model_input(temp: Any, season: Any, part: slice) -> None:
    table = pa.table({"temp": temp, "season": season, "cnt": pa.array([1.0, None, 2.0, 3.0])})[part]
    batch = Batch(Columns(FEATURES, "cnt", "regression", None), table, "a.parquet")
    np.testing.assert_array_equal(batch.numeric_values("temp"), batch.rows.features["temp"])
    assert batch.category_counts("season") == batch.rows.features["season"].value_counts().to_dict()
    assert batch.labelled.tolist() == batch.rows.target.notna().tolist()
    assert batch.take(np.arange(1)).rows.table().equals(batch.rows.take(slice(0, 1)).table())


@given(st.lists(st.lists(st.integers(0, 3) | st.none(), max_size=6), max_size=6), st.integers(1, 12))
def test_later_of_rows_with_equal_time_is_newer(parts: list[list[int | None]], wanted: int) -> None:
    from perennial_trainer.drift.recent_rows.selection import MISSING, cutoff_of_last

    times = [np.array([MISSING if each is None else each for each in part], dtype=np.int64) for part in parts]
    cutoff = cutoff_of_last(iter(times), wanted)
    recent = np.concatenate([cutoff.is_recent(part) for part in times] or [np.empty(0, dtype=bool)])
    whole = np.concatenate([*times, np.empty(0, dtype=np.int64)])
    expected = np.zeros(len(whole), dtype=bool)
    expected[np.argsort(whole, kind="stable")[max(0, len(whole) - wanted) :]] = True
    assert recent.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("first", "later"), [("1", "1.5"), ("1", ""), ("", "1"), ("0.5", " 2 "), ("NaN", "1e3"), ("true", "False")]
)
def test_csv_with_different_later_blocks_reads_as_whole_file(tmp_path: Path, first: str, later: str) -> None:
    lines = [f"{first},01,{number}" for number in range(400)] + [f"{later},1,{number}" for number in range(400)]
    (tmp_path / "a.csv").write_text("\n".join(["temp,season,cnt", *lines]) + "\n")
    once, streamed = both(tmp_path, "all", None)
    pd.testing.assert_frame_equal(streamed.table(), once.table())


def test_files_without_rows_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "b.csv").write_text("temp,season,cnt\n")
    written(rides(0), tmp_path / "c.parquet")
    written(rides(5), tmp_path / "d.parquet")
    once, streamed = both(tmp_path, "all", None)
    assert len(once) == len(streamed) == 5


def in_parts(scored: ScoredRows, size: int) -> StreamedMetrics:
    metrics = StreamedMetrics()
    for start in range(0, len(scored), size):
        inside = np.zeros(len(scored), dtype=bool)
        inside[start : start + size] = True
        metrics.add(scored.take(inside))
    return metrics


@given(st.integers(0, 2**32), st.integers(1, 200), st.sampled_from([1, 7, 64]), st.sampled_from([0.0, 1e6]))
def test_regression_metrics_of_batches_equal_those_of_all_rows(seed: int, rows: int, size: int, far: float) -> None:
    generator = np.random.default_rng(seed)
    truth = far + generator.normal(size=rows)
    scored = ScoredRows(truth, truth + generator.normal(size=rows))
    once, batches = measure_all(scored), in_parts(scored, size).measurements()
    assert list(batches) == list(once)
    for name, each in once.items():
        assert batches[name].value == pytest.approx(each.value, rel=1e-6)
        assert (batches[name].standard_error or 0) == pytest.approx(each.standard_error or 0, rel=1e-6)


@given(st.integers(0, 2**32), st.integers(1, 150), st.sampled_from([1, 7, 64]), st.integers(2, 4))
def test_classifier_metrics_of_batches_equal_those_of_all_rows(seed: int, rows: int, size: int, classes: int) -> None:
    generator = np.random.default_rng(seed)
    probability = generator.dirichlet(np.ones(classes), rows)
    scored = ScoredRows(
        generator.integers(0, classes, rows), probability.argmax(axis=1), tuple("abcd"[:classes]), probability
    )
    once, batches = measure_all(scored), in_parts(scored, size).measurements()
    assert list(batches) == list(once)
    for name, each in once.items():
        assert batches[name].value == pytest.approx(each.value, rel=1e-9)


def test_class_of_a_later_batch_counts_from_the_start() -> None:
    def scored(truth: list[str], classes: tuple[str, ...]) -> ScoredRows:
        probability: Any = np.zeros((len(truth), len(classes)))
        probability[:, classes.index("a")], probability[:, classes.index("c")] = 0.7, 0.3
        return ScoredRows(
            np.array([classes.index(name) for name in truth]),
            np.full(len(truth), classes.index("a")),
            classes,
            probability,
        )

    metrics = StreamedMetrics()
    metrics.add(scored(["a", "c"], ("a", "c")))
    metrics.add(scored(["a", "b"], sorted_classes(["a", "b", "c"])))
    assert metrics.measurements() == pytest.approx(measure_all(scored(["a", "c", "a", "b"], ("a", "b", "c"))))


def test_only_roc_auc_of_many_rows_uses_a_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("perennial_trainer.metrics.totals.SAMPLE", 5000)
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, 60_000)
    score = np.clip(generator.normal(0.4 + 0.2 * truth, 0.2), 0, 1)
    scored = ScoredRows(truth, (score > 0.5).astype(int), ("a", "b"), np.column_stack([1 - score, score]))
    performance = in_parts(scored, 1000)
    assert 2500 <= sum(map(len, performance._totals.sample.batches)) <= 5000
    once, batches = measure_all(scored), performance.measurements()
    assert batches["f1"].value == pytest.approx(once["f1"].value)
    assert batches["log_loss"].value == pytest.approx(once["log_loss"].value)
    assert batches["roc_auc"].value == pytest.approx(once["roc_auc"].value, abs=0.03)


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 40))
def test_even_sample_has_regular_steps_and_half_its_limit(sizes: list[int], most: int) -> None:
    sample: EvenSample[ScoredRows] = EvenSample(most)
    whole = np.arange(sum(sizes))
    for end, size in zip(np.cumsum(sizes), sizes, strict=True):
        part = whole[end - size : end]
        sample.add(ScoredRows(part, part))
    kept = [number for part in sample.batches for number in part.target]
    assert kept == whole[:: sample.step].tolist()
    assert min(len(whole), most // 2) <= len(kept) <= most
