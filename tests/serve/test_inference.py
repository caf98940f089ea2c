"""What the server answers is what the model predicts."""

import asyncio

import httpx
import numpy as np
import pandas as pd
import pytest

from perennial_trainer.data import conversion
from tests.serve.conftest import Deployed
from tests.serve.processes import MIXED, NUMERIC, rides
from tests.serve.requests import ROWS, request, tensor


def outputs(response: httpx.Response) -> dict[str, dict]:
    assert response.status_code == 200, response.text
    return {output["name"]: output for output in response.json()["outputs"]}


def test_a_regression_answers_with_the_model_s_predictions(regression: Deployed) -> None:
    frame = rides(50)[["season", "hum", "temp"]]  # in another order than the model's
    predict = outputs(regression.server.infer(request(frame)))["predict"]
    assert (predict["datatype"], predict["shape"]) == ("FP64", [50])
    assert predict["data"] == pytest.approx(regression.model.predict(conversion.feature_frame(frame, MIXED)))


def test_an_answer_names_the_model_the_version_and_the_request(regression: Deployed) -> None:
    answer = regression.server.infer(request(ROWS, id="order-66")).json()
    assert {name: answer[name] for name in ("model_name", "model_version", "id")} == {
        "model_name": "bike-demand",
        "model_version": "bike-demand-v1",
        "id": "order-66",
    }
    assert "id" not in regression.server.infer(request(ROWS)).json()


def test_a_version_is_addressed_by_its_path_too(regression: Deployed) -> None:
    path = "/v2/models/bike-demand/versions/bike-demand-v1/infer"
    assert outputs(regression.server.infer(request(ROWS), path)) == outputs(regression.server.infer(request(ROWS)))


@pytest.mark.parametrize(
    "season",
    [
        tensor("season", [1, 3, 2], datatype="INT64"),
        tensor("season", [1.0, 3.0, 2.0], datatype="FP32"),
        tensor("season", [["1"], ["3"], ["2"]], shape=[3, 1]),
        tensor("season", ["1", "3", "2"], shape=[3, 1]),
    ],
)
@pytest.mark.parametrize("datatype", ["FP64", "FP32", "INT64", "UINT8", "BOOL"])
def test_equal_values_get_equal_predictions_in_any_encoding(regression: Deployed, season: dict, datatype: str) -> None:
    frame = ROWS.assign(temp=[0.0, 1.0, 1.0])
    temp = tensor("temp", frame.temp.astype(bool if datatype == "BOOL" else int).tolist(), datatype=datatype)
    answer = regression.server.infer({"inputs": [season, temp, tensor("hum", frame.hum.tolist())]})
    expected = regression.model.predict(conversion.feature_frame(frame, MIXED))
    assert outputs(answer)["predict"]["data"] == pytest.approx(expected)


def test_null_is_a_missing_value(regression: Deployed) -> None:
    inputs = [tensor("temp", [0.1, None]), tensor("hum", [None, 0.5]), tensor("season", ["1", None])]
    expected = regression.model.predict(
        pd.DataFrame({"temp": [0.1, np.nan], "hum": [np.nan, 0.5], "season": pd.Series(["1", None], dtype="str")})
    )
    assert outputs(regression.server.infer({"inputs": inputs}))["predict"]["data"] == pytest.approx(expected)


@pytest.mark.parametrize("data", [[0.1, 0.3, 0.5, None], [[0.1, 0.3], [0.5, None]]])
def test_a_numeric_model_accepts_one_tensor_of_all_features(numeric: Deployed, data: list) -> None:
    matrix = {"name": "rows", "shape": [2, 2], "datatype": "FP64", "data": data}
    frame = conversion.feature_frame({"temp": [0.1, 0.5], "hum": [0.3, None]}, NUMERIC)
    assert outputs(numeric.server.infer({"inputs": [matrix]}))["predict"]["data"] == pytest.approx(
        numeric.model.predict(frame)
    )


