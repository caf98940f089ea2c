"""A small KServe: its revisions are Deployments, and requests are split as its status says."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from tests.knative import INFERENCE, REVISION, SHARE, Revision, Revisions, percent_by_version
from tests.kubectl import Body, Kubectl
from tests.stage import Stage, is_ready
from tests.weighted_requests import send_requests

OF_KSERVE = {"labels", "annotations", "minReplicas", SHARE}
"""Fields of a predictor that a pod does not have."""


class SmallKServe:
    """Serves one InferenceService as KServe does in its Knative mode, as long as the context is open."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._kubectl, self._name, self._turn = Kubectl(stage.kubeconfig, stage.namespace), name, itertools.count()
        self._revisions = Revisions(name)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="small-kserve", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join(30)
        self._kubectl.close()

    def _run(self) -> None:
        while not self._end.wait(0.1):
            inference = self._kubectl.get("InferenceService", self._name)
            if inference:
                self._reconcile(inference)

    def _reconcile(self, inference: Body) -> None:
        self._revisions.observe(inference)
        before = inference.get("status") or {}
        running = self._revisions.running()
        for each in running:
            deployment = self._kubectl.get("Deployment", each.name)
            if deployment is None:
                self._kubectl.apply(self._deployment(inference, each))
            elif (deployment.get("status") or {}).get("readyReplicas", 0) >= each.replicas:
                self._revisions.ready(each.name)
        status = self._revisions.status()
        if status != before:
            self._kubectl.patch("InferenceService", self._name, {"status": status}, "status")
        for each in self._revisions.made:
            if each not in self._revisions.running() and self._kubectl.get("Deployment", each.name):
                self._kubectl.delete("Deployment", each.name)

    def _deployment(self, inference: Body, revision: Revision) -> Body:
        metadata, predictor = inference["metadata"], revision.predictor
        mine = {INFERENCE: self._name, REVISION: revision.name}
        labels = metadata["labels"] | predictor["labels"] | mine
        annotations = metadata["annotations"] | predictor["annotations"]
        pod = {field: value for field, value in predictor.items() if field not in OF_KSERVE}
        owner = {"apiVersion": inference["apiVersion"], "kind": inference["kind"], "controller": True}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": revision.name,
                "labels": labels,
                "ownerReferences": [owner | {"name": self._name, "uid": metadata["uid"]}],
            },
            "spec": {
                "replicas": revision.replicas,
                "selector": {"matchLabels": mine},
                "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
            },
        }

    def ask(self, count: int, body: Mapping[str, Any]) -> Counter[str]:
        """Version → how many of the requests it answered, split as the status says; each has to succeed."""
        turns = [target["revisionName"] for target in self._traffic() for _ in range(target["percent"])]
        return send_requests(
            count, turns, self._turn, lambda name: f"{self._pod(name)}/v2/models/{self._name}/infer", body
        )

    def percents(self) -> dict[str, int]:
        """Version → per cent of the requests, as the status says."""
        versions = {each.name: each.version for each in self._revisions.made}
        return percent_by_version((versions[target["revisionName"]], target["percent"]) for target in self._traffic())

    def _traffic(self) -> list[Body]:
        inference = self._kubectl.get("InferenceService", self._name) or {}
        traffic: list[Body] = inference["status"]["components"]["predictor"]["traffic"]
        return traffic

    def _pod(self, revision: str) -> str:
        pods = [pod for pod in self._kubectl.list("Pod", f"{REVISION}={revision}") if is_ready(pod)]
        assert pods, f"no ready pod of {revision}"
        port = pods[0]["spec"]["containers"][0]["ports"][0]["containerPort"]
        return f"http://{pods[0]['status']['podIP']}:{port}"
