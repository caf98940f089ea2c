"""An object that was not deleted stays in the cache."""

from __future__ import annotations

import pytest

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.errors import ConflictError
from perennial_operator.core import names
from perennial_operator.core.actions import Delete
from perennial_operator.reconcile.executor import Executor
from tests.builders import a_body
from tests.faults.invariants import KEY, run
from tests.faults.memory import Memory

JOB = {"kind": "Job", "metadata": {"name": "job", "labels": {names.DEPLOYMENT: "bike"}}, "spec": {}}


def test_deletion_with_a_conflict_is_retried() -> None:
    memory, cache = Memory(fates=["conflict"]), Cache()
    cache.put(memory.put(JOB))
    executor = Executor(memory, cache)
    with pytest.raises(ConflictError):
        run(executor.act(KEY, Delete("Job", "job")))
    assert cache.get(KEY, "Job", "job")
    run(executor.act(KEY, Delete("Job", "job")))
    assert not cache.get(KEY, "Job", "job")
    assert not memory.bodies


def test_other_object_of_the_name_is_kept_and_cached() -> None:
    memory, cache = Memory(), Cache()
    cache.put(memory.put(JOB))
    memory.remove("Job", "job")
    other = memory.put(JOB)
    with pytest.raises(ConflictError):
        run(Executor(memory, cache).act(KEY, Delete("Job", "job")))
    assert cache.get(KEY, "Job", "job") == other
    assert memory.bodies


def test_report_deleted_by_others_leaves_the_cache() -> None:
    memory, cache = Memory(), Cache()
    spec = {"modelDeployment": "bike", "samples": 1}
    cache.put(memory.put(a_body("DriftReport", "old", spec, {"outcome": "Stale"})))
    memory.remove("DriftReport", "old")
    run(Executor(memory, cache).act(KEY, Delete("DriftReport", "old")))
    assert not cache.contents(KEY, "DriftReport")
