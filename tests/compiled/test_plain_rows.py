"""Rows that need no conversion get the same scores without a data frame."""

from dataclasses import astuple
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from perennial_trainer.compiled.build import compile_pipeline
from perennial_trainer.compiled.pipeline import CompiledPipeline
from perennial_trainer.contract.task import Kind
from perennial_trainer.data.schema import REQUEST, WEIGHT, Columns
from perennial_trainer.data.values.plain_rows import Coded, PlainRows, counts_of
from perennial_trainer.drift.recent_rows.arrow_values import coded, value_counts
from perennial_trainer.drift.recent_rows.batch import Batch
from perennial_trainer.models.scoring import score
from tests.compiled.pipelines import FEATURES, fitted, rides

ROWS = 90
CHUNKS = ((0, 90), (0, 37, 90), (5, 5, 60))
CASES: list[tuple[str, Kind, list[Any]]] = [
    ("sklearn.linear_model.Ridge", "regression", [0.0, -1.5, None, 3]),
    ("sklearn.ensemble.HistGradientBoostingRegressor", "regression", [1.0, 2.0]),
    ("sklearn.linear_model.LogisticRegression", "classification", ["low", "middle", None, "", "unheard of", "high"]),
    ("sklearn.svm.LinearSVC", "classification", ["low", "high"]),
]


def a_batch(kind: Kind, targets: list[Any], chunks: tuple[int, ...], weighted: bool) -> Batch:
    frame = rides(ROWS, 3)
    columns = {name: pa.array(frame[name], from_pandas=True) for name in frame}
    columns |= {name: columns[name].dictionary_encode() for name in FEATURES.categorical}
    target = pa.array([targets[row % len(targets)] for row in range(ROWS)])
    columns["y"] = target if kind == "regression" else target.dictionary_encode()
    if weighted:
        columns |= {WEIGHT: pa.array([0.5, 1.0] * (ROWS // 2)), REQUEST: pa.array(range(ROWS), pa.uint64())}
    whole = pa.table(columns)
    parts = [whole[first:end] for first, end in pairwise(chunks)]
    return Batch(Columns(FEATURES, "y", kind, None), pa.concat_tables(parts), "rides.parquet")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
@pytest.mark.parametrize(("name", "kind", "targets"), CASES)
def test_plain_rows_have_the_scores_of_converted_rows(
    name: str, kind: Kind, targets: list[Any], chunks: tuple[int, ...], weighted: bool
) -> None:
    batch, model = a_batch(kind, targets, chunks, weighted), CompiledPipeline(compile_pipeline(fitted(name, kind, 3)))
    rows, plain = batch.rows, batch.plain
    assert plain
    labelled = rows.target.notna().to_numpy()
    assert batch.labelled.tolist() == labelled.tolist()
    of_rows, of_plain = (score(model, each.take(labelled).equal) for each in (rows, plain))
    for expected, given in zip(astuple(of_rows), astuple(of_plain), strict=True):
        np.testing.assert_equal(given, expected)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("temp", pa.array([1e39] * ROWS)),
        ("temp", pa.array(["1"] * ROWS)),
        ("day", pa.array(["mon"] * ROWS)),
        ("y", pa.array(["1"] * ROWS)),
    ],
)
def test_rows_that_need_a_conversion_are_not_plain(column: str, values: pa.Array) -> None:
    batch = a_batch("regression", [1.0], (0, ROWS), False)
    table = batch.table.set_column(batch.table.column_names.index(column), column, values)
    assert Batch(batch.columns, table, "rides.parquet").plain is None


def test_categories_with_one_name_are_one_category() -> None:
    places = np.array([0, 1, 2, 3, -1, 1])
    assert counts_of(Coded.named([1, "1", " ", True], places)) == {"1": 3, "true": 1}
    assert counts_of(Coded.of(np.array(["b", "a", "b"], dtype=object))) == {"b": 2, "a": 1}


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.uint32(), pa.int64()])
def test_codes_of_any_type_are_read(kind: pa.DataType) -> None:
    names = [f"n{number}" for number in range(100)]
    places = pa.array([99, None, 0], kind)
    column = pa.chunked_array([pa.DictionaryArray.from_arrays(places, names)] * 3)
    read = coded(column)
    assert read and [read.names[each] if each >= 0 else None for each in read.places] == ["n99", None, "n0"] * 3
    values, counts = value_counts(column.chunk(0))
    assert dict(zip(values, counts.tolist(), strict=True)) == dict.fromkeys(names, 0) | {"n99": 1, "n0": 1}


def test_plain_rows_are_taken_by_mask_and_by_position() -> None:
    plain = a_batch("classification", ["low", "high"], (0, ROWS), True).plain
    assert isinstance(plain, PlainRows)
    by_mask, by_position = plain.take(np.arange(ROWS) % 2 == 0), plain.take(np.arange(0, ROWS, 2))
    assert counts_of(by_mask.target) == counts_of(by_position.target) == {"low": ROWS // 2}
    np.testing.assert_equal(by_mask.features["temp"], by_position.features["temp"])
