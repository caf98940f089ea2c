"""Each request of docs/predict.md gets the answer that the page shows."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from tests.serve.conftest import Deployed
from tests.stage import ROOT

PAGE = (ROOT / "docs" / "predict.md").read_text()
CURL = re.compile(
    r"```sh\ncurl -s http://localhost:8080(?P<path>\S+)(?: -d '(?P<body>.*?)')?\n```(?:\n\n```json\n(?P<answer>.*?)```)?",
    re.S,
)
COMMANDS = [match.groupdict() for match in CURL.finditer(PAGE)]


def ask(server: Deployed, command: dict[str, str]) -> httpx.Response:
    """As curl does: without a body GET, and a body as if it were a form."""
    path, form = command["path"].replace("rush-hour", "bike-demand"), "application/x-www-form-urlencoded"
    if command["body"] is None:
        return server.server.client.get(path)
    return server.server.client.post(path, content=command["body"], headers={"Content-Type": form})


def deployed(command: dict[str, str], request: pytest.FixtureRequest) -> Deployed:
    """The model that the command asks: the one of classes, the one of numbers alone, or the other."""
    name = "classification" if "rush-hour" in command["path"] else "regression"
    if '"rows"' in (command["body"] or ""):
        name = "numeric"
    chosen: Deployed = request.getfixturevalue(name)
    return chosen


def rounded(value: Any) -> Any:
    """As the page has it: numbers of three digits, and the names of its models."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(f"{value:.3g}") if isinstance(value, float) else value


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) == PAGE.count("curl -s") >= 5


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command["path"])
def test_curl_gets_the_answer_of_the_page(command: dict[str, str], request: pytest.FixtureRequest) -> None:
    answer = ask(deployed(command, request), command)
    if command["answer"] is None:
        assert answer.status_code == 200, answer.text
    else:
        shown = command["answer"].replace("rush-hour", "bike-demand")
        assert rounded(answer.json()) == json.loads(shown)


def test_python_gets_a_prediction_for_each_row(regression: Deployed) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    (first,) = (command for command in COMMANDS if "[0.2, 0.8]" in (command["body"] or ""))
    expected = ask(regression, first).json()["outputs"][0]["data"]
    for block in blocks:
        names: dict[str, Any] = {}
        exec(block.replace("http://localhost:8080", regression.server.url), names)
        assert names["table"]["predicted"].tolist() == pytest.approx(expected)
    assert len(blocks) == 2  # in JSON, and in binary form
