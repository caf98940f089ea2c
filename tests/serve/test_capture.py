"""What a server that captures writes, as a reader of the files finds it."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perennial_trainer.captured.keys import SECRET as VARIABLE
from perennial_trainer.captured.keys import captured_key
from perennial_trainer.contract.data import RecentData
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.categories import category_name
from perennial_trainer.data.load import load_rows
from perennial_trainer.data.schema import Columns as DataColumns
from perennial_trainer.drift.recent_rows.stream import read_batches
from perennial_trainer.models.frameworks.sklearn import dump_pipeline
from perennial_trainer.serve.capture.chosen import Chosen
from perennial_trainer.serve.capture.columns import Columns
from perennial_trainer.serve.capture.messages import Batch, Column
from perennial_trainer.serve.capture.writer import encode
from perennial_trainer.serve.protocol import Inference
from tests.serve.processes import MIXED, Server, fitted, free_port, running, serve_task, stored, until
from tests.serve.requests import ROWS, request, tensor

SECRET = "a secret of this model alone"
PATH = "/v2/models/bike-demand/infer"
WRITTEN = 'model_captured_rows_total{model="bike-demand",version="bike-demand-v1"}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captured")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    uri, sha256 = stored(folder, dump_pipeline(fitted(MIXED, "classification", "busy"), "joblib"))
    task = serve_task(uri, sha256, kind="classification")
    capture = {"share": 1, "key": "ride", "exclude": ["hum"], "storage": (folder / "captured").as_uri()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPTURE_PERENNIAL_CAPTURE_KEY", SECRET)
        patch.setenv("PERENNIAL_CAPTURE_SECONDS", "1")
        with running(folder, task | {"capture": capture | {"shadowPort": free_port()}}) as server:
            yield server


@pytest.fixture(scope="module")
def rows(folder: Path, server: Server) -> list[dict[str, Any]]:
    """All requests of this module, as rows of files that the end of the server has written."""
    keyed = request(ROWS)
    keyed["inputs"].append(tensor("ride", [7, 8, 7], datatype="INT64"))
    odd = [
        tensor("temp", [1], datatype="INT64"),
        tensor("hum", [0.5], datatype="FP32"),
        tensor("season", [None]),
    ]
    sent = [
        (server.url, keyed),
        (server.url, {"inputs": odd, "parameters": {"ride": "of-parameter"}, "id": "of-request"}),
        (server.url, request(ROWS[:2], id="of-request", outputs=[{"name": "predict"}])),
        (f"http://127.0.0.1:{server.task['capture']['shadowPort']}", request(ROWS[:1], id="copied")),
        (server.url, request(ROWS[:1])),
        (server.url, request(ROWS[["temp"]], id="refused")),
    ]
    answers = [server.client.post(sent[0][0] + PATH, json=sent[0][1])]
    until(lambda: server.metric(WRITTEN) == 3, "the first rows are written")  # now the process that writes is there
    answers += [server.client.post(url + PATH, json=body) for url, body in sent[1:]]
    assert [each.status_code for each in answers] == [200] * 5 + [400]
    assert "id" not in answers[0].json() and answers[1].json()["id"] == answers[2].json()["id"] == "of-request"
    server.given = answers[4].json()["id"]  # type: ignore[attr-defined]
    assert "model_capture_waiting_rows{" in server.client.get("/metrics").text
    server.signal(signal.SIGTERM)
    assert server.exit_code() == 0
    files = sorted((folder / "captured").glob("date=*/hour=*/*.parquet"))
    return [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]


def test_rows_are_what_the_model_saw_and_answered(rows: list[dict[str, Any]]) -> None:
    assert [(row["temp"], row["season"]) for row in rows[:3]] == list(zip(ROWS.temp, ROWS.season, strict=True))
    for row in rows:
        likely = max(("busy", "calm"), key=lambda name: row[f"perennial.probability.{name}"])
        assert row["perennial.prediction"] == likely
        assert row["perennial.version"] == "bike-demand-v1" and row["perennial.weight"] == 1


def test_key_is_an_input_a_parameter_or_the_id(rows: list[dict[str, Any]], server: Server) -> None:
    keys = ["7", "8", "7", "of-parameter", "of-request", "of-request", "copied", server.given]  # type: ignore[attr-defined]
    assert [row["perennial.key"] for row in rows] == [captured_key(SECRET.encode(), key) for key in keys]
    assert [row["perennial.row"] for row in rows] == [0, 0, 1, 0, 0, 1, 0, 0]


def test_rows_of_copied_requests_are_marked(rows: list[dict[str, Any]]) -> None:
    assert [row["perennial.shadow"] for row in rows] == [False] * 6 + [True, False]


def test_excluded_inputs_are_not_written_and_nothing_is_logged(rows: list[dict[str, Any]], server: Server) -> None:
    assert all("hum" not in row for row in rows)
    assert not any(text in server.log() for text in ("of-parameter", SECRET, str(ROWS.temp[1])))


def test_file_says_which_buffer_of_which_process_it_is(
    rows: list[dict[str, Any]], folder: Path, server: Server
) -> None:
    files = sorted((folder / "captured").rglob("*.parquet"))
    metadata = [pq.read_schema(file).metadata for file in files]
    assert [each[b"perennial.sequence"] for each in metadata] == [str(i + 1).encode() for i in range(len(files))]
    assert {each[b"perennial.process"].split(b"-")[1] for each in metadata} == {str(server.pid).encode()}
    assert [file.stem.split("-")[-1] for file in files] == [f"{i + 1:08}" for i in range(len(files))]
    assert os.listdir(folder / "captured" / ".writing") == []


@pytest.mark.usefixtures("rows")
def test_readers_find_the_rows_with_their_labels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = folder / "labels.csv"
    labels.write_text("ride,busy\n7,calm\n7#1,busy\nof-parameter,calm\nof-request#1,busy\ncopied,calm\n")
    monkeypatch.setenv(VARIABLE, SECRET)
    columns = DataColumns(
        Features(numeric=("temp",), categorical=("season",)), "busy", "classification", "perennial.time"
    )
    of_labels = {"uri": labels.as_uri(), "key": "ride", "mature": "1s"}
    captured = {"uri": (folder / "captured").as_uri(), "labels": of_labels}
    data = msgspec.convert({"captured": captured, "window": "all", "timeColumn": "perennial.time"}, RecentData)
    trained = load_rows(data, columns, datetime.now(UTC) + timedelta(minutes=1))
    assert trained.features.temp.tolist() == [0.1, 0.5, 0.9, 1, 0.1, 0.5, 0.1]
    assert trained.features.season.astype(object).fillna("").tolist() == ["1", "3", "2", "", "1", "3", "1"]
    assert trained.target.astype(object).fillna("").tolist() == ["calm", "", "busy", "calm", "", "busy", ""]
    assert trained.weights is not None and trained.weights.weight.tolist() == [1] * 7
    assert len(set(trained.weights.request)) == 5
    checked = pd.concat([batch.rows.features for batch in read_batches(data, columns)], ignore_index=True)
    pd.testing.assert_frame_equal(checked, trained.features)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.none() | st.text(max_size=4) | st.sampled_from(["rain", "Schnee", "\u96e8"]), min_size=1, max_size=6)
)
def test_texts_of_files_are_those_of_requests(texts: list[str | None]) -> None:
    columns = Columns(Features(numeric=(), categorical=("note",)), (), (), chances=False)
    rows = len(texts)
    inference = Inference(None, rows, {"note": texts}, ("predict",))
    chosen = Chosen(0, ["key"] * rows, [0] * rows, None)
    captured = columns.rows(chosen, inference, [{"predict": np.zeros(rows)}], False)
    of_file = [Column(name, kind, *values) for (name, kind), values in zip(columns.kinds, captured.values, strict=True)]
    table = pq.read_table(BytesIO(encode(Batch("", "", rows, of_file, {}, {}))))
    names = [category_name(text) for text in texts]
    expected = [name.encode(errors="replace").decode() if isinstance(name, str) else None for name in names]
    assert table["note"].to_pylist() == expected
    assert table["perennial.key"].to_pylist() == ["key"] * rows
