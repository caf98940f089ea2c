"""Helm's whole life of a release."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.calls import Calls, Folder

helm_python = pytest.importorskip("helm_python", reason="helm-python-sdk is not installed")

CHART = {
    "Chart.yaml": "{apiVersion: v2, name: tiny, version: 0.1.0}",
    "values.yaml": "{replicas: 1}",
    "templates/note.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: note}, data: {count: '{{ .Values.replicas }}'}}",
    "templates/web.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: web:1}]}}
""",
    "templates/thing.yaml": "{apiVersion: test.dev/v1, kind: Widget, metadata: {name: a}, spec: {replicas: {{ .Values.replicas }}}}",
}


@pytest.fixture
def chart(tmp_path: Path) -> str:
    for name, text in CHART.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return str(tmp_path)


@pytest.fixture
def helm(api: Calls, folder: Folder) -> Iterator[Any]:
    with helm_python.Config(kubeconfig_path=str(api.kubeconfig), namespace=folder.name) as config:
        yield config


def test_a_release_is_installed_upgraded_rolled_back_and_removed(
    api: Calls, folder: Folder, helm: Any, chart: str
) -> None:
    def replicas() -> list[int]:
        paths = (folder.path("deployments", "web"), folder.path("widgets", "a"))
        return [api.get(path).ok["spec"]["replicas"] for path in paths]

    assert helm.install(chart, "demo")["status"] == "deployed"
    assert replicas() == [1, 1] and api.get(folder.path("configmaps", "note")).ok["data"] == {"count": "1"}
    helm.upgrade(chart, "demo", {"replicas": 3})
    assert replicas() == [3, 3]
    helm.rollback("demo", version=1)
    assert replicas() == [1, 1]
    assert [one["status"] for one in helm.history("demo")] == ["superseded", "superseded", "deployed"]
    helm.uninstall("demo")
    assert api.get(folder.path("deployments", "web")).code == 404 and helm.list() == []


def test_helm_passes_on_what_the_server_refuses(helm: Any, chart: str) -> None:
    with pytest.raises(helm_python.HelmError, match=r"should be greater than or equal to 0"):
        helm.install(chart, "demo", {"replicas": -1})
