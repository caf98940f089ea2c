"""The reference for `bench_operator`: the same API calls as the operator, without decisions.

`python -m tests.bench.bare_loop KUBECONFIG NAMESPACE`: for each DriftReport it creates a ModelVersion and a Job, and then
writes the status of all three and of the ModelDeployment. No cache, no checks, raw HTTP.
"""

from __future__ import annotations

import asyncio
import copy
import json
import sys
from pathlib import Path
from typing import Any

from perennial_operator.core.api.model_version import ModelVersion, Trigger
from perennial_operator.core.api.parsing import parse
from perennial_operator.core.manifests.candidate import begin
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.stages.training import _start_training
from perennial_operator.core.status.deployment_status import describe
from tests.bench.fleet import WANTED, create, set_status, watch
from tests.builders import a_body, a_deployment, a_version, a_world
from tests.cluster import Api, Connection

NAME = "model-bare"


def templates(namespace: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A ModelVersion, its Job, its status and that of its ModelDeployment, all about one of the name `model-bare`."""
    owner = a_deployment(NAME, WANTED, namespace=namespace)
    live = a_version(1, spec={"modelDeployment": NAME}, namespace=namespace)
    world = a_world(deployment=owner, versions=(live,))
    trigger = Trigger(reason="Drift", drift_report="r", message="psi is 0.3, above 0.2")
    version, job = (dict(one.manifest) for one in begin(world, trigger))
    body = a_body("ModelVersion", version["metadata"]["name"], version["spec"], namespace=namespace)
    candidate = parse(ModelVersion, body)
    world = a_world(deployment=owner, versions=(live, candidate))
    return version, job, dict(_start_training(world, candidate).status), describe(world, assess_reports(world)).to_api()


async def answer(api: Api, namespace: str, report: dict[str, Any], texts: tuple[str, ...]) -> None:
    deployment, name = report["spec"]["modelDeployment"], report["metadata"]["name"]
    version, job, begun, status = (json.loads(text.replace(NAME, f"{deployment}-{name[-6:]}")) for text in texts)
    made = await create(api, version)
    job = copy.deepcopy(job)
    job["metadata"]["ownerReferences"][0]["uid"] = made["metadata"]["uid"]
    await create(api, job)
    outcome = {"outcome": "Triggered", "message": "psi is 0.3, above 0.2", "candidate": made["metadata"]["name"]}
    await set_status(api, "DriftReport", namespace, name, outcome)
    await set_status(api, "ModelVersion", namespace, made["metadata"]["name"], begun)
    for on in (made, report):
        await create(api, event_on(on))
    await set_status(api, "ModelDeployment", namespace, deployment, status)


def event_on(body: dict[str, Any]) -> dict[str, Any]:
    metadata = body["metadata"]
    about = {key: metadata[key] for key in ("name", "namespace", "uid")}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{metadata['uid'][:16]}", "namespace": metadata["namespace"]},
        "involvedObject": {"apiVersion": body["apiVersion"], "kind": body["kind"], **about},
        "reason": "Training",
        "message": "training because of Drift: psi is 0.3, above 0.2",
        "type": "Normal",
    }


async def main(kubeconfig: Path, namespace: str) -> None:
    texts = tuple(json.dumps(template) for template in templates(namespace))
    async with Api(Connection.of(kubeconfig)) as api, asyncio.TaskGroup() as group:
        async for event in watch(api, "DriftReport", namespace):
            if event["type"] == "ADDED":
                group.create_task(answer(api, namespace, event["object"], texts))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
