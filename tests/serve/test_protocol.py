"""Whatever a client sends, it is either read whole or refused with a sentence."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial_trainer.serve import protocol
from perennial_trainer.serve.tensors import BadRequestError
from tests.serve.processes import MIXED
from tests.serve.requests import tensor

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
shapes = st.lists(st.integers(-1, 3), max_size=3) | anything
datatypes = st.sampled_from(["FP64", "INT8", "UINT64", "BOOL", "BYTES"]) | anything
tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["temp", "hum", "season"]) | anything,
        "shape": shapes,
        "datatype": datatypes,
        "data": st.lists(anything, max_size=3) | anything,
    },
)
almost = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, max_size=4)}, optional={"id": anything, "outputs": anything}
)


@given(st.binary() | (anything | almost).map(orjson.dumps))
def test_a_bad_body_is_refused_with_a_sentence_and_nothing_else(body: bytes) -> None:
    try:
        inference = protocol.read_request(body, MIXED, ["predict"])
    except BadRequestError as error:
        assert str(error)
    else:
        assert all(len(column) == inference.rows > 0 for column in inference.columns.values())


@given(
    st.lists(
        st.tuples(*[st.none() | st.floats(-3.4e38, 3.4e38)] * 2, st.none() | st.text()),
        min_size=1,
    )
)
def test_flat_and_nested_data_are_read_alike(rows: list[tuple[Any, ...]]) -> None:
    columns = dict(zip(MIXED.names, map(list, zip(*rows, strict=True)), strict=True))
    flat = [tensor(name, data) for name, data in columns.items()]
    nested = [tensor(name, [[v] for v in data], shape=[len(data), 1]) for name, data in columns.items()]
    for inputs in (flat, nested):
        inference = protocol.read_request(orjson.dumps({"inputs": inputs}), MIXED, ["predict"])
        assert inference.rows == len(rows)
        assert inference.columns["season"] == columns["season"]
        for name in MIXED.numeric:
            expected = np.array(columns[name], dtype=float)
            assert np.array_equal(np.asarray(inference.columns[name]), expected, equal_nan=True)


@pytest.mark.parametrize(
    ("values", "datatype", "shape", "data"),
    [
        (np.array([0.5, np.nan]), "FP64", [2], [0.5, None]),
        (np.asfortranarray([[0.1, 0.9], [0.7, 0.3]]), "FP64", [2, 2], [0.1, 0.9, 0.7, 0.3]),
        (np.array([3, 4]), "INT64", [2], [3, 4]),
        (np.array(["busy", "träge"], dtype=object), "BYTES", [2], ["busy", "träge"]),
    ],
)
def test_an_answer_is_written_in_row_major_order(values: Any, datatype: str, shape: list[int], data: list[Any]) -> None:
    answer = orjson.loads(protocol.write_response("bikes", "bikes-v1", None, {"predict": values}))
    assert answer["outputs"] == [{"name": "predict", "shape": shape, "datatype": datatype, "data": data}]
