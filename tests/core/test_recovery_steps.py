"""One pass of the recovery: which Job or object is made or deleted, by what is missing and what the ledger said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import Create, Delete, SetStatus
from perennial_operator.core.manifests.ledger_jobs import recover_manifest
from perennial_operator.core.stages import recovery
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.world import Job, JobState, Orphan, World
from tests.builders import a_deployment, a_version, a_world
from tests.contract.test_tasks_of_the_operator import RECOVERED, STORED
from tests.core.test_recovered_versions import LIVE
from tests.simulation.storage import DOWN

LOST = a_version(2, None, {"trigger": {"reason": "Recovered"}})
ANSWER = RECOVERED | {"versions": [STORED | {"status": LIVE}]}
ORPHAN = Orphan("bike-v2", 2, LIVE["artifact"]["sha256"], LIVE["data"]["holdoutSha256"])


def a_search(world: World, wanted: str = "", state: JobState = JobState.SUCCEEDED, **fields: Any) -> Job:
    """The Job that looks for this version, with the task of now."""
    labels = recover_manifest(world, wanted)["metadata"]["labels"] | {names.SCHEDULED: str(int(world.now.timestamp()))}
    return Job("bike-recover", state, labels, **{"answer": ANSWER, **fields})


def searched(*versions: Any, spec: Any = (), status: Any = (), wanted: str = "", job: Any = (), **fields: Any) -> World:
    """A world in which the search has this answer."""
    world = a_world(deployment=a_deployment(spec=dict(spec), status=dict(status)), versions=versions, **fields)
    search = a_search(world, wanted, **dict(job))
    return replace(world, jobs={search.name: search})


def done(world: World) -> list[str]:
    """What is made, written and deleted."""
    texts = []
    for action in recovery.next_step(world, Assessment()):
        if isinstance(action, Create):
            texts.append(f"create {action.manifest['kind']} {action.manifest['metadata']['name']}")
        elif isinstance(action, Delete):
            texts.append(f"delete {action.kind} {action.name}")
        elif isinstance(action, SetStatus):
            texts.append(f"{action.name} is {action.status['phase']}")
    return texts


FAILED = {"state": JobState.FAILED, "answer": DOWN}
OTHER_TASK = {"labels": {names.TASK_DIGEST: "0"}}


@pytest.mark.parametrize(
    ("world", "actions"),
    [
        (a_world(), ["create Job bike-recover"]),
        (a_world(versions=(a_version(),)), []),
        (
            a_world(versions=(a_version(),), deployment=a_deployment(spec={"pin": "bike-v7"})),
            ["create Job bike-recover"],
        ),
        (a_world(versions=(a_version(),), deployment=a_deployment(spec={"pin": "bike-v1"})), []),
        (a_world(deployment=a_deployment(status={"lastVersionNumber": 3})), []),
        (
            a_world(deployment=a_deployment(status={"lastVersionNumber": 3}), orphans=(ORPHAN,)),
            ["create Job bike-recover"],
        ),
        (a_world(versions=(LOST,)), ["create Job bike-recover"]),
        (searched(job={"state": JobState.RUNNING}), []),
        (searched(wanted="bike-v9"), ["delete Job bike-recover"]),
        (searched(wanted="bike-v9", job={"state": JobState.RUNNING}), ["delete Job bike-recover"]),
        (searched(), ["create ModelVersion bike-v2"]),
        (searched(orphans=(ORPHAN,)), ["delete ModelVersion bike-v2", "create ModelVersion bike-v2"]),
        (searched(orphans=(replace(ORPHAN, model="e" * 64),)), []),
        (searched(orphans=(replace(ORPHAN, name="bike-v1"),)), ["create ModelVersion bike-v2"]),
        (searched(LOST), ["bike-v2 is Live"]),
        (searched(a_version(1), LOST), ["bike-v2 is Superseded"]),
        (
            searched(
                a_version(3, None, {"trigger": {"reason": "Recovered"}}),
                wanted="bike-v3",
                job={"answer": RECOVERED | {"versions": []}},
            ),
            ["bike-v3 is Failed"],
        ),
        (searched(a_version(2), status={"lastVersionNumber": 3}), ["delete Job bike-recover"]),
        (searched(a_version(2), status={"lastVersionNumber": 2}), []),
        (searched(job=FAILED), []),
        (searched(a_version(1), job=FAILED), ["delete Job bike-recover"]),
    ],
    ids=[
        "nothing is known",
        "a version is live",
        "the pinned one is missing",
        "the pinned one is there",
        "all were deleted",
        "all lost their owner",
        "one has no status",
        "it is searched",
        "another one was searched",
        "another one is searched",
        "found",
        "found without an owner",
        "found otherwise",
        "another has no owner",
        "its status",
        "its status beside a live one",
        "not found",
        "all is written",
        "the number is not written",
        "the store failed just now",
        "the store failed, and nothing is missing",
    ],
)
def test_what_is_missing_is_searched_and_made(world: World, actions: list[str]) -> None:
    assert done(world) == actions


@pytest.mark.parametrize(("age", "actions"), [(299, []), (300, ["delete Job bike-recover"])])
def test_search_that_failed_begins_again_after_five_minutes(age: int, actions: list[str]) -> None:
    world = searched(job=FAILED)
    (job,) = world.jobs.values()
    began = job.labels | {names.SCHEDULED: str(int(world.now.timestamp()) - age)}
    assert done(replace(world, jobs={job.name: replace(job, labels=began)})) == actions
    (at,) = recovery.wakes_at(replace(world, jobs={job.name: replace(job, labels=began)}), Assessment())
    assert (at - world.now).total_seconds() == 300 - age


def test_failed_version_says_what_the_search_said() -> None:
    lost = a_version(3, None, {"trigger": {"reason": "Recovered"}})
    answer = RECOVERED | {"versions": [], "message": "the ledger has no bike-v3"}
    (action,) = recovery.next_step(searched(lost, wanted="bike-v3", job={"answer": answer}), Assessment())
    assert isinstance(action, SetStatus)
    assert (action.status["reason"], action.status["message"]) == ("NotRecovered", "the ledger has no bike-v3")
    assert [(each["type"], each["status"]) for each in action.status["conditions"]] == [("Recorded", "False")]


@pytest.mark.parametrize(
    ("world", "suffix"),
    [
        (a_world(), ""),
        (searched(job=FAILED), ""),
        (searched(), ""),
        (searched(job={"answer": ANSWER | {"passedOver": ["bike-v3"]}}), "; found"),
        (searched(a_version(1), spec={"pin": "bike-v2"}, wanted="bike-v2"), "; found"),
    ],
)
def test_trigger_says_what_the_ledger_lacks(world: World, suffix: str) -> None:
    assert recovery.incomplete_versions_suffix(world) == suffix


def test_recipe_of_a_page_begins_with_the_spec_of_now() -> None:
    changes = [{"path": ["model", "target"], "value": "count"}]
    answer = RECOVERED | {"versions": [STORED | {"status": LIVE, "changes": changes}]}
    (action,) = recovery.next_step(searched(job={"answer": answer}), Assessment())
    assert isinstance(action, Create)
    spec = action.manifest["spec"]
    assert (spec["model"]["target"], spec["model"]["estimator"]) == ("count", "sklearn.linear_model.LinearRegression")
