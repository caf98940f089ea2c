"""A version and its training Job are created in one step, and only for the right owner."""

from __future__ import annotations

import pytest

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.errors import ConflictError
from perennial_operator.core.api.model_version import Trigger
from perennial_operator.core.manifests.candidate import begin
from perennial_operator.reconcile.executor import Executor
from tests.builders import a_body, a_deployment, a_world
from tests.faults.invariants import KEY, run
from tests.faults.memory import Memory

DEPLOYMENT = a_deployment()
VERSION, JOB = begin(a_world(deployment=DEPLOYMENT), Trigger(reason="Initial", message="there is none"))


def a_memory() -> Memory:
    memory = Memory()
    owner = a_body("ModelDeployment", "bike", DEPLOYMENT.spec.to_api())
    memory.put(owner)
    memory.bodies["ModelDeployment", "bike"]["metadata"]["uid"] = DEPLOYMENT.metadata.uid
    return memory


def test_job_belongs_to_the_version_created_before_it() -> None:
    memory, cache = a_memory(), Cache()
    executor = Executor(memory, cache)
    run(executor.act(KEY, VERSION))
    run(executor.act(KEY, JOB))
    version, job = memory.bodies["ModelVersion", "bike-v1"], memory.bodies["Job", "bike-v1-train"]
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("ModelVersion", "bike-v1", version["metadata"]["uid"])


def test_existing_version_ends_the_pass_before_its_job() -> None:
    """It may have ended already; then a Job would train it a second time."""
    memory, cache = a_memory(), Cache()
    run(Executor(memory, Cache()).act(KEY, VERSION))
    with pytest.raises(ConflictError, match="ModelVersion bike-v1 existed already; reconciling again"):
        run(Executor(memory, cache).act(KEY, VERSION))
    assert cache.get(KEY, "ModelVersion", "bike-v1")


def test_no_job_is_created_for_a_deleted_version() -> None:
    memory, cache = a_memory(), Cache()
    executor = Executor(memory, cache)
    run(executor.act(KEY, VERSION))
    cache.remove(KEY, "ModelVersion", "bike-v1")
    with pytest.raises(ConflictError, match="the owner of Job bike-v1-train was just deleted; reconciling again"):
        run(executor.act(KEY, JOB))
    assert ("Job", "bike-v1-train") not in memory.bodies
