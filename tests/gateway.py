"""A small gateway: the part of HTTPRoute's definition that the tests use, and requests split by a route."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import httpx

from tests.kubectl import Body
from tests.stage import Stage, is_ready
from tests.weighted_requests import send_requests

TEXT, WHOLE = {"type": "string"}, {"type": "integer", "minimum": 0, "maximum": 1_000_000}


def _object(**properties: Any) -> Body:
    return {"type": "object", "properties": properties}


def _atomic(items: Body) -> Body:
    return {"type": "array", "items": items, "x-kubernetes-list-type": "atomic"}


_SERVICE = {
    "group": {**TEXT, "default": ""},
    "kind": {**TEXT, "default": "Service"},
    "name": TEXT,
    "namespace": TEXT,
    "port": {"type": "integer"},
}
_FILTER = _object(type=TEXT, requestMirror=_object(backendRef=_object(**_SERVICE), percent=WHOLE))
_BACKEND = _object(**_SERVICE, weight={**WHOLE, "default": 1}, filters=_atomic(_FILTER))
_MATCH = _object(path=_object(type=TEXT, value=TEXT))
_SPEC = _object(
    parentRefs=_atomic(_object(name=TEXT, namespace=TEXT)),
    hostnames=_atomic(TEXT),
    rules=_atomic(_object(matches=_atomic(_MATCH), filters=_atomic(_FILTER), backendRefs=_atomic(_BACKEND))),
)
_CONDITION = _object(type=TEXT, status=TEXT, reason=TEXT, message=TEXT, lastTransitionTime=TEXT)
_STATUS = _object(
    parents=_atomic(_object(parentRef=_object(name=TEXT), controllerName=TEXT, conditions=_atomic(_CONDITION)))
)
_VERSION = {
    "name": "v1",
    "served": True,
    "storage": True,
    "subresources": {"status": {}},
    "schema": {"openAPIV3Schema": _object(spec=_SPEC, status=_STATUS)},
}
DEFINITION: Body = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "httproutes.gateway.networking.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/2538"},
    },
    "spec": {
        "group": "gateway.networking.k8s.io",
        "scope": "Namespaced",
        "names": {"kind": "HTTPRoute", "listKind": "HTTPRouteList", "plural": "httproutes", "singular": "httproute"},
        "versions": [_VERSION],
    },
}


def in_git(name: str) -> Body:
    """The route of a model as its repository holds it."""
    backends = [
        {"name": name, "port": 8080, "weight": 100},
        {"name": f"{name}-candidate", "port": 8080, "weight": 0},
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {
            "parentRefs": [{"name": "public"}],
            "hostnames": [f"{name}.example"],
            "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/v2"}}], "backendRefs": backends}],
        },
    }


class SmallGateway:
    """Routes requests to a model's pods by its HTTPRoute; the share of each backend is exact, not random."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage, self._name, self._turn = stage, name, itertools.count()

    def accept(self) -> None:
        """Sets the condition Accepted in the status of the route."""
        condition = {
            "type": "Accepted",
            "status": "True",
            "reason": "Accepted",
            "message": "",
            "lastTransitionTime": "2026-11-23T12:00:00Z",
        }
        parent = {"parentRef": {"name": "public"}, "controllerName": "perennial.dev/test", "conditions": [condition]}
        self._stage.kubectl.patch("HTTPRoute", self._name, {"status": {"parents": [parent]}}, "status")

    def route(self) -> Body:
        route = self._stage.kubectl.get("HTTPRoute", self._name)
        assert route
        return route

    def weights(self) -> tuple[int, ...]:
        return tuple(backend["weight"] for backend in self.route()["spec"]["rules"][0]["backendRefs"])

    def ask(self, count: int, body: Mapping[str, Any]) -> Counter[str]:
        """Version → how many of the requests it answered; each has to succeed, and is mirrored if the route says so."""
        rule = self.route()["spec"]["rules"][0]
        turns = [backend["name"] for backend in rule["backendRefs"] for _ in range(backend["weight"])]
        mirrors = [f["requestMirror"]["backendRef"]["name"] for f in rule.get("filters", [])]
        answered = send_requests(count, turns, self._turn, self._predictions, body)
        with httpx.Client(trust_env=False, timeout=30, verify=False) as http:
            for mirror in mirrors * count:
                http.post(self._predictions(mirror), json=body)
        return answered

    def _predictions(self, service: str) -> str:
        return f"{self._pod(service)}/v2/models/{self._name}/infer"

    def counted(self, service: str) -> int:
        """How many successful requests the ready pod behind the Service has counted."""
        text = httpx.get(f"{self._pod(service)}/metrics", trust_env=False, verify=False).text
        (count,) = re.findall(r'^model_requests_total\{code="200",.*\} (\S+)$', text, re.MULTILINE)
        return int(float(count))

    def _pod(self, service: str) -> str:
        """The address of a ready pod behind the Service."""
        body = self._stage.kubectl.get("Service", service)
        assert body, f"Service {service} does not exist"
        selector = ",".join(f"{key}={value}" for key, value in body["spec"]["selector"].items())
        pods = [pod for pod in self._stage.kubectl.list("Pod", selector) if is_ready(pod)]
        assert pods, f"Service {service} has no ready pod"
        port = pods[0]["spec"]["containers"][0]["ports"][0]["containerPort"]
        return f"http://{pods[0]['status']['podIP']}:{port}"
