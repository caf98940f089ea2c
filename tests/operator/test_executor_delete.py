"""An object that was not deleted stays in the cache."""

from __future__ import annotations

import pytest

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.errors import ConflictError
from perennial_operator.core import names
from perennial_operator.core.actions import Delete
from perennial_operator.reconcile.executor import Executor
from tests.builders import a_body
from tests.simulation.client import Client
from tests.simulation.operator import KEY, run

JOB = {"kind": "Job", "metadata": {"name": "job", "labels": {names.DEPLOYMENT: "bike"}}, "spec": {}}


def test_deletion_with_a_conflict_is_retried() -> None:
    client, cache = Client(fates=["conflict"]), Cache()
    cache.put(client.cluster.put(JOB))
    executor = Executor(client, cache)
    with pytest.raises(ConflictError):
        run(executor.act(KEY, Delete("Job", "job")))
    assert cache.get(KEY, "Job", "job")
    run(executor.act(KEY, Delete("Job", "job")))
    assert not cache.get(KEY, "Job", "job")
    assert not client.cluster.bodies


def test_other_object_of_the_name_is_kept_and_cached() -> None:
    client, cache = Client(), Cache()
    cache.put(client.cluster.put(JOB))
    client.cluster.remove("Job", "job")
    other = client.cluster.put(JOB)
    with pytest.raises(ConflictError):
        run(Executor(client, cache).act(KEY, Delete("Job", "job")))
    kept = cache.get(KEY, "Job", "job")
    assert kept and kept["metadata"]["uid"] == other["metadata"]["uid"]
    assert client.cluster.bodies


def test_report_deleted_by_others_leaves_the_cache() -> None:
    client, cache = Client(), Cache()
    spec = {"modelDeployment": "bike", "samples": 1}
    cache.put(client.cluster.put(a_body("DriftReport", "old", spec, {"outcome": "Stale"})))
    client.cluster.remove("DriftReport", "old")
    run(Executor(client, cache).act(KEY, Delete("DriftReport", "old")))
    assert not cache.contents(KEY, "DriftReport")
