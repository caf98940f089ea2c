"""Which features that are computed from others the API server admits: what the trainer could not compute is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_perennial.admission.model_deployment import refusals
from tests.builders import merged
from tests.kubectl import Kubectl, RefusedError

Body = dict[str, Any]

HOUR = {"name": "hour of day", "calendar": {"column": "hour", "part": "hour", "timeZone": "Europe/Berlin"}}
GOOD: list[Body] = [
    HOUR,
    {"name": "since", "calendar": {"column": "built", "part": "year", "timeFormat": "%d.%m.%Y"}},
    {"name": "log of rain", "log1p": {"column": "rain"}},
    {"name": "felt", "ratio": {"numerator": "temp", "denominator": "hum"}},
    {"name": "gap", "difference": {"column": "temp", "minus": "dew"}},
    {"name": "warm", "clip": {"column": "temp", "min": 0}},
    {"name": "daytime", "bins": {"column": "hour of day", "edges": [6, 12, 18]}},
    {"name": "when", "interaction": {"columns": ["season", "daytime", "hour of day", "weather"]}},
]


@pytest.fixture
def deployment(full: Path) -> Body:
    body: Body = yaml.safe_load(full.read_text())
    return body


def with_derived(deployment: Body, derived: list[Body], change: Body | None = None) -> Body:
    spec = merged(deployment["spec"], {"model": {"features": {"derived": derived}}})
    return {**deployment, "spec": merged(spec, change or {})}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"model": {"features": {"numeric": None, "categorical": None}}, "validation": {"slices": None}},
        {"validation": {"slices": [{"column": "daytime", "metric": "mse", "maxRatio": 1.5}]}},
        {"validation": {"slices": [{"column": "rain", "metric": "mse", "maxRatio": 1.5}]}},
        {"data": {"allowLeaks": ["felt"]}},
    ],
)
def test_derived_features_of_every_kind_are_admitted(kubectl: Kubectl, deployment: Body, change: Body) -> None:
    body = with_derived(deployment, GOOD, change)
    assert [str(each) for each in refusals(body)] == []
    (taken,) = kubectl.apply(body)
    assert taken["spec"]["model"]["features"]["derived"] == GOOD


def number(column: str, name: str = "new") -> Body:
    return {"name": name, "log1p": {"column": column}}


def bins(column: str, name: str = "new", edges: tuple[float, ...] = (1,)) -> Body:
    return {"name": name, "bins": {"column": column, "edges": list(edges)}}


def hour(**more: Any) -> Body:
    return {"name": "new", "calendar": {"column": "hour", "part": "hour", **more}}


@pytest.mark.parametrize(
    ("derived", "change", "message"),
    [
        ([{"name": "new"}], {}, "give exactly one function: calendar, log1p"),
        ([number("rain") | {"clip": {"column": "rain", "max": 1}}], {}, "give exactly one function"),
        ([{"name": "new", "clip": {"column": "rain"}}], {}, "give min, max or both"),
        ([{"name": "new", "clip": {"column": "rain", "min": 1, "max": 1}}], {}, "min must be less than max"),
        ([bins("rain", edges=(2, 1))], {}, "in ascending order"),
        ([bins("rain", edges=(1, 1))], {}, "Duplicate value"),
        ([number("rain"), number("snow")], {}, "Duplicate value"),
        ([number("rain", "temp")], {}, "the name of a numeric or categorical one"),
        ([number("rain", "rain")], {}, "a derived feature reads another one"),
        ([number("rain", "a"), number("a")], {}, "a derived feature reads another one"),
        ([bins("rain", "a"), bins("a")], {}, "a derived feature reads another one"),
        ([number("season")], {}, "reads a categorical feature as a number"),
        ([bins("season")], {}, "reads a categorical feature as a number"),
        ([{"name": "new", "calendar": {"column": "temp", "part": "hour"}}], {}, "the column of calendar is a time"),
        ([HOUR, number("hour")], {"data": {"timeColumn": None}}, "the column of calendar is a time"),
        ([HOUR, hour(timeFormat="excel")], {"data": {"timeColumn": None}}, "one column of times has one timeFormat"),
        ([hour(part="hours")], {}, "Unsupported value"),
        ([hour(timeZone="Berlin time")], {}, "as the IANA database names it"),
        ([number("cnt")], {}, "reads the target or has its name"),
        ([number("rain", "cnt")], {}, "reads the target or has its name"),
        ([number("hour")], {}, "only calendar may read timeColumn"),
        ([number("rain", "hour")], {}, "only calendar may read timeColumn"),
        ([HOUR], {"data": {"timeFormat": "excel"}}, "give both the same timeFormat"),
        ([hour(timeFormat="excel")], {}, "give both the same timeFormat"),
        ([number("rain")], {"data": {"keep": ["rain"]}}, "remove them from data.keep"),
        ([number("rain")], {"data": {"groupColumn": "rain"}}, "groupColumn must not be a feature"),
        (
            [HOUR],
            {"validation": {"slices": [{"column": "hour", "metric": "mse", "maxRatio": 2}]}},
            "is not a feature of the model",
        ),
    ],
)
def test_derived_feature_without_a_meaning_is_refused(
    deployment: Body, derived: list[Body], change: Body, message: str
) -> None:
    sentences = [str(cause) for cause in refusals(with_derived(deployment, derived, change))]
    assert [each for each in sentences if message in each] != [], sentences


@pytest.mark.parametrize(
    ("text", "change", "message"),
    [
        ([{"column": "note", "minNgram": 2, "maxNgram": 4, "analyzer": "character", "buckets": 4096}], {}, ""),
        (
            [{"column": "note"}],
            {"model": {"features": {"numeric": None, "categorical": None}}, "validation": None, "serving": None},
            "",
        ),
        ([{"column": "note"}], {"data": {"allowLeaks": ["note"]}}, ""),
        ([{"column": "note"}, {"column": "note"}], {}, "Duplicate value"),
        ([{"column": "temp"}], {}, "a text is neither numeric nor categorical"),
        ([{"column": "cnt"}], {}, "the target must not be a feature"),
        ([{"column": "hour"}], {}, "only calendar may read timeColumn"),
        ([{"column": "note", "minNgram": 2}], {}, "minNgram must not be greater than maxNgram"),
        ([{"column": "note", "buckets": 1}], {}, "greater than or equal to 2"),
        ([{"column": "rain"}], {"model": {"features": {"derived": [number("rain")]}}}, "reads a text or has its name"),
        ([{"column": "new"}], {"model": {"features": {"derived": [number("rain")]}}}, "reads a text or has its name"),
        (
            [{"column": "note"}],
            {"model": {"features": {"numeric": ["note.length"]}}},
            "the drift of a text is measured",
        ),
        ([{"column": "note"}], {"model": {"features": {"derived": [bins("note.words")]}}}, "the drift of a text"),
        ([{"column": "note"}], {"model": {"features": {"derived": [hour(column="note.words")]}}}, ""),
        ([{"column": "note"}], {"data": {"keep": ["note"]}}, "remove them from data.keep"),
        (
            [{"column": "note"}],
            {"validation": {"slices": [{"column": "note", "metric": "mse", "maxRatio": 2}]}},
            "is not a feature of the model",
        ),
    ],
)
def test_text_has_one_meaning(deployment: Body, text: list[Body], change: Body, message: str) -> None:
    spec = merged(deployment["spec"], {"model": {"features": {"text": text}}})
    sentences = [str(cause) for cause in refusals({**deployment, "spec": merged(spec, change)})]
    assert [each for each in sentences if message in each] != [] if message else sentences == [], sentences


CYCLE: Body = {"transformer": "acme-estimators:cycle", "columns": ["temp"], "parameters": {"period": 24}}


@pytest.mark.parametrize(
    ("transformer", "change", "message"),
    [
        ({}, {}, ""),
        ({"columns": ["note", "season", "warm", "temp"], "parameters": None}, {}, ""),
        ({"transformer": "sklearn.preprocessing.SplineTransformer"}, {}, "give <package>:<entry point>"),
        ({"columns": []}, {}, "at least 1 items"),
        ({"columns": ["temp", "temp"]}, {}, "Duplicate value"),
        ({"columns": ["rain"]}, {}, "reads a column that is not a feature"),
        ({}, {"model": {"format": "skops"}}, "framework sklearn and format joblib"),
        ({}, {"model": {"framework": "keras", "estimator": "keras.Sequential"}}, "framework sklearn and format joblib"),
        ({}, {"model": {"framework": "custom", "format": "skops"}, "serving": {"capture": None}}, ""),
    ],
)
def test_transformer_reads_features(
    kubectl: Kubectl, deployment: Body, transformer: Body, change: Body, message: str
) -> None:
    features = {"text": [{"column": "note"}], "transformers": [merged(CYCLE, transformer)]}
    body = with_derived(deployment, [bins("rain", "warm")], merged({"model": {"features": features}}, change))
    sentences = [str(cause) for cause in refusals(body)]
    assert [each for each in sentences if message in each] != [] if message else sentences == [], sentences
    if not sentences:
        (taken,) = kubectl.apply(body)
        assert taken["spec"]["model"]["features"]["transformers"] == features["transformers"]


def test_the_api_server_says_the_same(kubectl: Kubectl, deployment: Body) -> None:
    body = with_derived(deployment, [number("temp", "a"), number("a")])
    with pytest.raises(RefusedError) as refused:
        kubectl.apply(body)
    assert [each for each in refusals(body) if str(each) not in str(refused.value)] == []
