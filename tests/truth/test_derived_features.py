"""A derived feature is computed once, in one way: in training, validation, checks and the server, from any file."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from perennial_trainer.artifacts.model_file import load_model
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.contract.task import Model, parse_task
from perennial_trainer.data.conversion import convert_features, feature_frame
from perennial_trainer.models.pipeline import build_pipeline
from perennial_trainer.serve import protocol
from perennial_trainer.serve.predictor import Predictor
from perennial_trainer.serve.tensors import BadRequestError
from tests.trainer.tasks import Frame, Json, Trainer, a_check, a_training, a_validation, a_version, written

NAN = np.nan


def features(*derived: Json, **kinds: Any) -> Features:
    return msgspec.convert({"numeric": [], "categorical": [], **kinds, "derived": derived}, Features)


def computed(rule: Json, **columns: Any) -> list[Any]:
    frame = feature_frame(columns, features({"name": "new", **rule}))
    return frame["new"].tolist()


SUNDAY = "2026-03-29T00:30:00Z"  # the clock in Berlin goes from 02:00 to 03:00 at 01:00 UTC


@pytest.mark.parametrize(
    ("rule", "columns", "values"),
    [
        ({"log1p": {"column": "x"}}, {"x": [0, np.e - 1, -1, -2, None]}, [0, 1, NAN, NAN, NAN]),
        (
            {"ratio": {"numerator": "x", "denominator": "z"}},
            {"x": [1, 1, 0, 3e38, None], "z": [2, 0, 0, 1e-9, 1]},
            [0.5, NAN, NAN, NAN, NAN],
        ),
        ({"difference": {"column": "x", "minus": "z"}}, {"x": [3, 3e38, None], "z": [1, -3e38, 1]}, [2, NAN, NAN]),
        ({"clip": {"column": "x", "min": 0, "max": 9}}, {"x": [-1, 5, 10, None]}, [0, 5, 9, NAN]),
        ({"clip": {"column": "x", "max": 9}}, {"x": [-1, 10]}, [-1, 9]),
        (
            {"bins": {"column": "x", "edges": [18, 65.5]}},
            {"x": [17.9, 18, 65.5, None]},
            ["below 18", "18 to below 65.5", "from 65.5", NAN],
        ),
        (
            {"interaction": {"columns": ["a", "b"]}},
            {"a": ["x", 1, "1.0", None], "b": ["y", True, "true", "z"]},
            ["x & y", "1 & true", "1 & true", NAN],
        ),
        ({"calendar": {"column": "t", "part": "hour"}}, {"t": [SUNDAY, "2026-03-29 01:30:00", None]}, [0, 1, NAN]),
        (
            {"calendar": {"column": "t", "part": "hour", "timeZone": "Europe/Berlin"}},
            {"t": [SUNDAY, "2026-03-29T01:30:00Z"]},
            [1, 3],
        ),
        ({"calendar": {"column": "t", "part": "dayOfWeek"}}, {"t": [SUNDAY, "2026-03-30"]}, [7, 1]),
        ({"calendar": {"column": "t", "part": "week"}}, {"t": ["2027-01-01"]}, [53]),
        ({"calendar": {"column": "t", "part": "dayOfYear"}}, {"t": ["2024-12-31"]}, [366]),
        ({"calendar": {"column": "t", "part": "dayOfMonth"}}, {"t": [SUNDAY]}, [29]),
        ({"calendar": {"column": "t", "part": "quarter"}}, {"t": [SUNDAY]}, [1]),
        (
            {"calendar": {"column": "t", "part": "year", "timeFormat": "epoch-s"}},
            {"t": [1767322800, "1767322800"]},
            [2026, 2026],
        ),
        (
            {"calendar": {"column": "t", "part": "minute", "timeFormat": "%d.%m.%y %H:%M"}},
            {"t": ["02.01.26 03:04"]},
            [4],
        ),
    ],
)
def test_each_function_has_one_meaning(rule: Json, columns: Json, values: list[Any]) -> None:
    assert [None if value != value else value for value in computed(rule, **columns)] == [
        None if value is NAN else value for value in values
    ]


def test_bins_read_derived_numbers_and_interactions_both() -> None:
    frame = feature_frame(
        {"t": ["2026-01-02T07:00:00Z"], "season": ["winter"]},
        features(
            {"name": "daytime and season", "interaction": {"columns": ["daytime", "season", "hour"]}},
            {"name": "daytime", "bins": {"column": "hour", "edges": [6, 18]}},
            {"name": "hour", "calendar": {"column": "t", "part": "hour"}},
        ),
    )
    assert list(frame) == ["daytime and season", "daytime", "hour"]
    assert frame["daytime and season"].tolist() == ["6 to below 18 & winter & 7"]


@pytest.mark.parametrize(
    ("derived", "words"),
    [
        ([{"log1p": {"column": "x"}, "clip": {"column": "x", "min": 0}}], "has 2 functions: give one of calendar"),
        ([{}], "has 0 functions"),
        ([{"clip": {"column": "x"}}], "give min, max or both"),
        ([{"clip": {"column": "x", "min": 2, "max": 1}}], "min must be less"),
        ([{"bins": {"column": "x", "edges": [1, 1]}}], "greater than the one before"),
        ([{"calendar": {"column": "t", "part": "hour", "timeZone": "Mars/Base"}}], "timeZone Mars/Base is unknown"),
        ([{"log1p": {"column": "age"}, "name": "age"}], "age is named more than once"),
        ([{"log1p": {"column": "target"}}], "reads the target target"),
        ([{"log1p": {"column": "sex"}}], "reads sex as a number, which is a category"),
        ([{"calendar": {"column": "age", "part": "hour"}}], "reads age as a time, which is a number"),
        ([{"log1p": {"column": "x"}, "name": "a"}, {"log1p": {"column": "a"}, "name": "b"}], "b reads the derived a"),
        (
            [
                {"bins": {"column": "x", "edges": [1]}, "name": "a"},
                {"bins": {"column": "a", "edges": [1]}, "name": "b"},
            ],
            "b reads the derived a",
        ),
        (
            [
                {"calendar": {"column": "t", "part": "hour"}, "name": "a"},
                {"calendar": {"column": "t", "part": "year", "timeFormat": "excel"}, "name": "b"},
            ],
            "t has two formats of times",
        ),
        (
            [{"calendar": {"column": "t", "part": "hour"}, "name": "a"}, {"log1p": {"column": "t"}, "name": "b"}],
            "b reads t as a number, which is a time",
        ),
    ],
)
def test_declaration_that_has_no_meaning_is_refused(derived: list[Json], words: str) -> None:
    task = a_training("s3://data/*.csv", "s3://models/v1")
    task["model"]["features"]["derived"] = [{"name": "new", **each} for each in derived]
    with pytest.raises(RejectedTask, match=words) as refused:
        parse_task(json.dumps(task))
    assert refused.value.reason == "InvalidTask"


def rides(rows: int = 600) -> Frame:
    """Rides by the hour in Berlin; the price of a kilometre and the logarithm of the rain decide, too."""
    generator = np.random.default_rng(7)
    time = pd.date_range("2026-02-01", periods=rows, freq="h", tz="UTC")
    hour = time.tz_convert("Europe/Berlin").hour.to_numpy()
    price, way = generator.uniform(1, 20, rows), generator.uniform(0.5, 9, rows)
    rain = generator.exponential(5, rows)
    count = 20 * (hour > 15) + 3 * price / way - 8 * np.log1p(rain) + generator.normal(size=rows) * 0.3
    frame = pd.DataFrame({"hour": time, "price": price, "way": way, "rain": rain, "count": count})
    return frame.assign(weather=generator.choice(["dry", "wet"], rows))


DERIVED: list[Json] = [
    {"name": "hour in Berlin", "calendar": {"column": "hour", "part": "hour", "timeZone": "Europe/Berlin"}},
    {"name": "daytime", "bins": {"column": "hour in Berlin", "edges": [6, 16]}},
    {"name": "price of a kilometre", "ratio": {"numerator": "price", "denominator": "way"}},
    {"name": "log of rain", "log1p": {"column": "rain"}},
    {"name": "daytime and weather", "interaction": {"columns": ["daytime", "weather"]}},
]


def training(uri: str, storage: str, **changes: Any) -> Json:
    changes = {"data__timeColumn": "hour", "model__target": "count", **changes}
    task = a_training(uri, storage, **changes)
    task["model"]["features"] = {"numeric": ["price"], "categorical": [], "derived": DERIVED}
    return task


def request_of(frame: Frame, names: dict[str, str]) -> bytes:
    values = {name: [None if pd.isna(each) else each for each in frame[name].tolist()] for name in names}
    inputs = [
        {
            "name": name,
            "datatype": kind,
            "shape": [len(frame)],
            "data": [str(v) if kind == "BYTES" and v else v for v in values[name]],
        }
        for name, kind in names.items()
    ]
    return orjson.dumps({"inputs": inputs})


INPUTS = {"price": "FP64", "way": "FP64", "rain": "FP64", "weather": "BYTES", "hour": "BYTES"}


@pytest.mark.parametrize("file_format", ["joblib", "skops"])
@pytest.mark.parametrize("outliers", ["keep", "clip"])
def test_files_and_requests_give_the_same_predictions(
    trainer: Trainer, tmp_path: Path, file_format: str, outliers: str
) -> None:
    """A column that only derived features read is an input of the server, and not one of the model."""
    task = training(
        written(rides(), tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri(), model__format=file_format
    )
    task["data"]["cleaning"]["outliers"] = outliers
    trained = trainer.done(task)
    assert trained["metrics"]["r2"] > 0.95  # without the derived features less than half of it can be explained
    pipeline = load_model(trained["artifact"]["uri"], trained["artifact"]["sha256"])
    model = msgspec.convert(task["model"], Model)
    recent = rides().tail(50).reset_index(drop=True)
    recent.loc[3, "rain"], recent.loc[4, "way"] = np.nan, 0.0
    predictor = Predictor(pipeline, model)
    inference = protocol.read_request(request_of(recent, INPUTS), model.features, predictor.outputs)
    predictor.check(inference)
    answers = [predictor.predict([inference])[0]["predict"]]
    alone = [
        protocol.read_request(request_of(recent[n : n + 1], INPUTS), model.features, predictor.outputs)
        for n in range(50)
    ]
    answers.append(np.concatenate([each["predict"] for each in predictor.predict(alone)]))
    for suffix in ("csv", "parquet"):
        checked = trainer.done(a_check(task, trained, written(recent, tmp_path / suffix / f"a.{suffix}")))
        measured = {each["name"]: each["value"] for each in checked["metrics"] if each["name"] == "mse"}
        assert measured["mse"] == pytest.approx(float(((recent["count"] - answers[0]) ** 2).mean()), rel=1e-12)
    np.testing.assert_array_equal(answers[0], answers[1])
    assert list(model.features.inputs) == list(INPUTS)


def test_a_version_with_derived_features_goes_the_whole_way(trainer: Trainer, tmp_path: Path) -> None:
    uri = written(rides(), tmp_path / "data" / "a.parquet")
    first = training(uri, (tmp_path / "v1").as_uri())
    trained = trainer.done(first)
    written(rides(900).tail(300), tmp_path / "data" / "b.parquet")
    second = training(uri, (tmp_path / "v2").as_uri(), version="progression-v2")
    rain = {"name": "rain, at most 1", "clip": {"column": "rain", "max": 1}}
    derived = [*DERIVED[:3], rain, DERIVED[4]]
    second["model"]["features"]["derived"] = derived
    second["live"] = a_version(trained)
    again = trainer.done(second)
    slices = [{"column": each, "metric": "mse"} for each in ("daytime", "way", "price of a kilometre")]
    validation = a_validation(second, again, a_version(trained), against={"metric": "mse", "confidence": 0.95})
    answer = trainer.done(validation | {"slices": slices})
    assert answer["metrics"]["live"]["mse"] < answer["metrics"]["candidate"]["mse"]
    assert {each["column"] for each in answer["slices"]} == {"daytime", "way", "price of a kilometre"}
    assert next(each for each in answer["slices"] if each["column"] == "daytime")["group"] in (
        "below 6",
        "6 to below 16",
        "from 16",
    )
    details = json.loads((tmp_path / "v2" / "validation.json").read_text())
    assert {each["feature"] for each in details["importances"]} == {"price", *(each["name"] for each in derived)}
    holdout = pd.read_parquet(tmp_path / "v2" / "holdout.parquet")
    assert set(holdout) == {"price", "way", "rain", "weather", "hour", "count"}  # what was read


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_drift_is_measured_on_derived_and_on_read_columns(trainer: Trainer, tmp_path: Path, suffix: str) -> None:
    task = training(written(rides(), tmp_path / "data" / f"a.{suffix}"), (tmp_path / "v1").as_uri())
    trained = trainer.done(task)
    recent = rides().tail(200).assign(way=lambda frame: frame.way * 4)
    checked = trainer.done(a_check(task, trained, written(recent, tmp_path / "recent" / f"a.{suffix}")))
    psi = {each["feature"]: each["value"] for each in checked["metrics"] if each["name"] == "psi"}
    assert set(psi) == {"price", "way", "rain", "weather", *(each["name"] for each in DERIVED)}
    assert min(psi["way"], psi["price of a kilometre"]) > 1 > 0.25 > max(psi["rain"], psi["log of rain"], psi["price"])


def test_times_without_a_format_are_not_guessed(trainer: Trainer, tmp_path: Path) -> None:
    """The format of one number in a request cannot be seen from it, so the declaration says it, for files as well."""
    frame = rides().assign(hour=lambda frame: frame.hour.astype("int64") // 10**6)
    task = training(written(frame, tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri())
    answer = trainer(task).answer
    assert (answer["reason"], "say in timeFormat under model.features.derived" in answer["message"]) == (
        "UnreadableTime",
        True,
    ), answer
    task["model"]["features"]["derived"] = [
        {"name": "hour in Berlin", "calendar": {"column": "hour", "part": "hour", "timeFormat": "epoch-s"}}
    ]
    trainer.done(task)


def test_feature_that_is_not_defined_in_too_many_rows_is_named(trainer: Trainer, tmp_path: Path) -> None:
    frame = rides()
    frame.loc[::3, "way"] = 0
    task = training(written(frame, tmp_path / "data" / "a.csv"), (tmp_path / "v1").as_uri())
    answer = trainer(task).answer
    assert answer["reason"] == "TooManyMissing"
    assert "derived feature price of a kilometre has no value in 33.3% of 600 rows" in answer["message"]


GAP = features({"name": "gap", "difference": {"column": "x", "minus": "z"}}, numeric=["x"])
HOURS = features({"name": "hour", "calendar": {"column": "t", "part": "hour"}}, numeric=["x"])


@pytest.mark.parametrize(
    ("wanted", "row", "words"),
    [
        (GAP, {"x": 1.0, "z": -1e37}, "derived feature gap is 1e.37 in row 0"),
        (HOURS, {"x": 1.0, "t": "soon"}, "input t in row 0 .* is not a time in ISO 8601"),
        (HOURS, {"x": 1.0, "t": "20260102"}, "input t in row 0 .* is not a time"),
        (HOURS, {"x": 1.0}, "input t is missing"),
        (GAP, {"x": 1.0, "z": 1.0, "gap": 0.0}, "input gap is unknown: the inputs are x, z"),
    ],
)
def test_value_that_would_fail_a_batch_is_refused(wanted: Features, row: Json, words: str) -> None:
    table = {"x": [1.0, 2.0], "z": [1.001, 1.999], "t": [SUNDAY, SUNDAY]}
    fitted = build_pipeline(LinearRegression(), wanted).fit(feature_frame(table, wanted), [1.0, 2.0])
    model = msgspec.convert(a_training("s3://a/b.csv", "s3://c")["model"], Model)
    predictor = Predictor(fitted, msgspec.structs.replace(model, features=wanted))
    inputs = [
        {"name": name, "datatype": "BYTES" if isinstance(value, str) else "FP64", "shape": [1], "data": [value]}
        for name, value in row.items()
    ]
    with pytest.raises(BadRequestError, match=words):
        predictor.check(protocol.read_request(orjson.dumps({"inputs": inputs}), wanted, predictor.outputs))


def test_metadata_of_older_versions_has_the_same_bytes() -> None:
    plain = Features(numeric=("temp",), categorical=("season",))
    assert msgspec.json.encode(plain) == b'{"numeric":["temp"],"categorical":["season"]}'
    assert plain.names == plain.inputs == plain.measured == ("temp", "season")
    frame, _ = convert_features({"temp": [1.0], "season": ["x"]}, plain)
    assert list(frame) == ["temp", "season"]