def test_a_classification_answers_with_classes(classification: Deployed) -> None:
    answer = outputs(classification.server.infer(request(ROWS)))
    assert list(answer) == ["predict"]
    assert answer["predict"]["datatype"] == "BYTES"
    assert answer["predict"]["data"] == classification.model.predict(conversion.feature_frame(ROWS, MIXED)).tolist()


def test_probabilities_are_answered_when_they_are_asked_for(classification: Deployed) -> None:
    wanted = [{"name": "predict_proba"}, {"name": "predict"}]
    answer = outputs(classification.server.infer(request(ROWS, outputs=wanted)))
    expected = classification.model.predict_proba(conversion.feature_frame(ROWS, MIXED))
    assert list(answer) == ["predict_proba", "predict"]
    assert answer["predict_proba"]["shape"] == [3, 2]
    assert answer["predict_proba"]["data"] == pytest.approx(expected.ravel())


def test_concurrent_requests_share_one_predict_call(regression: Deployed) -> None:
    server = regression.server
    frame = rides(300)[["temp", "hum", "season"]]
    requests, batches = (
        f'model_batch_requests_{part}{{model="bike-demand",version="bike-demand-v1"}}' for part in ("sum", "count")
    )
    before = server.metric(requests), server.metric(batches)

    async def send() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            rows = [frame.iloc[i : i + 1 + i % 3] for i in range(298)]
            return await asyncio.gather(
                *(client.post("/v2/models/bike-demand/infer", json=request(row)) for row in rows)
            )

    expected = regression.model.predict(conversion.feature_frame(frame, MIXED))
    for i, response in enumerate(asyncio.run(send())):
        assert outputs(response)["predict"]["data"] == pytest.approx(expected[i : i + 1 + i % 3])
    answered, called = server.metric(requests) - before[0], server.metric(batches) - before[1]
    assert answered == 298
    assert called < answered


def test_values_no_model_can_take_cost_the_others_no_call(regression: Deployed) -> None:
    server, batches = regression.server, 'model_batch_requests_count{model="bike-demand",version="bike-demand-v1"}'
    bad = request(ROWS.assign(temp=[0.1, 1.797e308, 0.2]))  # becomes infinite when it is scaled
    before = server.metric(batches)

    async def send() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            bodies = [bad if i % 5 == 0 else request(ROWS) for i in range(100)]
            return await asyncio.gather(*(client.post("/v2/models/bike-demand/infer", json=body) for body in bodies))

    responses = asyncio.run(send())
    expected = regression.model.predict(conversion.feature_frame(ROWS, MIXED))
    for i, response in enumerate(responses):
        if i % 5 == 0:
            assert response.status_code == 400
            assert response.json()["error"].startswith("input temp is 1.797e+308 in row 1 (the first row is 0), which")
        else:
            assert outputs(response)["predict"]["data"] == pytest.approx(expected)
    assert server.metric(batches) - before <= 80
    assert server.metric('model_requests_total{code="500",model="bike-demand",version="bike-demand-v1"}') == 0


def test_a_long_request_is_predicted_in_parts(regression: Deployed) -> None:
    server, batches = regression.server, 'model_batch_requests_count{model="bike-demand",version="bike-demand-v1"}'
    before = server.metric(batches)
    frame = rides(9000)[["temp", "hum", "season"]]
    answer = outputs(server.infer(request(frame)))["predict"]
    assert answer["shape"] == [9000]
    assert answer["data"] == pytest.approx(regression.model.predict(conversion.feature_frame(frame, MIXED)))
    assert server.metric(batches) - before == 3


def test_a_slash_at_the_end_of_a_path_is_ignored(regression: Deployed) -> None:
    assert outputs(regression.server.infer(request(ROWS), "/v2/models/bike-demand/infer/"))
    assert regression.server.client.get("/v2/health/ready/").json() == {"ready": True}
