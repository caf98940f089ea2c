"""A settled model with ten versions, their Jobs and pods, and fifty reports: as often as wanted, written into etcd.

Through the API server a million objects would take an hour. It reads these as if it had stored them itself.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from typing import Any

import httpx

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core import names
from perennial_operator.core.actions import Apply
from perennial_operator.core.decide import decide_step
from perennial_operator.core.status.deployment_status import describe
from perennial_operator.core.world import Policy
from perennial_operator.reconcile.world_builder import build_world
from tests.simulation.play import Play, a_play
from tests.simulation.results import checked

Body = dict[str, Any]

POLICY = Policy(trainer_image="trainer:1")
VERSIONS, REPORTS = 10, 50
IN_ETCD = {
    "ModelDeployment": "perennial.dev/modeldeployments",
    "ModelVersion": "perennial.dev/modelversions",
    "DriftReport": "perennial.dev/driftreports",
    "Job": "jobs",
    "Deployment": "deployments",
    "Service": "services/specs",
    "Pod": "pods",
}
AT_ONCE = 100
"""Objects in one transaction of etcd, which takes 128 at most."""


class Template:
    """The objects of one model, from which those of others are made."""

    def __init__(self) -> None:
        play = lived()
        self._now = play.now
        versions = [f"bike-v{number}" for number in range(1, VERSIONS + 1)]
        kept = [body for body in play.bodies.values() if _version(body) in (None, *versions)]
        self._text = json.dumps(kept)

    def copy(self, namespace: str, name: str) -> list[Body]:
        """The objects of a model of this name: nothing is left to do for them."""
        text = self._text.replace('"namespace": "default"', f'"namespace": "{namespace}"').replace("bike", name)
        salt = f"{namespace}/{name}/"
        text = re.sub(r"[0-9a-f]{64}", lambda old: sha256(f"{salt}{old[0]}".encode()).hexdigest(), text)
        text = re.sub(r'"uid-\d+"', lambda old: f'"{uuid.uuid5(uuid.NAMESPACE_OID, salt + old[0])}"', text)
        bodies: list[Body] = json.loads(text)
        self._settle(Key(namespace, name), bodies)
        return bodies

    def _settle(self, key: Key, bodies: list[Body]) -> None:
        """What was applied, its digest and the status are those of this name."""
        cache = Cache()
        for body in bodies:
            cache.put(body)
        world = build_world(cache, key, self._now, POLICY)
        assert world
        decision = decide_step(world)
        places = {(body["kind"], body["metadata"]["name"]): body for body in bodies}
        for action in decision.actions:
            assert isinstance(action, Apply), action
            metadata = action.manifest["metadata"]
            applied = places[action.manifest["kind"], metadata["name"]]
            applied["metadata"]["annotations"][names.APPLIED] = metadata["annotations"][names.APPLIED]
            applied["spec"] |= action.manifest["spec"]
        places["ModelDeployment", key.name]["status"] = describe(world, decision.assessment, None).to_api()


def lived() -> Play:
    """The play of a model that drifted until it had so many versions and reports."""
    play = a_play(
        drift={"check": {"schedule": "*/15 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}}, "cooldown": "1m"},
        data={"timeColumn": "hour"},
        rollout={"steps": [{"weight": 20}]},
        history={"versions": VERSIONS, "reports": REPORTS},
    )
    play.until_live(1)
    for number in range(2, VERSIONS + 1):
        for psi in (*(0.1 + number / 1000 + each / 10_000 for each in range(6)), 0.3):
            play.wait(minutes=15)
            (job,) = [name for name in play.jobs if "-check-" in name]
            play.finish(job, checked(psi))
        play.until_live_again(number)
    play.edit({"drift": {"check": None}})
    return play


def _version(body: Mapping[str, Any]) -> str | None:
    if body["kind"] == "ModelVersion":
        return str(body["metadata"]["name"])
    return (body["metadata"].get("labels") or {}).get(names.MODEL_VERSION)


def write(etcd: str, bodies: Iterable[Body]) -> int:
    """The objects are in etcd; how many they are."""
    written, left = 0, iter(bodies)
    with httpx.Client(trust_env=False, timeout=60) as client:
        while puts := [_put(body) for body in islice(left, AT_ONCE)]:
            client.post(f"{etcd}/v3/kv/txn", json={"success": puts}).raise_for_status()
            written += len(puts)
    return written


def _put(body: Body) -> Body:
    metadata = {k: v for k, v in body["metadata"].items() if k != "resourceVersion"}
    key = f"/registry/{IN_ETCD[body['kind']]}/{metadata['namespace']}/{metadata['name']}"
    value = json.dumps({**body, "metadata": metadata})
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in (("key", key), ("value", value))}
    return {"requestPut": encoded}


def models(template: Template, namespaces: Iterable[str], numbers: Iterable[int]) -> Iterator[Body]:
    """The objects of the models, whose numbers go round the namespaces."""
    places = list(namespaces)
    for number in numbers:
        yield from template.copy(places[number % len(places)], f"model-{number:05}")
