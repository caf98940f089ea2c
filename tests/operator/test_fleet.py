"""Places for trainings are held by what runs, and go round the namespaces."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.cluster.fleet import Trainings
from perennial_operator.core import names
from perennial_operator.core.api.values import as_text
from perennial_operator.core.world import Policy
from perennial_operator.reconcile.world_builder import build_world
from perennial_operator.telemetry.metrics import Metrics
from tests.builders import NOON, SPEC, a_body

UNSCHEDULABLE = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no node"}]}
PENDING = {"phase": "Pending", "containerStatuses": [{"name": "trainer", "state": {"waiting": {}}}]}
PULLING = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}


def put(cache: Cache, kind: str, name: str, role: str = "", at: int = 1, **parts: Any) -> None:
    metadata = {"labels": {names.DEPLOYMENT: name.split("-")[0], names.ROLE: role}, "resourceVersion": str(at)}
    cache.put(a_body(kind, name, parts.get("spec", {}), parts.get("status", {}), uid=f"{kind}-{name}", **metadata))


def training(cache: Cache, *which: str) -> None:
    for name in which:
        put(cache, "ModelDeployment", name, spec=SPEC)
        put(cache, "ModelVersion", f"{name}-v1", spec={"modelDeployment": name}, status={"phase": "Training"})


@pytest.mark.parametrize(
    ("status", "places"), [(PENDING, 1), (UNSCHEDULABLE, 0), (PULLING, 0), ({"phase": "Running"} | UNSCHEDULABLE, 1)]
)
def test_place_is_held_by_a_training_that_runs(status: dict[str, Any], places: int) -> None:
    cache = Cache()
    training(cache, "bike")
    put(cache, "Pod", "bike-v1-train-x", status=status, role="training")
    assert cache.trainings.places_taken() == places
    put(cache, "Pod", "bike-v1-train-x", status={"phase": "Running"}, role="training", at=2)
    assert cache.trainings.places_taken() == 1


def test_training_that_a_queue_holds_back_has_no_place() -> None:
    cache = Cache()
    training(cache, "bike")
    put(cache, "Job", "bike-v1-train", spec={"suspend": True}, role="training")
    assert cache.trainings.places_taken() == 0
    put(cache, "Job", "bike-v1-train", spec={"suspend": False}, role="training", at=2)
    assert cache.trainings.places_taken() == 1


def test_pods_that_serve_or_check_give_no_place_back() -> None:
    cache = Cache()
    training(cache, "bike")
    put(cache, "Pod", "bike-v1-x", status=PULLING, role="serving")
    assert cache.trainings.places_taken() == 1


def a_queue(running: str, waiting: str) -> Trainings:
    """Trainings by namespace and name: `a1 a2` run or wait, in that order."""
    trainings = Trainings()
    for key in running.split():
        trainings.update(Key(key[0], key), trains=True, blocked=False, queued_since="")
    for since, key in enumerate(waiting.split()):
        trainings.update(Key(key[0], key), trains=False, blocked=False, queued_since=f"{since:03}")
    return trainings


@pytest.mark.parametrize(
    ("running", "waiting", "order"),
    [
        ("", "a1 a2 a3 b1", "a1 b1 a2 a3"),
        ("a1 a2", "a3 a4 b1 b2", "b1 b2 a3 a4"),
        ("a1 a2 b1", "a3 b2 c1 b3", "c1 b2 a3 b3"),
        ("a1", "a3 a2", "a3 a2"),
    ],
)
def test_next_place_goes_to_the_namespace_with_the_fewest(running: str, waiting: str, order: str) -> None:
    trainings = a_queue(running, waiting)
    assert [key.name for key in trainings.queue()] == order.split()
    for number, name in enumerate(order.split()):
        assert trainings.ahead(Key(name[0], name), (), 9) == number


def test_newcomer_waits_behind_its_own_namespace_only() -> None:
    trainings = a_queue("a1", "a2 a3 a4")
    assert trainings.ahead(Key("b", "b1"), (), 9) == 0
    assert trainings.ahead(Key("a", "a5"), (), 9) == 3


def test_namespace_whose_trainings_do_not_start_delays_no_other() -> None:
    trainings = a_queue("", "a1 b1")
    for name in ("a2", "a3"):
        trainings.update(Key("a", name), trains=True, blocked=True, queued_since="")
    assert (trainings.places_taken(), trainings.blocked("a"), trainings.blocked("b")) == (0, 2, 0)
    assert [key.name for key in trainings.queue(most_blocked=2)] == ["b1"]
    assert trainings.ahead(Key("b", "b1"), (), 2) == 0


def test_training_that_begins_now_spends_the_budget_for_a_day() -> None:
    cache, policy = Cache(), Policy("trainer:1", trainings_per_day=1)
    put(cache, "ModelDeployment", "bike", spec=SPEC)
    world = build_world(cache, Key("default", "bike"), NOON, policy, [Key("default", "car"), Key("other", "car")])
    assert world
    assert (world.fleet.begun, world.fleet.oldest_begun) == (1, NOON)


def test_trainings_of_a_day_count_though_history_deletes_them() -> None:
    cache, metrics = Cache(), Metrics()
    training(cache, "bike", "car")
    for number, hours in ((2, 1), (3, 2), (4, 30)):
        body = a_body("ModelVersion", f"bike-v{number}", {"modelDeployment": "bike"}, uid=f"v{number}")
        body["metadata"]["creationTimestamp"] = as_text(NOON + timedelta(hours=hours))
        cache.put(body)
        cache.drop(body)
    recovered = {"modelDeployment": "bike", "trigger": {"reason": "Recovered"}}
    cache.put(a_body("ModelVersion", "bike-v9", recovered, uid="v9"))
    now = NOON + timedelta(hours=3)
    assert len(cache.trainings.begun("default", now)) == 4
    world = build_world(cache, Key("default", "car"), now, Policy("trainer:1", trainings_per_day=3))
    assert world
    assert (world.fleet.begun, world.fleet.oldest_begun) == (4, NOON)
    assert len(cache.trainings.begun("default", NOON + timedelta(hours=25))) == 1
    metrics.begun, metrics.budget = cache.trainings.begun_by_namespace, 3
    assert metrics.registry.get_sample_value("perennial_trainings_budget") == 3
    assert metrics.registry.get_sample_value("perennial_trainings_begun", {"namespace": "default"}) is not None
