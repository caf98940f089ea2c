"""A version and its training Job are created in one step, and only for the right owner."""

from __future__ import annotations

import pytest

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.errors import ConflictError
from perennial_operator.core.api.model_version import Trigger
from perennial_operator.core.manifests.candidate import begin
from perennial_operator.reconcile.executor import Executor
from tests.builders import a_body, a_deployment, a_world
from tests.simulation.client import Client
from tests.simulation.operator import KEY, run

DEPLOYMENT = a_deployment()
VERSION, JOB = begin(a_world(deployment=DEPLOYMENT), Trigger(reason="Initial", message="there is none"))


def a_client() -> Client:
    client = Client()
    owner = a_body("ModelDeployment", "bike", DEPLOYMENT.spec.to_api())
    client.cluster.put(owner)
    client.cluster.bodies["ModelDeployment", "bike"]["metadata"]["uid"] = DEPLOYMENT.metadata.uid
    return client


def test_job_belongs_to_the_version_created_before_it() -> None:
    client, cache = a_client(), Cache()
    executor = Executor(client, cache)
    run(executor.act(KEY, VERSION))
    run(executor.act(KEY, JOB))
    version, job = client.cluster.bodies["ModelVersion", "bike-v1"], client.cluster.bodies["Job", "bike-v1-train"]
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("ModelVersion", "bike-v1", version["metadata"]["uid"])


def test_existing_version_ends_the_pass_before_its_job() -> None:
    """It may have ended already; then a Job would train it a second time."""
    client, cache = a_client(), Cache()
    run(Executor(client, Cache()).act(KEY, VERSION))
    with pytest.raises(ConflictError, match="ModelVersion bike-v1 existed already; reconciling again"):
        run(Executor(client, cache).act(KEY, VERSION))
    assert cache.get(KEY, "ModelVersion", "bike-v1")


def test_no_job_is_created_for_a_deleted_version() -> None:
    client, cache = a_client(), Cache()
    executor = Executor(client, cache)
    run(executor.act(KEY, VERSION))
    cache.remove(KEY, "ModelVersion", "bike-v1")
    with pytest.raises(ConflictError, match="the owner of Job bike-v1-train was just deleted; reconciling again"):
        run(executor.act(KEY, JOB))
    assert ("Job", "bike-v1-train") not in client.cluster.bodies
