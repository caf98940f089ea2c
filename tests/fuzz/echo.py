"""An API server in memory that accepts every write, and validates each status by its CRD's schema."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from typing import Any

import jsonschema
import yaml

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.cluster.errors import GoneError
from perennial_operator.core.world import Policy
from perennial_operator.reconcile.reconciler import Reconciler
from perennial_operator.reconcile.workqueue import WorkQueue
from perennial_operator.telemetry.metrics import Metrics
from tests.builders import NOON, a_body
from tests.stage import ROOT

Body = dict[str, Any]


def _schema(path: Any) -> tuple[str, Any]:
    crd = yaml.safe_load(path.read_text())
    properties = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return crd["spec"]["names"]["kind"], properties


SCHEMAS = dict(_schema(path) for path in sorted((ROOT / "manifests" / "crds").glob("*.yaml")))
STATUS = {kind: jsonschema.Draft4Validator(properties["status"]) for kind, properties in SCHEMAS.items()}


class Echo:
    """The operator's client, in memory."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Body] = {}
        self.written: list[tuple[str, str]] = []
        self.wrong: list[str] = []
        self._versions = itertools.count(1000)

    def put(self, body: Mapping[str, Any]) -> Body:
        body = copy.deepcopy(dict(body))
        body["metadata"] = {"namespace": "default", "uid": f"uid-{body['metadata']['name']}", **body["metadata"]}
        body["metadata"] |= {"resourceVersion": str(next(self._versions)), "generation": 1}
        body["metadata"].setdefault("creationTimestamp", "2026-11-23T12:00:00Z")
        self.objects[body["kind"], body["metadata"]["name"]] = body
        return body

    async def get(self, kind: str, namespace: str, name: str) -> Body | None:
        return self.objects.get((kind, name))

    async def list(self, kind: str, namespace: str | None = None, selector: str = "") -> tuple[list[Body], str]:
        return [body for (of, _), body in self.objects.items() if of == kind], "1"

    async def create(self, manifest: Mapping[str, Any]) -> Body:
        self.written.append((manifest["kind"], manifest["metadata"]["name"]))
        return self.put(manifest)

    apply = create

    async def delete(self, kind: str, namespace: str, name: str, uid: str | None = None) -> None:
        if self.objects.pop((kind, name), None) is None:
            raise GoneError("NotFound", name)

    async def set_status(
        self, kind: str, namespace: str, name: str, status: Mapping[str, Any], resource_version: str | None = None
    ) -> Body:
        self.written.append((kind, name))
        self.wrong += [
            f"{kind} {name}: {error.json_path} {error.message}" for error in STATUS[kind].iter_errors(status)
        ]
        return self.put({**self.objects[kind, name], "status": dict(status)})

    async def merge(self, kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> Body:
        return self.put(self.objects[kind, name])


class Operator:
    """The operator's passes over the stored objects, without kopf; `bugs` counts the passes that raised."""

    def __init__(self) -> None:
        self.kube, self.cache, self.metrics = Echo(), Cache(), Metrics()
        self._reconciler = Reconciler(
            self.kube,  # type: ignore[arg-type]
            self.cache,
            WorkQueue(),
            Policy("trainer"),
            self.metrics,
            clock=lambda: NOON,
        )

    def put(self, body: Mapping[str, Any]) -> None:
        self.cache.put(self.kube.put(body))

    async def passes(self, name: str, times: int = 3) -> None:
        for _ in range(times):
            await self._reconciler.try_reconcile(Key("default", name))

    @property
    def bugs(self) -> float:
        return self.metrics.errors.labels("Bug")._value.get()

    def status(self, kind: str, name: str) -> Body:
        status = self.kube.objects[kind, name].get("status") or {}
        return status if isinstance(status, dict) else {}


def body(kind: str, name: str, spec: Mapping[str, Any], status: Mapping[str, Any] = {}, **metadata: Any) -> Body:
    return a_body(kind, name, spec, status, **metadata)
