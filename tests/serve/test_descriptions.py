"""What the server tells about itself: health, metadata and metrics."""

import socket

import pytest

from tests.serve.conftest import Deployed
from tests.serve.processes import until
from tests.serve.requests import ROWS, request

LABELS = 'model="bike-demand",version="bike-demand-v1"'


def test_a_regression_describes_its_inputs_and_outputs(regression: Deployed) -> None:
    assert regression.server.client.get("/v2/models/bike-demand").json() == {
        "name": "bike-demand",
        "versions": ["bike-demand-v1"],
        "platform": "sklearn_joblib",
        "inputs": [
            {"name": "temp", "datatype": "FP64", "shape": [-1]},
            {"name": "hum", "datatype": "FP64", "shape": [-1]},
            {"name": "season", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1]}],
    }


def test_a_classification_names_the_classes_of_its_probabilities(classification: Deployed) -> None:
    assert classification.server.client.get("/v2/models/bike-demand/versions/bike-demand-v1").json()["outputs"] == [
        {"name": "predict", "datatype": "BYTES", "shape": [-1]},
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2], "parameters": {"classes": ["busy", "calm"]}},
    ]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/bike-demand/ready", {"name": "bike-demand", "ready": True}),
        ("/v2/models/bike-demand/versions/bike-demand-v1/ready", {"name": "bike-demand", "ready": True}),
    ],
)
def test_a_served_model_is_ready(regression: Deployed, path: str, answer: dict) -> None:
    assert regression.server.client.get(path).json() == answer


def test_the_server_names_itself(regression: Deployed) -> None:
    answer = regression.server.client.get("/v2").json()
    assert answer["name"] == "perennial"
    assert answer["extensions"] == ["binary_tensor_data"]


@pytest.mark.parametrize(("body", "code"), [(request(ROWS), 200), ({}, 400), (request(ROWS.assign(temp=1e308)), 400)])
def test_each_answer_is_counted_by_its_code(regression: Deployed, body: dict, code: int) -> None:
    server = regression.server
    counter = f'model_requests_total{{code="{code}",{LABELS}}}'
    requests, seconds = server.metric(counter), server.metric(f"model_request_seconds_count{{{LABELS}}}")
    server.infer(body)
    assert server.metric(counter) == requests + 1
    assert server.metric(f"model_request_seconds_count{{{LABELS}}}") == seconds + 1


def test_what_a_regression_predicts_is_counted_and_added_up(regression: Deployed) -> None:
    server = regression.server
    rows, total = f"model_predicted_rows_total{{{LABELS}}}", f"model_predicted_sum{{{LABELS}}}"
    before = server.metric(rows), server.metric(total)
    (output,) = server.infer(request(ROWS)).json()["outputs"]
    assert server.metric(rows) == before[0] + len(ROWS)
    assert server.metric(total) == pytest.approx(before[1] + sum(output["data"]))


def test_a_classification_adds_nothing_up(classification: Deployed) -> None:
    classification.server.infer(request(ROWS))
    assert classification.server.metric(f"model_predicted_rows_total{{{LABELS}}}") == 0


def test_a_client_that_goes_away_is_counted_too(regression: Deployed) -> None:
    server = regression.server
    with socket.create_connection(("127.0.0.1", server.task["port"])) as connection:
        connection.sendall(b"POST /v2/models/bike-demand/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    until(lambda: server.metric(f'model_requests_total{{code="499",{LABELS}}}') == 1, "the client is missed")
    assert "Traceback" not in server.log()


def test_health_and_metrics_are_no_requests_of_the_model(regression: Deployed) -> None:
    server = regression.server
    requests = server.metric(f"model_request_seconds_count{{{LABELS}}}")
    server.client.get("/v2/health/live")
    assert server.metric(f"model_request_seconds_count{{{LABELS}}}") == requests


def test_a_code_that_has_not_occurred_is_there_as_zero(numeric: Deployed) -> None:
    assert f'model_requests_total{{code="503",{LABELS}}} 0.0' in numeric.server.client.get("/metrics").text


def test_metrics_name_the_loaded_model(regression: Deployed) -> None:
    sha256 = regression.server.task["artifact"]["sha256"]
    assert (
        regression.server.metric(
            f'model_info{{format="joblib",model="bike-demand",sha256="{sha256}",version="bike-demand-v1"}}'
        )
        == 1
    )


def test_unknown_categories_are_counted_by_feature(regression: Deployed) -> None:
    """Their encoding is zeros, which no client sees."""
    server, counter = regression.server, f'model_unknown_categories_total{{feature="season",{LABELS}}}'
    before = server.metric(counter)
    server.infer(request(ROWS))
    assert server.metric(counter) == before
    server.infer(request(ROWS.assign(season="no season")))
    assert server.metric(counter) == before + len(ROWS)
