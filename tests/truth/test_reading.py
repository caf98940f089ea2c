"""One value has one meaning in training, checks and requests, whatever file it comes from."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from perennial_trainer.contract.capture.settings import Capture as CaptureSettings
from perennial_trainer.contract.data import CsvFormat, RecentData
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Features, Model, ServeTask
from perennial_trainer.data.categories import category_name
from perennial_trainer.data.conversion import feature_frame
from perennial_trainer.data.load import load_rows
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.rows import Rows
from perennial_trainer.data.schema import Columns
from perennial_trainer.drift.recent_rows.stream import read_batches
from perennial_trainer.models.pipeline import build_pipeline
from perennial_trainer.serve.capture.capturing import Capture
from perennial_trainer.serve.capture.writer import write
from perennial_trainer.serve.metrics import Metrics
from perennial_trainer.serve.predictor import Outputs, Predictor
from perennial_trainer.serve.protocol import Inference, read_request
from perennial_trainer.serve.tensors import BadRequestError
from tests.serve.processes import serve_task
from tests.trainer.tasks import Frame, Trainer, a_check, a_training, all_times, diabetes, written

FEATURES = Features(numeric=("x",), categorical=("c",))
COLUMNS = Columns(FEATURES, "y", "regression", None)
NAIVE = datetime.fromisoformat("2026-10-20T00:00:00")


def of_files(uri: str, columns: Columns = COLUMNS) -> tuple[Frame, Frame]:
    """The features as a training and as a check read them."""
    parts = [batch.rows.features for batch in read_batches(uri, columns)]
    return load_rows(uri, columns).features, pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("quote", ["", '"'])
def test_words_are_categories_in_text_columns_of_csv(tmp_path: Path, quote: str) -> None:
    """Kind 5: NA is Namibia, and only the empty field is missing."""
    words = ["NA", "n/a", "null", "None", "nan", ""]
    lines = [f"{number},{quote}{word}{quote},1" for number, word in enumerate(words)]
    (tmp_path / "a.csv").write_text("\n".join(["x,c,y", *lines]) + "\n")
    for frame in of_files(tmp_path.as_uri()):
        assert frame["c"].tolist()[:5] == words[:5]
        assert frame["c"].isna().tolist() == [False] * 5 + [True]
    settings_of_csv = Columns(FEATURES, "y", "regression", None, csv=CsvFormat(null_values=("NA", "3")))
    for frame in of_files(tmp_path.as_uri(), settings_of_csv):
        assert frame["c"].isna().tolist() == [True, False, False, False, False, True]
        assert frame["x"].isna().tolist() == [False, False, False, True, False, False]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (pa.array([Decimal("3.00"), Decimal("3.10"), None], pa.decimal128(10, 2)), ["3", "3.1"]),
        (pa.array([3.1, 3.0, None], pa.float32()), ["3.1", "3"]),
        (pa.array(np.array([3.1, 3.0], dtype=np.float16)), ["3.1", "3"]),
        (pa.array([2**53 + 1, 2**62 + 1, None]), ["9007199254740993", "4611686018427387905"]),
        (pa.array([2**64 - 1, None], pa.uint64()), ["18446744073709551615"]),
        (
            pa.array([NAIVE, NAIVE.replace(hour=13, minute=5), None]),
            ["2026-10-20", "2026-10-20T13:05:00"],
        ),
        (
            pa.array([datetime(2026, 10, 20, 13, tzinfo=UTC)], pa.timestamp("ns", "Europe/Berlin")),
            ["2026-10-20T13:00:00"],
        ),
        (pa.array([date(2026, 10, 20), None]), ["2026-10-20"]),
        (pa.array([True, False, None]), ["true", "false"]),
        (pa.array(["a", "01", None]).dictionary_encode(), ["a", "01"]),
        (pa.array([b"a", None]), ["a"]),
        (pa.nulls(2), []),
    ],
)
def test_category_of_parquet_has_the_name_of_its_value(tmp_path: Path, values: Any, names: list[str]) -> None:
    """Kind 6: exact, and the same in training, in a check and for the text in a request."""
    ones = np.ones(len(values))
    pq.write_table(pa.table({"x": ones, "c": values, "y": ones}), tmp_path / "a.parquet")
    for frame in of_files(tmp_path.as_uri()):
        assert frame["c"].dropna().tolist() == names
    request = feature_frame({"x": np.ones(len(names)), "c": list(names)}, FEATURES)
    assert request["c"].tolist() == names


@pytest.mark.parametrize(
    "text",
    ["2026-10-20 13:00:00", "2026-10-20T13:00", "2026-10-20 15:00:00+02:00", "2026-10-20T13:00:00.000Z"],
)
def test_time_as_a_category_has_one_name(text: str) -> None:
    assert feature_frame({"x": [1.0], "c": [text]}, FEATURES)["c"].tolist() == ["2026-10-20T13:00:00"]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([1e16, "1e+16", 10**16], "10000000000000000"),
        ([-1.5e20, "-1.5e+20"], "-150000000000000000000"),
        ([-0.0, "-0.0", "-0", 0], "0"),
        ([timedelta(hours=1), pd.Timedelta(hours=1), pa.scalar(3600, pa.duration("s")).as_py()], "1:00:00"),
        (["1e+05"], "1e+05"),  # not how a float is written
    ],
)
def test_notations_of_one_value_have_one_name(values: list[Any], name: str) -> None:
    """csv writes a float64 of 16 digits as 1e+16."""
    assert {category_name(value) for value in values} == {name}


@pytest.mark.parametrize(
    ("content", "numbers", "word"),
    [
        ("x;c;y\n1,5;a;1\n2;b;2\n", [1.5, 2], "separator ;"),
        ("x;c;y\n1.234,5;a;1\n2,25;b;2\n", [1234.5, 2.25], "thousands ."),
        ("x;c;y\n1,250;a;1\n0,125;b;2\n", [1.25, 0.125], "decimal ,"),
        ("x;c;y\n1,250;a;1\n-1029,500;b;2\n", [1.25, -1029.5], "decimal ,"),
        ('x,c,y\n"1,234.5",a,1\n2,b,2\n', [1234.5, 2], "thousands ,"),
        ("x\tc\ty\n1.5\ta\t1\n2\tb\t2\n", [1.5, 2], "tab"),
        ("x;c;y\n1 234,5;a;1\n2,25;b;2\n", [1234.5, 2.25], "thousands space"),
        ("\ufeffx,c,y\n1.5,a,1\n2,b,2\n", [1.5, 2], ""),
        ("sep=;\r\nx;c;y\r\n1,5;a;1\r\n2;b;2\r\n", [1.5, 2], "separator ;"),
        ('\ufeff"sep=|"\nx|c|y\n1.5|a|1\n2|b|2\n', [1.5, 2], "separator |"),
        ("SEP=^\nx^c^y\n1.5^a^1\n2^b^2\n", [1.5, 2], "separator ^"),
    ],
)
def test_unmistakable_csv_is_recognised_and_reported(
    tmp_path: Path, content: str, numbers: list[float], word: str
) -> None:
    (tmp_path / "a.csv").write_text(content)
    notes = Notes()
    load_rows(tmp_path.as_uri(), COLUMNS, notes=notes)
    assert word in " ".join(notes.sentences())
    for frame in of_files(tmp_path.as_uri()):
        assert frame["x"].tolist() == numbers
        assert frame["c"].tolist() == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"])
def test_encoding_is_recognised(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes("x,c,y\n1,Málaga,1\n2,Köln,2\n".encode(encoding))
    for frame in of_files(tmp_path.as_uri()):
        assert frame["c"].tolist() == ["Málaga", "Köln"]


def test_numbers_of_two_meanings_need_a_setting(tmp_path: Path) -> None:
    """1,234 is a thousand or one and a bit: nothing is guessed."""
    (tmp_path / "a.csv").write_text("x;c;y\n1,234;a;1\n2,345;b;2\n")
    rows = load_rows(tmp_path.as_uri(), COLUMNS)
    assert rows.refused.all()
    for decimal, expected in ((",", [1.234, 2.345]), (".", [1234, 2345])):
        csv = CsvFormat(decimal=decimal, thousands="," if decimal == "." else None)  # type: ignore[arg-type]
        for frame in of_files(tmp_path.as_uri(), Columns(FEATURES, "y", "regression", None, csv=csv)):
            assert frame["x"].tolist() == expected


@pytest.mark.parametrize(
    ("content", "null_value"),
    [
        ("x,c,y\n-999.0,-999.0,1\n-999,-999,2\n1,a,3\n", "-999"),
        ("x,c,y\n-9.99e2,-999,1\n -999,-999.0,2\n1,a,3\n", "-999.0"),
        ("x;c;y\n-999,0;-999;1\n-999;-999.0;2\n1;a;3\n", "-999"),
        ("x;c;y\n9.999,00;9999;1\n9999;9999.0;2\n1,00;a;3\n", "9999"),
    ],
)
def test_null_value_that_is_a_number_is_one_in_every_notation(tmp_path: Path, content: str, null_value: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    columns = Columns(FEATURES, "y", "regression", None, csv=CsvFormat(null_values=(null_value,)))
    for frame in of_files(tmp_path.as_uri(), columns):
        assert frame["x"].dropna().tolist() == [1]
        assert frame["c"].dropna().tolist() == ["a"]


TEXTS_OF_TIMES = ["2026-10-20t13:00:00.25z", "2026-10-20 13:00:00,250", "20261020T150000,25+0200"]


@pytest.mark.parametrize("kind", [pa.string(), pa.binary(), pa.large_binary()])
@pytest.mark.parametrize("text", TEXTS_OF_TIMES)
def test_times_of_iso_8601_are_read_in_every_notation(tmp_path: Path, text: str, kind: Any) -> None:
    """Some writers of parquet have text as bytes."""
    times = pa.array([text.encode()] * 2, pa.binary()).cast(kind)
    written_to = pa.table({"x": [1.0, 2.0], "c": ["a", "b"], "y": [1.0, 2.0], "t": times})
    pq.write_table(written_to, tmp_path / "a.parquet")
    columns = Columns(FEATURES, "y", "regression", "t")
    batches = [batch.rows for batch in read_batches(tmp_path.as_uri(), columns)]
    for rows in [load_rows(tmp_path.as_uri(), columns), *batches]:
        assert rows.time.tolist() == [pd.Timestamp("2026-10-20T13:00:00.25Z")] * 2


@pytest.mark.parametrize(
    "kind",
    [pa.decimal128(18, 3), pa.decimal128(30, 6), pa.decimal256(50, 3), pa.dictionary(pa.int32(), pa.decimal128(18, 3))],
)
@pytest.mark.parametrize("unit", [1, 1000])
def test_decimal_epochs_of_parquet_are_times(tmp_path: Path, kind: Any, unit: int) -> None:
    """Kind 23."""
    number = Decimal("1792501200.25") * unit
    plain = pa.array([number, None], kind.value_type if pa.types.is_dictionary(kind) else kind)
    times = plain.dictionary_encode() if pa.types.is_dictionary(kind) else plain
    table = pa.table({"x": [1.0, 2.0], "c": ["a", "b"], "y": [1.0, 2.0], "t": times})
    pq.write_table(table, tmp_path / "a.parquet")
    rows = load_rows(tmp_path.as_uri(), Columns(FEATURES, "y", "regression", "t"))
    assert set(rows.time.dropna()) == {pd.Timestamp("2026-10-20T13:00:00.25Z")}
    assert not rows.unreadable


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.csv", "sep=;\nx;c;y\n1;a;1\n2;b\n", "line 4"),
        ("a.csv", "x,c,y\n1,a,1\n2,b\n", "line 3"),
        ("a.jsonl", '{"x": 1, "c": "a", "y": 1}\n{"x": 1,\n', "line 2"),
        ("a.csv", "x, c,y\n1,a,1\n", "the columns are x, ' c', y"),
        ("a.csv", b"x,c,y\n" + b"1,a,2\n" * 50_000 + b"1,\xe9t\xe9,3\n", "not utf-8"),
    ],
)
def test_error_in_a_file_names_file_and_line(tmp_path: Path, name: str, content: Any, place: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RejectedTask) as refused:
        load_rows(tmp_path.as_uri(), COLUMNS)
    assert name in refused.value.message and place in refused.value.message


@pytest.mark.parametrize(
    ("values", "time_format", "choice"),
    [
        ([202610, 202611], "yyyymm", "yyyymm"),
        ([2026102013, 2026102014], "yyyymmddHH", "yyyymmddHH"),
        ([46315.5, 46316.5], "excel", "excel"),
        ([202610201330], "yyyymmddHHMM", "yyyymmddHHMM"),
        (["20.10.2026"], "%d.%m.%Y", "data.timeFormat"),
    ],
)
def test_other_times_are_refused_and_read_with_a_format(values: list[Any], time_format: str, choice: str) -> None:
    """Kind 12."""
    with pytest.raises(RejectedTask, match=choice):
        all_times("t", values)
    assert all_times("t", values, time_format).dt.year.eq(2026).all()


def test_mixed_seconds_and_milliseconds_are_refused() -> None:
    with pytest.raises(RejectedTask, match="1 epoch-s, 1 epoch-ms"):
        all_times("t", [1767322800, 1767322800000])


@pytest.mark.parametrize("values", [[1767322800.25], [Decimal("1767322800.25")], ["1767322800.25"]])
def test_decimal_epochs_are_read(values: list[Any]) -> None:
    """Kind 23."""
    assert all_times("t", values).tolist() == [pd.Timestamp("2026-01-02 03:00:00.25", tz="UTC")]


def test_utc_as_a_word_is_a_zone() -> None:
    assert all_times("t", ["2026-10-20 00:00:00 UTC"]).tolist() == [pd.Timestamp("2026-10-20", tz="UTC")]


@pytest.mark.parametrize("kind", [pa.list_(pa.int64()), pa.struct({"a": pa.int64()}), pa.map_(pa.string(), pa.int64())])
def test_nested_columns_are_refused_by_name(tmp_path: Path, kind: Any) -> None:
    """Kind 23: the same file would be refused again."""
    table = pa.table({"x": pa.nulls(3, kind), "c": ["a"] * 3, "y": [1.0, 2, 3]})
    pq.write_table(table, tmp_path / "a.parquet")
    for read in (lambda: load_rows(tmp_path.as_uri(), COLUMNS), lambda: list(read_batches(tmp_path.as_uri(), COLUMNS))):
        with pytest.raises(RejectedTask, match="column x") as refused:
            read()
        assert refused.value.reason == "NestedColumn"


def a_line(number: int) -> Frame:
    return pd.DataFrame({"x": [1.0], "c": ["a"], "y": [number]})


def test_all_data_files_of_a_folder_are_read_and_others_reported(tmp_path: Path) -> None:
    """Kind 19."""
    for number, name in enumerate(["a.csv", "B.CSV", "d.parquet", "e.parq", "f.pq"]):
        written(a_line(number), tmp_path / "x.parquet") if "p" in name else a_line(number).to_csv(
            tmp_path / name, index=False
        )
        if "p" in name:
            (tmp_path / "x.parquet").rename(tmp_path / name)
    (tmp_path / "g.tsv").write_text("x\tc\ty\n1\ta\t5\n")
    (tmp_path / "h.jsonl").write_text('{"x": 1.0, "c": "a", "y": 6}\n')
    (tmp_path / "i.ndjson.gz").write_bytes(gzip.compress(b'{"x": 1.0, "c": "a", "y": 7}\n'))
    with pa.CompressedOutputStream(str(tmp_path / "j.csv.zst"), "zstd") as stream:
        stream.write(b"x,c,y\n1,a,8\n")
    for hidden in (".k.csv", "_l.csv", "_temporary/0/m.csv", "day=1/_tmp/n.csv"):
        (tmp_path / hidden).parent.mkdir(parents=True, exist_ok=True)
        a_line(99).to_csv(tmp_path / hidden, index=False)
    (tmp_path / "readme.xlsx").touch()
    for uri in (tmp_path.as_uri(), f"{tmp_path.as_uri()}/**"):
        notes = Notes()
        assert sorted(load_rows(uri, COLUMNS, notes=notes).target) == list(range(9))
        assert sorted(batch.rows.target[0] for batch in read_batches(uri, COLUMNS)) == list(range(9))
        assert "readme.xlsx" in notes.suffix() and ".k.csv" in notes.suffix()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_file_whose_name_is_not_utf8_is_read(tmp_path: Path, ending: str) -> None:
    written(a_line(1), tmp_path / f"a.{ending}")
    (tmp_path / f"a.{ending}").rename(tmp_path / os.fsdecode(b"M\xe4rz." + ending.encode()))
    assert [len(batch) for batch in read_batches(tmp_path.as_uri(), COLUMNS)] == [1]


def test_name_with_brackets_is_that_file(tmp_path: Path) -> None:
    a_line(1).to_csv(tmp_path / "a[1].csv", index=False)
    a_line(2).to_csv(tmp_path / "a1.csv", index=False)
    assert load_rows(f"file://{tmp_path}/a[1].csv", COLUMNS).target.tolist() == [1]


@pytest.mark.parametrize("log", ["_delta_log/0.json", "metadata/v1.metadata.json", ".hoodie/hoodie.properties"])
@pytest.mark.parametrize("uri", ["lake/table", "lake", "lake/table/*.parquet", "lake/**/*.parquet", "lake/table/day=1"])
def test_folder_of_a_versioned_table_is_refused(tmp_path: Path, log: str, uri: str) -> None:
    (tmp_path / "lake/table/day=1").mkdir(parents=True)
    (tmp_path / "lake/table" / log).parent.mkdir(parents=True)
    (tmp_path / "lake/table" / log).write_text("{}")
    a_line(1).to_parquet(tmp_path / "lake/table/a.parquet")
    a_line(1).to_parquet(tmp_path / "lake/table/day=1/b.parquet")
    with pytest.raises(RejectedTask, match="export") as refused:
        load_rows(f"file://{tmp_path}/{uri}", COLUMNS)
    assert refused.value.reason == "TableOfVersions"


ODD: list[Callable[[Frame], Frame]] = [
    lambda frame: frame.assign(bmi=frame["bmi"].astype(object).where(frame.index != 7, "ERR")),
    lambda frame: frame.assign(bmi=frame["bmi"].where(frame.index != 7, np.inf)),
    lambda frame: frame.assign(bmi=frame["bmi"].where(frame.index != 7, -1.797e308)),
]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_one_odd_value_stops_no_check_and_no_training(
    trainer: Trainer, tmp_path: Path, odd: Callable[[Frame], Frame], suffix: str
) -> None:
    """Kind 22: it counts as missing, is reported, and its row counts in no metric."""
    frame = odd(diabetes())
    if suffix == "parquet":
        frame["bmi"] = frame["bmi"].astype(str) if frame["bmi"].dtype == object else frame["bmi"]
    uri = written(frame, tmp_path / "data" / f"a.{suffix}")
    task = a_training(uri, (tmp_path / "v1").as_uri())
    trained = trainer.done(task)
    assert "bmi 1" in trained["message"]
    assert trained["data"]["rows"] + trained["data"]["holdoutRows"] == 441
    checked = trainer.done(a_check(task, trained, uri))
    assert "bmi 1" in checked["message"] and "442 rows, 441 with a target" in checked["message"]


def test_column_that_older_files_lack_is_missing_there(trainer: Trainer, tmp_path: Path) -> None:
    frame = diabetes()
    written(frame.head(40).drop(columns="bp"), tmp_path / "data" / "a.csv")
    uri = written(frame.tail(402), tmp_path / "data" / "b.parquet")
    task = a_training(uri, (tmp_path / "v1").as_uri())
    trained = trainer.done(task)
    assert "column bp is missing in 1 files" in trained["message"]
    assert trainer.done(a_check(task, trained, uri))["samples"] == 442


@pytest.mark.parametrize("window", ["all", "24h", 100])
def test_times_in_the_future_decide_nothing(trainer: Trainer, tmp_path: Path, window: str | int) -> None:
    """Kind 4: rows of 2062 and 9999 are counted and left out; `now` comes from the task."""
    frame = diabetes()
    task = a_training(
        written(frame, tmp_path / "good" / "a.parquet"), (tmp_path / "v1").as_uri(), data__timeColumn="day"
    )
    days = frame["day"].astype("datetime64[us, UTC]")
    days.iloc[[3, 9]] = [pd.Timestamp("2062-01-01", tz="UTC"), pd.Timestamp("9999-12-31", tz="UTC")]
    uri = written(frame.assign(day=days), tmp_path / "odd" / "a.parquet")
    now = "2026-01-20T00:00:00Z"
    clean = frame.drop(index=[3, 9])
    trained = trainer.done({**task, "data": {**task["data"], "uri": uri}, "now": now})
    expected = trainer.done({**task, "data": {**task["data"], "uri": written(clean, tmp_path / "c" / "a.parquet")}})
    assert trained["data"].pop("futureRows") == 2
    assert trained["data"]["sha256"] == expected["data"]["sha256"]
    assert trained["data"]["end"] == expected["data"]["end"]
    changes = {"data__timeColumn": "day", "data__window": window}
    checked = trainer.done(
        {**a_check(task, trained, uri), "now": now} | {"data": {"uri": uri, "window": window, "timeColumn": "day"}}
    )
    same = trainer.done(a_check(task, trained, (tmp_path / "c").as_uri(), **changes))
    assert checked["futureRows"] == 2
    assert (checked["samples"], checked["window"]) == (same["samples"], same["window"])
    assert checked["metrics"] == same["metrics"]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(width=64),
    st.sampled_from(["", "NA", "null", "ERR", "1.5", " 2 ", "1,5", "inf", "a", "True"]),
)
CATEGORIES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from(["NA", "null", "01", "1.0", "a b", "true", "2026-10-20 13:00:00", ""]),
)


def fitted() -> Predictor:
    generator = np.random.default_rng(0)
    frame = feature_frame({"x": generator.normal(size=60), "c": ["a b", "true", "1"] * 20}, FEATURES)
    model = Model(
        framework="sklearn", format="joblib", estimator="sklearn.linear_model.Ridge", parameters={},
        task="regression", features=FEATURES, target="y",
    )  # fmt: skip
    pipeline = build_pipeline(Ridge(), FEATURES).fit(frame, generator.normal(size=60))
    return Predictor(pipeline, model)


PREDICTOR = fitted()


def asked(number: Any, category: Any) -> Inference | None:
    """The request as the server reads it; None if it refuses it."""
    kind = "INT64" if isinstance(number, int) and not isinstance(number, bool) else "FP64"
    kind = "BYTES" if isinstance(number, str) else "BOOL" if isinstance(number, bool) else kind
    of_category = {bool: "BOOL", int: "INT64"}.get(type(category), "BYTES")
    inputs = [
        {"name": "x", "shape": [1], "datatype": kind, "data": [number]},
        {"name": "c", "shape": [1], "datatype": of_category, "data": [category]},
    ]
    try:
        return read_request(json.dumps({"inputs": inputs}).encode(), FEATURES, PREDICTOR.outputs)
    except BadRequestError:
        return None


def captured(request: Inference, answer: Outputs, folder: Path) -> Rows:
    """The row of the request as a training reads it, where the server captures it and its label is 1."""
    settings = CaptureSettings(share=1, storage=(folder / "captured").as_uri(), key_in_clear=True)
    task = msgspec.convert(serve_task("file:///m", "0" * 64, FEATURES), ServeTask)
    capturing = Capture(task, settings, b"secret", PREDICTOR, Metrics("m", "m-v1"), 2**20, 60)
    keyed, chosen = capturing.choose(request)
    assert chosen
    capturing.add(chosen, request, [answer], None)
    capturing.flush()
    buffer = capturing._buffers.next()
    assert buffer
    write(capturing._batch(buffer))
    (folder / "labels.csv").write_text(f"id,y\n{keyed.id},1\n")
    labels = {"uri": (folder / "labels.csv").as_uri(), "key": "id", "mature": "1s"}
    place = {"captured": {"uri": settings.storage, "keyInClear": True, "labels": labels}, "window": "all"}
    columns = replace(COLUMNS, time="perennial.time")
    data = msgspec.convert(place | {"timeColumn": columns.time}, RecentData)
    return load_rows(data, columns, datetime.now(UTC) + timedelta(minutes=1))


@settings(max_examples=40, deadline=None)
@given(VALUES, CATEGORIES)
def test_csv_parquet_request_and_captured_row_agree(number: Any, category: Any) -> None:
    """The prediction is the same; a row that the server refuses has no target, and one that it answers has."""
    import tempfile

    if isinstance(number, float) and np.isnan(number):
        number = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame = pd.DataFrame(
            {"x": pd.Series([number], dtype=object), "c": pd.Series([category], dtype=object), "y": 1.0}
        )
        frame.to_csv(folder / "a.csv", index=False)
        pq.write_table(pa.table({"x": [number], "c": [category], "y": [1.0]}), folder / "b.parquet")
        rows = [load_rows((folder / file).as_uri(), COLUMNS) for file in ("a.csv", "b.parquet")]
        request = None if isinstance(number, str) else asked(number, category)
        answer = None if request is None else PREDICTOR.predict([request])[0]
        if request is not None and answer is not None:
            rows.append(captured(request, answer, folder))
    if isinstance(number, str):  # a request has no text for a number: the files have to agree with each other
        pd.testing.assert_frame_equal(rows[0].features, rows[1].features)
        assert rows[0].target.equals(rows[1].target)
        return
    for each in rows:
        assert each.target.notna().tolist() == [answer is not None]
        if answer is not None:
            assert PREDICTOR._outputs["predict"].compute(each.features)[0] == answer["predict"][0]
