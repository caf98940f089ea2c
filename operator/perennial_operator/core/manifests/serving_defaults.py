"""What serving pods have where spec.serving leaves it open.

An upgrade of the operator restarts no model: pods of an older release keep its defaults until their spec changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.api.serving import Probe, ServingSpec


@dataclass(frozen=True)
class ServingDefaults:
    """Defaults of one release, as fields of Kubernetes."""

    requests: dict[str, str]
    spread: bool
    """Whether the pods of a version prefer different nodes."""
    startup: dict[str, int]
    liveness: dict[str, int]
    readiness: dict[str, int]

    def probes(self, serving: ServingSpec) -> dict[str, Any]:
        """The probes of the container; the endpoints are those of docs/own-trainer.md."""
        port = serving.port
        alive, ready = ({"httpGet": {"path": f"/v2/health/{path}", "port": port}} for path in ("live", "ready"))
        return {
            "readinessProbe": ready | {"periodSeconds": 2} | self.readiness | _set(serving.readiness_probe),
            # Importing the libraries may take minutes on a busy node.
            "startupProbe": alive | {"periodSeconds": 2, "failureThreshold": 90} | self.startup,
            "livenessProbe": alive | {"periodSeconds": 10} | self.liveness | _set(serving.liveness_probe),
        }

    def resources(self, serving: ServingSpec) -> dict[str, Any]:
        """The container's resources, unless the spec has its own: without any the pod is the first to be evicted."""
        if serving.pod.resources is not None or not self.requests:
            return {}
        return {"resources": {"requests": dict(self.requests)}}

    def topology(self, serving: ServingSpec, deployment: str, version: str) -> dict[str, Any]:
        """A field of the pod: where its replicas run, unless the spec says so."""
        if serving.pod.topology_spread_constraints is not None or not self.spread:
            return {}
        labels = {**names.serving_selector(deployment), names.MODEL_VERSION: version}
        constraint = {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels},
        }
        return {"topologySpreadConstraints": [constraint]}


FIRST = ServingDefaults(requests={}, spread=False, startup={}, liveness={}, readiness={"failureThreshold": 2})
"""Those of 0.1: Kubernetes's own timeout of a second, after three of which a busy pod was killed."""

CURRENT = ServingDefaults(
    requests={"cpu": "100m", "memory": "256Mi"},
    spread=True,
    startup={"timeoutSeconds": 10},
    liveness={"timeoutSeconds": 10, "failureThreshold": 6},
    readiness={"timeoutSeconds": 5, "failureThreshold": 2},
)


def _set(probe: Probe | None) -> dict[str, int]:
    return probe.to_api() if probe else {}
