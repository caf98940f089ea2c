"""Before a version is live: for which files is a training refused again, and when does it look at them again?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core.api.values import as_text
from perennial_operator.core.rules.trainings.back_off import pause_of
from perennial_operator.core.rules.trainings.refused_files import next_look, refused_version
from tests.builders import NOON, a_deployment, a_version, a_world

FILES, OTHERS = "f" * 64, "e" * 64
HOUR = timedelta(hours=1)


def ended(number: int, minutes: float, phase: str = "Superseded", files: str | None = FILES, **spec: Any) -> Any:
    """A version that ended so long after noon, because its files were refused, or were so already."""
    status = {
        "reason": "TooFewRows" if phase == "Failed" else "FilesUnchanged",
        "refusedFiles": files,
        "endedAt": as_text(NOON + timedelta(minutes=minutes)),
    }
    return a_version(number, phase, spec, status)


REFUSED = ended(1, 0, "Failed")


@pytest.mark.parametrize(
    ("versions", "name"),
    [
        ((), None),
        ((REFUSED,), "bike-v1"),
        ((REFUSED, ended(2, 1), ended(3, 2)), "bike-v1"),
        ((REFUSED, ended(2, 9, "Failed", OTHERS), ended(3, 10, files=OTHERS)), "bike-v2"),
        ((REFUSED, ended(2, 1, files=OTHERS)), None),
        ((ended(1, 0, "Failed", None),), None),
        ((a_version(1, "Rejected", status={"reason": "KnownBad", "refusedFiles": FILES}),), None),
        ((a_version(1), REFUSED), None),
        ((ended(1, 0, "Failed", training={"timeout": "9m"}),), None),
    ],
    ids=[
        "no training",
        "the refusal",
        "looked at again",
        "other files",
        "files of no refusal",
        "another failure",
        "a rejection",
        "a live version",
        "another spec",
    ],
)
def test_files_are_those_of_the_newest_refusal(versions: Any, name: str | None) -> None:
    refused = refused_version(a_world(versions=versions))
    assert (refused.name if refused else None) == name


def test_a_version_is_compared_with_the_one_before_it() -> None:
    training = a_version(2, "Training")
    world = a_world(versions=(REFUSED, training))
    assert refused_version(world) is None
    assert refused_version(world, "bike-v2") is REFUSED


@pytest.mark.parametrize(("last", "minutes"), [(0, 1), (0.5, 1.5), (1, 2), (2, 4), (30, 60), (61, 121), (300, 360)])
def test_time_since_the_refusal_doubles_up_to_the_cool_down(last: float, minutes: float) -> None:
    world = a_world(versions=(REFUSED, *([ended(2, last)] if last else [])))
    assert next_look(world, REFUSED, HOUR) == NOON + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("now", "waits"), [(0, True), (0.9, True), (1, False), (-58, True), (-59, True), (-59.1, False)]
)
def test_pause_before_the_next_look_ends_also_by_a_wrong_clock(now: float, waits: bool) -> None:
    world = a_world(versions=(REFUSED,), now=NOON + timedelta(minutes=now), deployment=a_deployment())
    pause = pause_of(world)
    assert (pause is not None) is waits
    assert pause is None or (pause.until, pause.lengthened) == (NOON + timedelta(minutes=1), False)
