"""Before a first version is live, a person who has repaired the cause does not wait (kind 26)."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core import names
from tests.simulation.play import Play, a_play
from tests.simulation.results import REFUSED


def refused() -> Play:
    """The first training was refused because of its data."""
    play = a_play()
    play.settle()
    play.finish("bike-v1-train", REFUSED)
    assert play.phases() == {"bike-v1": "Failed"}
    return play


def test_status_names_the_command_that_starts_at_once() -> None:
    play = refused()
    message = play.condition("Ready")["message"]
    assert message.startswith(
        "bike-v1: 12 rows are fewer than minRows 200; bike-v1 ended at 12:00:00; no new candidate"
    )
    assert "to start one at once, run kubectl perennial retrain bike, or annotate the ModelDeployment with" in message
    assert names.RETRAIN in message


def test_request_after_repaired_files_starts_at_once() -> None:
    play = refused()
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "2026-11-23T12:00:30Z")
    assert play.phases() == {"bike-v1": "Failed", "bike-v2": "Training"}


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"training": {"uri": "s3://bikes/repaired/*.parquet"}}},
        {"data": {"minRows": 10}},
        {"model": {"features": {"numeric": ["feature1"]}}},
        {"training": {"timeout": "3h"}},
    ],
    ids=["files", "limit", "features", "training"],
)
def test_changed_spec_starts_at_once(change: dict[str, Any]) -> None:
    play = refused()
    play.edit(change)
    assert play.phases() == {"bike-v1": "Failed", "bike-v2": "Training"}


def test_unchanged_spec_waits_for_the_cool_down() -> None:
    play = refused()
    play.wait(minutes=59)
    assert list(play.phases()) == ["bike-v1"]
    play.wait(minutes=1)
    assert play.phases() == {"bike-v1": "Failed", "bike-v2": "Training"}
