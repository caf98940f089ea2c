"""The chart as it renders for three kinds of people."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from helm_python import Chart

from tests.stage import ROOT
from tests.yaml_text import load_all

Body = dict[str, Any]

PATH = ROOT / "charts" / "perennial"
NAMESPACE = "perennial-system"
MONITORING = "monitoring.coreos.com/v1"

CASES: Mapping[str, Body] = {
    "defaults": {},
    "everything on": {
        "image": {"repository": "registry.example:5000/team/perennial-operator", "tag": f"0.1.0@sha256:{'a' * 64}"},
        "trainer": {"image": {"tag": "1.2.3"}, "serviceAccountName": "trainer"},
        "imagePullSecrets": [{"name": "registry"}],
        "env": [{"name": "PERENNIAL_WORKERS", "value": "8"}],
        "prometheus": "http://prometheus.monitoring:9090",
        "adoptJoblib": True,
        "allowedInPods": ["priorityClassName=batch-*", "tolerations=dedicated"],
        "allowedPackages": ["acme-trees", "acme-series"],
        "replicas": 4,
        "operator": {"shards": 3},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "system-cluster-critical",
        "podLabels": {"team": "a"},
        "podAnnotations": {"sidecar.istio.io/inject": "false"},
        "networkPolicy": {
            "enabled": True,
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "egress": [
                {
                    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
                    "ports": [{"port": 9090, "protocol": "TCP"}],
                }
            ],
        },
        "metrics": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
            "dashboard": {"enabled": True},
        },
    },
    "namespaced": {"watchNamespaces": ["team-a", "team-b"]},
    "least": {
        "replicas": 1,
        "crds": {"install": False},
        "rbac": {"create": False},
        "serviceAccount": {"create": False},
        "podDisruptionBudget": {"enabled": False},
    },
}


@cache
def chart() -> Chart:
    return Chart.load(PATH)


def rendered(values: Mapping[str, Any] = {}, release: str = "perennial") -> list[Body]:
    """Every object of a release, in the order of the templates' names; those of `helm test` too."""
    rendered = chart().render(dict(values), name=release, namespace=NAMESPACE)
    texts = [text for path, text in sorted(rendered.items()) if path.endswith(".yaml")]
    return [document for text in texts for document in load_all(text)]


def of_kind(kind: str, values: Mapping[str, Any] = {}, release: str = "perennial") -> list[Body]:
    return [document for document in rendered(values, release) if document["kind"] == kind]
