"""The operator's passes over malformed objects in a cluster in memory; each status is validated by its CRD's schema."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import jsonschema

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core.world import Policy
from perennial_operator.reconcile.reconciler import Reconciler
from perennial_operator.reconcile.workqueue import WorkQueue
from perennial_operator.telemetry.metrics import Metrics
from tests.builders import a_body
from tests.simulation.client import Client
from tests.simulation.objects import Body
from tests.stage import ROOT
from tests.yaml_text import load


def _schema(path: Any) -> tuple[str, Any]:
    crd = load(path.read_text())
    properties = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return crd["spec"]["names"]["kind"], properties


SCHEMAS = dict(_schema(path) for path in sorted((ROOT / "manifests" / "crds").glob("*.yaml")))
STATUS = {kind: jsonschema.Draft4Validator(properties["status"]) for kind, properties in SCHEMAS.items()}


class Operator:
    """The operator's passes over the stored objects, without kopf; `bugs` counts the passes that raised."""

    def __init__(self) -> None:
        self.client, self.cache, self.metrics = Client(), Cache(), Metrics()
        self.cluster = self.client.cluster
        self.cluster.watcher = self._validate
        self.written: list[tuple[str, str]] = []
        """(kind, name) of each write."""
        self.invalid: list[str] = []
        """Why written statuses violate their schema."""
        self._reconciler = Reconciler(
            self.client, self.cache, WorkQueue(), Policy("trainer"), self.metrics, clock=lambda: self.cluster.now
        )

    def _validate(self, verb: str, body: Mapping[str, Any]) -> None:
        kind, name = body["kind"], body["metadata"]["name"]
        self.written.append((kind, name))
        if verb == "status":
            errors = STATUS[kind].iter_errors(body["status"])
            self.invalid += [f"{kind} {name}: {error.json_path} {error.message}" for error in errors]

    def put(self, body: Mapping[str, Any]) -> None:
        self.cache.put(self.cluster.put(copy.deepcopy(dict(body)), body["metadata"]["uid"]))

    async def passes(self, name: str, times: int = 3) -> None:
        for _ in range(times):
            await self._reconciler.try_reconcile(Key("default", name))

    @property
    def bugs(self) -> float:
        return self.metrics.errors.labels("Bug")._value.get()

    def status(self, kind: str, name: str) -> Body:
        status = self.cluster.bodies[kind, name].get("status") or {}
        return status if isinstance(status, dict) else {}


def body(kind: str, name: str, spec: Mapping[str, Any], status: Mapping[str, Any] = {}, **metadata: Any) -> Body:
    return a_body(kind, name, spec, status, **metadata)
