"""The operator's own drift checks."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import Create
from tests.builders import merged
from tests.simulation.play import Play, a_play
from tests.simulation.results import REFUSED, checked

CHECK = {"schedule": "*/15 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}, "window": "24h"}
FIRST = "bike-check-202611231215"
SECOND = "bike-check-202611231230"


def live(**changes: Any) -> Play:
    """Version 1 went live at noon, and its recent data are checked every quarter of an hour."""
    drift = {"check": CHECK, "cooldown": "1m"}
    play = a_play(data={"timeColumn": "hour"}, drift=merged(drift, changes))
    play.until_live(1)
    return play


def task_of(play: Play, job: str) -> dict[str, Any]:
    (create,) = [a for a in play.done if isinstance(a, Create) and a.manifest["metadata"]["name"] == job]
    (value,) = [
        variable["value"]
        for variable in create.manifest["spec"]["template"]["spec"]["containers"][0]["env"]
        if variable["name"] == "PERENNIAL_TASK"
    ]
    task: dict[str, Any] = json.loads(value)
    return task


def test_check_starts_when_it_is_due() -> None:
    play = live()
    assert play.alarm == play.now + timedelta(minutes=15)
    play.wait(minutes=14)
    assert "-check-" not in " ".join(play.jobs)
    play.wait(minutes=1)
    assert FIRST in play.jobs
    assert task_of(play, FIRST)["data"] == {"uri": CHECK["data"]["uri"], "timeColumn": "hour", "window": "24h"}
    assert play.condition("Checked")["reason"] == "NotYet"
    play.finish(FIRST, checked())
    assert play.condition("Checked")["reason"] == "Done"
    play.wait(minutes=15)
    assert SECOND in play.jobs
    assert play.condition("Checked")["reason"] == "Done"


def test_report_of_a_check_has_the_digest_of_its_rows() -> None:
    play = live()
    play.wait(minutes=15)
    play.finish(FIRST, checked() | {"rowsDigest": "0123"})
    assert play.bodies["DriftReport", FIRST]["spec"]["rowsDigest"] == "0123"


@pytest.mark.parametrize(
    ("asked", "flag"), [({}, None), ({"predictions": True}, None), ({"predictions": False}, False)]
)
def test_no_predictions_flag_is_set_only_if_none_are_needed(asked: dict[str, Any], flag: bool | None) -> None:
    play = live(check=asked)
    play.wait(minutes=15)
    assert task_of(play, FIRST).get("predictions") is flag


def test_check_that_finds_drift_starts_a_training_by_its_report() -> None:
    play = live()
    play.wait(minutes=15)
    play.finish(FIRST, checked(0.3))
    report = play.bodies["DriftReport", FIRST]
    assert report["spec"]["modelVersion"] == "bike-v1"
    assert report["spec"]["source"] == "perennial"
    assert report["status"]["outcome"] == "Triggered"
    assert FIRST not in play.jobs
    assert play.made[FIRST] == 2  # a Job and a report of one name, each once


def test_one_check_runs_at_a_time_and_one_replaces_missed_ones() -> None:
    play = live()
    play.wait(minutes=15)
    play.wait(hours=3)
    assert [job for job in play.jobs if "-check-" in job] == [FIRST]
    play.finish(FIRST, checked())
    assert [job for job in play.jobs if "-check-" in job] == ["bike-check-202611231515"]


def test_one_check_follows_a_long_pause() -> None:
    play = live(check={"schedule": "* * * * *"})
    play.edit({"suspend": True})
    play.wait(days=3000)
    play.edit({"suspend": False})
    assert [job.rpartition("-")[2] for job in play.jobs if "-check-" in job] == [f"{play.now:%Y%m%d%H%M}"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(REFUSED, "TooFewRows"), (None, "JobFailed"), ({"outcome": "Succeeded", "samples": -1}, "BadAnswer")],
)
def test_failed_check_job_is_kept_until_the_next_check(answer: dict[str, Any], reason: str) -> None:
    play = live()
    play.wait(minutes=15)
    play.finish(FIRST, answer)
    play.wait(minutes=14)
    assert FIRST in play.jobs
    assert (play.condition("Checked")["status"], play.condition("Checked")["reason"]) == ("False", reason)
    play.wait(minutes=1)
    assert [job for job in play.jobs if "-check-" in job] == [SECOND]
    assert play.condition("Checked")["reason"] == reason
    play.finish(SECOND, checked())
    assert play.condition("Checked")["status"] == "True"
    assert play.all("DriftReport")[0]["metadata"]["name"] == SECOND
    assert play.holding()["Ready"] == "True"


def test_check_whose_pod_was_lost_reports_it() -> None:
    play = live()
    play.wait(minutes=15)
    play.cluster.change("Job", FIRST, status={"conditions": [{"type": "Complete", "status": "True"}]})
    play.settle()
    assert play.condition("Checked")["reason"] == "ResultLost"
    assert play.all("DriftReport") == []


def test_check_is_not_repeated_if_only_its_report_exists() -> None:
    play = live()
    play.wait(minutes=15)
    play.finish(FIRST, checked())
    play.cluster.set_status("ModelDeployment", "bike", {k: v for k, v in play.status.items() if k != "drift"})
    play.settle()
    assert [job for job in play.jobs if "-check-" in job] == []


def test_no_check_without_live_version_or_while_suspended() -> None:
    play = a_play(drift={"check": CHECK})
    play.wait(hours=5)
    assert "-check-" not in " ".join(play.jobs)
    assert play.condition("Checked")["status"] == "Unknown"
    play = live()
    play.edit({"suspend": True})
    play.wait(hours=5)
    assert "-check-" not in " ".join(play.jobs)


def test_checked_condition_is_removed_with_the_check() -> None:
    play = live()
    play.wait(minutes=15)
    play.finish(FIRST, REFUSED)
    play.edit({"drift": {"check": None}})
    assert "Checked" not in play.holding()


def test_invalid_schedule_label_of_a_report_is_ignored() -> None:
    play = live()
    play.report("odd")
    play.cluster.change("DriftReport", "odd", {"labels": {names.SCHEDULED: "9" * 60}})
    play.wait(minutes=15)
    assert FIRST in play.jobs


@pytest.mark.parametrize(
    ("requested", "job", "next_due"),
    [
        ("2026-11-23T12:03:20Z", "bike-check-1795435400", timedelta(0)),
        ("2026-11-23T13:03:20.9+01:00", "bike-check-1795435400", timedelta(0)),
        ("2026-11-23T12:04:00Z", "bike-check-202611231204", timedelta(0)),
        ("2026-11-23T12:09:00Z", "bike-check-202611231209", timedelta(minutes=5)),
    ],
    ids=["to the second", "another time zone", "whole minute", "ahead"],
)
def test_requested_check_is_made_once(requested: str, job: str, next_due: timedelta) -> None:
    play = live()
    play.wait(minutes=4)
    play.annotate("ModelDeployment", "bike", names.CHECK, requested)
    play.wait(minutes=int(next_due.total_seconds() / 60))
    assert [each for each in play.jobs if "-check-" in each] == [job]
    play.finish(job, checked())
    play.wait(minutes=15)
    assert [each for each in play.jobs if "-check-" in each] == [FIRST], "and then the schedule goes on"


def test_request_before_the_last_check_is_answered_by_it() -> None:
    play = live()
    play.annotate("ModelDeployment", "bike", names.CHECK, "2026-11-23T11:59:00Z")
    assert "-check-" not in " ".join(play.jobs), "that is before the version went live"
    play.wait(minutes=15)
    play.annotate("ModelDeployment", "bike", names.CHECK, "2026-11-23T12:14:59Z")
    play.finish(FIRST, checked())
    play.wait(minutes=1)
    assert "-check-" not in " ".join(play.jobs)


def test_request_at_no_time_is_said_and_starts_nothing() -> None:
    play = live()
    play.annotate("ModelDeployment", "bike", names.CHECK, "tomorrow")
    assert play.condition("Checked")["reason"] == "InvalidRequest"
    assert play.condition("Checked")["message"].startswith(f"the annotation {names.CHECK} is 'tomorrow': give a time")
    assert "-check-" not in " ".join(play.jobs)
