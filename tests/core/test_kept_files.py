"""`history.artifacts`: files of old versions go; never those of a version that serves, may serve or is to be written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from perennial_operator.core.actions import Create
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.manifests.ledger_jobs import entry_name
from perennial_operator.core.stages.storage.kept_files import marks
from perennial_operator.core.world import Job, JobState, Serving
from tests.builders import a_deployment, a_version, a_world, merged, task_of
from tests.core.test_ledger import on_an_empty_cluster
from tests.core.test_upkeep import JOB
from tests.simulation.play import Play, a_play

ELSEWHERE = {"artifact": {"uri": "s3://models/perennial/default/bike/bike-v1/own.bin"}}


def a_recorded(number: int, phase: str = "Superseded", **status: Any) -> ModelVersion:
    """A version whose ledger entry is written."""
    version = a_version(number, phase, status=status)
    state = version.status.model_copy(update={"recorded": entry_name(version)})
    return version.model_copy(update={"status": state})


def marked(*versions: ModelVersion, spec: Mapping[str, Any] = {}, most: int | None = 1, **fields: Any) -> list[str]:
    deployment = a_deployment(spec=merged({"history": {"artifacts": most, "versions": 10}}, spec))
    return [each.name for each in marks(a_world(deployment=deployment, versions=versions, **fields))]


FOUR = a_recorded(1), a_recorded(2), a_recorded(3), a_recorded(4), a_recorded(5, "Live")
WATCHED = a_recorded(5, "Live", watch={"predecessor": "bike-v1", "replicas": 1, "since": "2026-11-23T12:00:00Z"})
CANDIDATE = a_version(6, "Validating", {"parent": "bike-v1"})
ADOPT = {"uri": "s3://models/perennial/default/bike/bike-v1/model.skops", "sha256": "a" * 64, "format": "skops"}
SERVING = {"bike-v1": Serving("bike-v1", {}, 1, 1, 1, 1)}
CHECK = Job("bike-check-1", JobState.RUNNING, labels={"perennial.dev/model-version": "bike-v1"})


@pytest.mark.parametrize(
    ("versions", "fields", "expected"),
    [
        (FOUR, {}, ["v1", "v2", "v3"]),
        (FOUR, {"most": 3}, ["v1"]),
        (FOUR, {"most": 4}, []),
        (FOUR, {"most": None}, []),
        (FOUR, {"spec": {"pin": "bike-v1"}}, ["v2", "v3"]),
        (FOUR, {"serving": SERVING}, ["v2", "v3"]),
        (FOUR, {"jobs": {CHECK.name: CHECK}}, ["v2", "v3"]),
        (FOUR, {"spec": {"adopt": ADOPT}}, ["v2", "v3"]),
        ((*FOUR[:4], WATCHED), {}, ["v2", "v3"]),
        ((*FOUR, CANDIDATE), {}, ["v2", "v3"]),
        ((a_version(1, "Superseded"), *FOUR[1:]), {}, ["v2", "v3"]),
        ((*FOUR[:4], a_recorded(5, "Live", **ELSEWHERE)), {}, ["v2", "v3"]),
        ((*FOUR[:3], a_recorded(4, **ELSEWHERE), FOUR[4]), {}, ["v2", "v3"]),
        ((a_recorded(1), *(a_recorded(each, "Rejected") for each in (2, 3, 4)), FOUR[4]), {}, ["v2", "v3"]),
        ((a_version(1, "Failed"), *FOUR[1:]), {}, ["v1", "v2", "v3"]),
        (
            (a_recorded(1, artifact={"uri": "s3://other/default/bike/bike-v1/model.joblib"}), *FOUR[1:]),
            {},
            ["v2", "v3"],
        ),
        ((a_recorded(1, filesDeletedAt="2026-11-23T12:00:00Z"), *FOUR[1:]), {}, ["v2", "v3"]),
        ((*FOUR[:3], a_version(4, "Superseded", status={"reason": "NoNewRows"}), FOUR[4]), {}, ["v1", "v2"]),
    ],
    ids=[
        "beyond the newest",
        "one beyond",
        "none beyond",
        "all are kept by default",
        "pinned",
        "has pods",
        "a Job reads it",
        "an adopted model is there",
        "predecessor of a watched one",
        "parent of the candidate",
        "not in the ledger yet",
        "another version stores there",
        "an ended version stores there",
        "served before the live one",
        "a failed training may have left some",
        "stored in another storage",
        "marked already",
        "what read no rows pushes none out",
    ],
)
def test_marked_versions(versions: tuple[ModelVersion, ...], fields: dict[str, Any], expected: list[str]) -> None:
    assert [name.removeprefix("bike-") for name in marked(*versions, **fields)] == expected


def four_versions(**history: int) -> Play:
    """The fourth is live, and an upkeep was made since."""
    play = a_play(history=history, drift={"cooldown": "1m"}, storage={"uri": "s3://models/perennial"})
    play.until_live(1)
    for number in (2, 3, 4):
        play.wait(hours=1)
        play.report(f"report-{number}", 0.3 + number / 100)
        play.until_live_again(number)
    play.wait(days=3)
    return play


def removed(play: Play) -> list[list[int]]:
    """The versions of each upkeep that are to lose their files."""
    made = [
        each.manifest for each in play.done if isinstance(each, Create) and each.manifest["metadata"]["name"] == JOB
    ]
    return [[each["number"] for each in task_of(job).get("removed", ())] for job in made]


def test_files_go_before_the_object_that_says_so() -> None:
    play = four_versions(artifacts=1, versions=3)
    assert list(play.phases()) == ["bike-v1", "bike-v2", "bike-v3", "bike-v4"]
    assert [bool(play.version(number).get("filesDeletedAt")) for number in (1, 2, 3, 4)] == [True, True, False, False]
    asked = removed(play)
    assert sorted(number for each in asked for number in each) == [1, 2]  # of each once
    play.wait(hours=1)
    play.report("more", 0.4)
    play.until_live_again(5)
    assert list(play.phases()) == ["bike-v2", "bike-v3", "bike-v4", "bike-v5"]


def test_object_stays_while_its_files_cannot_be_deleted() -> None:
    play = four_versions(artifacts=1, versions=1)
    assert list(play.phases()) == ["bike-v3", "bike-v4"]
    play.edit({"suspend": True})
    play.edit({"suspend": False})
    play.wait(hours=1)
    play.report("more", 0.4)
    play.until_live_again(5)
    assert list(play.phases()) == ["bike-v3", "bike-v4", "bike-v5"]  # its files go with the next upkeep
    play.wait(days=2)
    assert list(play.phases()) == ["bike-v4", "bike-v5"]


def test_marked_version_cannot_be_pinned() -> None:
    play = four_versions(artifacts=1, versions=3)
    play.edit({"pin": "bike-v1"})
    play.wait(minutes=1)
    stalled = play.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "PinNotFound")
    assert "bike-v1, whose files are deleted since 2026-11-" in stalled["message"]
    assert play.phases()["bike-v4"] == "Live"


def test_files_that_are_marked_go_after_the_limit_was_removed() -> None:
    play = a_play(history={"artifacts": 1, "versions": 3}, drift={"cooldown": "1m"})
    play.until_live(1)
    for number in (2, 3):
        play.wait(hours=1)
        play.report(f"report-{number}", 0.3 + number / 100)
        play.until_live_again(number)
    play.cluster.storage.down = True
    play.wait(days=2)
    assert play.version(1).get("filesDeletedAt") and removed(play)[-1] == [1]
    play.cluster.storage.down = False
    play.edit({"history": {"artifacts": None}})
    play.wait(days=2)
    made = len(removed(play))
    assert "bike-v1" in play.cluster.storage.removed
    play.wait(days=3)
    assert len(removed(play)) == made


def test_ledger_brings_back_none_without_files() -> None:
    play = on_an_empty_cluster(four_versions(artifacts=1, versions=3), pin="bike-v1")
    play.settle()
    assert play.condition("Stalled")["reason"] == "PinNotFound"
