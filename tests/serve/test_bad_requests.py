"""A bad request is refused with one sentence that names the input, the value and the mend."""

import gzip
import json
import re
from typing import Any

import pytest

from tests.serve.conftest import Deployed
from tests.serve.requests import ROWS, request, tensor

REFUSED = 'model_refused_requests_total{model="bike-demand",reason="content_encoding",version="bike-demand-v1"}'
HUM, SEASON = tensor("hum", [0.1]), tensor("season", ["1"])


def with_temp(*data: Any, **changes: Any) -> dict[str, Any]:
    return {"inputs": [tensor("temp", list(data), **changes), HUM, SEASON]}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the body is not JSON: Input is a zero-length, empty document"),
        (b"temp=1", "the body is not JSON: "),
        (b'{"id": "\xff"}', "the body is not JSON: str is not valid UTF-8"),
        (b"[" * 100_000, "the body is not JSON: "),
        (b'{"inputs": [{"data": [NaN]}]}', "the body is not JSON: unexpected character, expected a JSON value: line 1"),
        (
            b'{"inputs": [{"name": "temp", "shape": [1], "datatype": "FP64", "data": [-Infinity]}]}',
            "the body is not JSON: no digit after sign: line 1 column 74 (char 73); write null for a missing value",
        ),
        (
            b'{"inputs": [{"name": "temp", "shape": [1], "datatype": "FP64", "data": [1e400]}]}',
            "inputs[0].data[0] (input temp) is 1e400: number out of range",
        ),
        (with_temp(2**64 - 1, 0, datatype="UINT64"), "input hum has 1 rows"),
        (b'{"inputs": [1], "inputs": []}', "inputs[0]: expected object, got int"),
        ([], "the body: expected object, got array"),
        ({}, "the body: object missing required field inputs"),
        ({"inputs": []}, "inputs: expected array of length >= 1"),
        ({"inputs": [HUM, SEASON]}, "input temp is missing: give one tensor per feature"),
        (
            {"inputs": [*with_temp(1)["inputs"], tensor("wind", [1])]},
            "input wind is unknown: the inputs are temp, hum, season",
        ),
        ({"inputs": [*with_temp(1)["inputs"], HUM]}, "4 inputs have 3 names: give each feature once"),
        (
            {"inputs": [tensor("rows", [1, 2], shape=[1, 2])]},
            "input rows is not a feature, and one tensor for all features",
        ),
        (
            with_temp(-1.797e308),
            "input temp is -1.797e+308 in row 0 (the first row is 0), which no model can use: send null",
        ),
        (with_temp(10**400, datatype="UINT64"), "input temp is 1000"),
        (with_temp(1) | {"id": 7}, "id is 7: expected str | null, got int"),
        (with_temp(1) | {"outputs": [{"name": "predict_proba"}]}, "output predict_proba is unknown: ask for predict"),
        (with_temp("warm"), 'inputs[0].data[0] (input temp) is "warm": expected float | array | null, got str'),
        (with_temp("warm", datatype="BYTES"), "input temp has the datatype BYTES, but the feature is numeric"),
        (
            with_temp(1) | {"inputs": [tensor("temp", [2**64], datatype="UINT64"), HUM, SEASON]},
            "input temp is 18446744073709551616 in row 0 (the first row is 0): the greatest UINT64 is 1844674407370955161",
        ),
        (with_temp(True), "inputs[0].data[0] (input temp) is true: expected float"),
        (with_temp(1.5, datatype="INT64"), "inputs[0].data[0] (input temp) is 1.5: expected int"),
        (with_temp(300, datatype="UINT8"), "inputs[0].data[0] (input temp) is 300: expected int <= 255"),
        (
            with_temp(1, datatype="FP99"),
            "inputs[0].datatype (input temp) is \"FP99\": invalid value 'FP99'; use one of FP16",
        ),
        (
            {"inputs": [{"name": "temp", "shape": [1], "datatype": "FP64"}]},
            "inputs[0] (input temp): object missing required field data",
        ),
        (with_temp(1, shape=None), "inputs[0] (input temp): object missing required field shape"),
        (with_temp(shape=[0]), "inputs[0].shape[0] (input temp) is 0: expected int >= 1"),
        (with_temp(1, shape=[]), "inputs[0].shape (input temp): expected array of length >= 1"),
        (with_temp(1, shape=[1, 1, 1]), "inputs[0].shape (input temp): expected array of length <= 2"),
        (with_temp(1, 2, shape=[1, 2]), "input temp has the shape [1, 2]: make it [n] or [n, 1]"),
        (with_temp(1, 2), "input hum has 1 rows, input temp 2: give every input the same number"),
        (with_temp(1, 2, shape=[1]), "input temp has 2 values, but the shape [1]: fix one of the two"),
        (with_temp([1, 2], shape=[1, 1]), "input temp has rows that do not fit the shape [1, 1]: fix one of the two"),
        (with_temp([1], shape=[1]), "input temp has rows that do not fit the shape [1]: fix one of the two"),
    ],
)
def test_the_response_to_a_bad_request_says_what_to_fix(regression: Deployed, body: Any, sentence: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = regression.server.client.post("/v2/models/bike-demand/infer", content=content)
    assert response.status_code == 400, response.text
    assert response.json()["error"].startswith(sentence)


def test_a_matrix_needs_a_column_for_each_feature(numeric: Deployed) -> None:
    response = numeric.server.infer({"inputs": [tensor("rows", [1, 2, 3], shape=[1, 3])]})
    assert response.status_code == 400
    assert response.json()["error"] == "input rows has the shape [1, 3]: make it [n, 2], with the columns temp, hum"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/v2/models/taxi-demand/infer", "model taxi-demand is not served here: use bike-demand"),
        (
            "/v2/models/bike-demand/versions/bike-demand-v9/infer",
            "version bike-demand-v9 is not served here: use bike-demand-v1",
        ),
        (
            "/v1/models/bike-demand:predict",
            "POST /v1/models/bike-demand:predict is not served: see GET /v2/models/bike-demand",
        ),
    ],
)
def test_what_is_not_served_here_is_not_found(regression: Deployed, path: str, sentence: str) -> None:
    response = regression.server.infer(request(ROWS), path)
    assert (response.status_code, response.json()) == (404, {"error": sentence})


def test_inference_is_asked_for_by_post(regression: Deployed) -> None:
    response = regression.server.client.get("/v2/models/bike-demand/infer")
    assert response.status_code == 405
    assert response.json()["error"].startswith("GET /v2/models/bike-demand/infer is not served")


def test_a_body_over_the_limit_keeps_the_connection_open(regression: Deployed) -> None:
    client = regression.server.client
    response = client.post("/v2/models/bike-demand/infer", content=b" " * (16 * 2**20 + 1))
    assert response.status_code == 413
    assert re.fullmatch(
        r"the body has more than \d+ bytes: send fewer rows at a time, or raise serving.pod.resources.limits.memory",
        response.json()["error"],
    )
    assert regression.server.infer(request(ROWS)).status_code == 200


def test_a_body_in_another_encoding_is_refused(regression: Deployed) -> None:
    path, refused = "/v2/models/bike-demand/infer", regression.server.metric(REFUSED)
    headers = {"content-encoding": "gzip"}
    response = regression.server.client.post(path, content=gzip.compress(b"{}"), headers=headers)
    assert response.status_code == 415
    assert response.json()["error"].startswith("the body is encoded as gzip: send it without Content-Encoding")
    assert regression.server.metric(REFUSED) == refused + 1
