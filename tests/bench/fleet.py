"""A fleet of serving models, and reports about them: manifests, and the calls that create them."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from perennial_operator.cluster.permitted_calls import PATHS
from perennial_operator.core.api.values import as_text
from tests.builders import SPEC, a_version, merged
from tests.cluster import Api
from tests.simulation.results import TRAINED, validated

AT_ONCE = 24
GROUP = "perennial.dev/v1alpha1"
Manifest = dict[str, Any]

WANTED = {"drift": {"cooldown": "1s", "minSamples": 1}, "serving": {"replicas": 1}}
_count = itertools.count()


def path(kind: str, namespace: str, name: str = "", subresource: str = "") -> str:
    return "/".join(part for part in (PATHS[kind].format(f"namespaces/{namespace}"), name, subresource) if part)


def model(number: int) -> str:
    return f"model-{number:04}"


def _object(kind: str, namespace: str, name: str, spec: Mapping[str, Any]) -> Manifest:
    return {"apiVersion": GROUP, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": dict(spec)}


def deployment(namespace: str, name: str, more: Mapping[str, Any] = {}) -> Manifest:
    return _object("ModelDeployment", namespace, name, merged(merged(SPEC, WANTED), more))


def live_version(namespace: str, name: str) -> tuple[Manifest, Manifest]:
    """The first version of a model, and its status, as an earlier operator wrote them."""
    version = a_version(1, "Live", {"modelDeployment": name}, creationTimestamp=as_text(datetime.now(UTC)))
    status = {**version.status.to_api(), "image": "perennial-trainer:0.1.0", "reason": "Promoted", "message": "live"}
    return _object("ModelVersion", namespace, f"{name}-v1", version.spec.to_api()), status


def report(namespace: str, name: str, psi: float) -> Manifest:
    """A report of a new measurement; a psi above 0.2 is a breach."""
    number = next(_count)
    metrics = [
        {"name": "psi", "feature": f"feature{feature}", "value": psi + feature / 1000} for feature in range(1, 3)
    ]
    spec = {"modelDeployment": name, "samples": 1000 + number, "source": "bench", "metrics": metrics}
    return _object("DriftReport", namespace, f"{name}-{number:06}", spec)


async def for_each(things: Iterable[Any], do: Callable[[Any], Awaitable[Any]]) -> None:
    """Done for each item, several concurrently."""
    left = iter(list(things))

    async def worker() -> None:
        for thing in left:
            await do(thing)

    async with asyncio.TaskGroup() as workers:
        for _ in range(AT_ONCE):
            workers.create_task(worker())


async def create(api: Api, manifest: Manifest) -> Manifest:
    return await api.call("POST", path(manifest["kind"], manifest["metadata"]["namespace"]), manifest)


async def set_status(api: Api, kind: str, namespace: str, name: str, status: Mapping[str, Any]) -> None:
    await api.patch(path(kind, namespace, name, "status"), {"status": dict(status)})


async def create_fleet(api: Api, namespace: str, numbers: Iterable[int]) -> None:
    """The models exist, each with a live version."""

    async def one(number: int) -> None:
        name = model(number)
        await create(api, deployment(namespace, name))
        version, status = live_version(namespace, name)
        await create(api, version)
        await set_status(api, "ModelVersion", namespace, version["metadata"]["name"], status)

    await for_each(numbers, one)


def answer(job: Manifest) -> Manifest:
    """The successful result of a trainer for this Job."""
    labels = job["metadata"]["labels"]
    name, role = labels["perennial.dev/model-deployment"], labels["perennial.dev/role"]
    if role == "validation":
        return validated(80.0, live=100.0, upper=-0.1)
    if role != "training":
        return {"outcome": "Succeeded", "message": "done", "number": 0, "versions": [], "passedOver": []}
    folder = f"s3://models/perennial/{job['metadata']['namespace']}/{name}/{labels['perennial.dev/model-version']}"
    stored = {"artifact": ("uri", "model.joblib"), "data": ("holdoutUri", "holdout.parquet")}
    places = {part: {**TRAINED[part], field: f"{folder}/{file}"} for part, (field, file) in stored.items()}
    return {**TRAINED, **places}


async def finish(api: Api, job: Manifest, result: Manifest | None) -> None:
    """The Job has ended with this result of its pod, or was refused."""
    name, namespace, good = job["metadata"]["name"], job["metadata"]["namespace"], result is not None
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"]}
    metadata = {"labels": job["metadata"]["labels"], "ownerReferences": [owner]}
    pod = _object("Pod", namespace, f"{name}-x", {"containers": [{"name": "trainer", "image": "trainer"}]})
    await create(api, {**pod, "apiVersion": "v1", "metadata": {**pod["metadata"], **metadata}})
    message = json.dumps(result or {"outcome": "Refused", "reason": "Bad", "message": "no"})
    ended = {"terminated": {"exitCode": 0 if good else 3, "message": message, "reason": "Completed"}}
    container = {"name": "trainer", "image": "t", "imageID": "t", "ready": False, "restartCount": 0, "state": ended}
    pod_status = {"phase": "Succeeded" if good else "Failed", "containerStatuses": [container]}
    await set_status(api, "Pod", namespace, f"{name}-x", pod_status)
    now = as_text(datetime.now(UTC))
    kinds = ("SuccessCriteriaMet", "Complete") if good else ("FailureTarget", "Failed")
    base = {"status": "True", "reason": "Bench", "message": "bench", "lastTransitionTime": now}
    counts = {"succeeded": 1, "completionTime": now} if good else {"failed": 1}
    conditions = [{"type": kind, **base} for kind in kinds]
    await set_status(api, "Job", namespace, name, {"startTime": now, "conditions": conditions, **counts})


async def get_ready(api: Api, namespace: str) -> None:
    """The status of every Deployment says that its pods are ready."""

    async def one(deployment: Manifest) -> None:
        replicas = deployment["spec"]["replicas"]
        counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), replicas)
        status = {"observedGeneration": deployment["metadata"]["generation"], **counts}
        await set_status(api, "Deployment", namespace, deployment["metadata"]["name"], status)

    await for_each(await every(api, "Deployment", namespace), one)


async def finish_all(api: Api, namespace: str) -> None:
    """Every Job, such as those that write the ledger, has succeeded."""
    await for_each(await every(api, "Job", namespace), lambda job: finish(api, job, answer(job)))


async def every(api: Api, kind: str, namespace: str) -> list[Manifest]:
    items: list[Manifest] = []
    onward = ""
    while True:
        page = await api.call("GET", path(kind, namespace), limit="500", **({"continue": onward} if onward else {}))
        items += page["items"]
        onward = page["metadata"].get("continue", "")
        if not onward:
            return items


async def watch(api: Api, kind: str, namespace: str) -> AsyncIterator[Manifest]:
    """Each event from now on."""
    version = (await api.call("GET", path(kind, namespace), limit="1"))["metadata"]["resourceVersion"]
    while True:
        async for event in api.watch(path(kind, namespace), version):
            version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                yield event
