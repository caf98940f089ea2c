"""What could not be deleted is not taken for gone."""

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


def test_a_deletion_that_meets_a_conflict_is_tried_again() -> None:
    memory, cache = Memory(fates=["conflict"]), Cache()
    cache.put(memory.put(JOB))
    executor = Executor(memory, cache)
    with pytest.raises(ConflictError):
        run(executor.act(KEY, Delete("Job", "job")))
    assert cache.get(KEY, "Job", "job")
    run(executor.act(KEY, Delete("Job", "job")))
    assert not cache.get(KEY, "Job", "job")
    assert not memory.bodies


def test_another_one_of_the_name_is_left_alone_and_known() -> None:
    memory, cache = Memory(), Cache()
    cache.put(memory.put(JOB))
    memory.remove("Job", "job")
    other = memory.put(JOB)
    with pytest.raises(ConflictError):
        run(Executor(memory, cache).act(KEY, Delete("Job", "job")))
    assert cache.get(KEY, "Job", "job") == other
    assert memory.bodies


def test_a_report_that_somebody_else_has_deleted_is_not_deleted_for_ever() -> None:
    memory, cache = Memory(), Cache()
    spec = {"modelDeployment": "bike", "samples": 1}
    cache.put(memory.put(a_body("DriftReport", "old", spec, {"outcome": "Stale"})))
    memory.remove("DriftReport", "old")
    run(Executor(memory, cache).act(KEY, Delete("DriftReport", "old")))
    assert not cache.contents(KEY, "DriftReport")
