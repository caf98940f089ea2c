"""Git owns spec: nothing that the operator does shows as a difference, and whoever waits for health waits rightly."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any, Self

import httpx
import pytest

from perennial_operator.core.names import RETRAIN
from tests.cluster import Connection
from tests.e2e.models import a_claim, a_model, a_report, a_table, rows
from tests.gitops.kstatus import kstatus
from tests.kubectl import KINDS, Body, documents
from tests.samples import FEBRUARY, FIRST, JANUARY, first_rows
from tests.stage import Stage

TRACKING = {"argocd.argoproj.io/tracking-id": "models:perennial.dev"}
INSTANCE = {"app.kubernetes.io/instance": "models"}


class Watch:
    """Every state of a ModelDeployment that a watch shows while the context lasts."""

    def __init__(self, stage: Stage, name: str) -> None:
        to = Connection.of(stage.kubeconfig)
        self._url = to.url + KINDS["ModelDeployment"].path(stage.namespace)
        self._http = httpx.Client(headers=to.headers, verify=to.tls or False, timeout=None, trust_env=False)
        self._name, self.states = name, list[Body]()
        self._begun, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._begun.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)
        self._http.close()

    def _follow(self) -> None:
        query = {"watch": "true", "timeoutSeconds": "300", "fieldSelector": f"metadata.name={self._name}"}
        with self._http.stream("GET", self._url, params=query) as answer:
            self._begun.set()
            for line in answer.iter_lines():
                self.states.append(json.loads(line)["object"])
                if self._over.is_set():
                    return

    def changes(self) -> list[str]:
        """What kstatus says of the states, as often as it changes."""
        statuses = [kstatus(state) for state in list(self.states)]
        return [status for i, status in enumerate(statuses) if i == 0 or status != statuses[i - 1]]


@pytest.fixture(scope="module")
def looped(stage: Stage) -> Stage:
    """The sample after a whole loop: from Git, live, scaled, retrained on newer data, live again."""
    stage.apply(*in_git(newer=False))
    stage.until_phase("linear-regression-v1", "Live")
    stage.apply(*in_git())
    stage.kubectl.patch("ModelDeployment", "linear-regression", {"spec": {"replicas": 2}}, "scale")
    stage.kubectl.annotate("ModelDeployment", "linear-regression", {RETRAIN: "2026-11-23T12:00:00Z"})
    second = stage.until_phase("linear-regression-v2", "Live", "Rejected", "Failed", "RolledBack")
    assert second["phase"] == "Live", second["message"]
    stage.wait("it is Ready", lambda: stage.condition("linear-regression", "Ready").get("status") == "True")
    return stage


def in_git(newer: bool = True) -> Iterator[Body]:
    """The sample as a repository might hold it, marked by Argo CD, before or after the commit with newer data."""
    for document in (first_rows(JANUARY, *([FEBRUARY] if newer else [])), *documents(FIRST)):
        document["metadata"] |= {"annotations": TRACKING, "labels": INSTANCE}
        yield document


def test_applied_once_more_nothing_conflicts_and_nothing_changes(looped: Stage) -> None:
    def unchanged(document: Body) -> bool:
        """Whether the object is as it was; the operator may have written a status in between."""
        before = looped.kubectl.get(document["kind"], document["metadata"]["name"])
        after = looped.kubectl.apply(document)[0]
        assert before
        assert after["metadata"].get("generation") == before["metadata"].get("generation")
        assert after.get("spec") == before.get("spec")
        same: bool = after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
        return same

    for document in in_git():
        looped.wait(f"{document['kind']} is unchanged", lambda document=document: unchanged(document))  # type: ignore[misc]


def test_every_field_that_git_holds_is_as_git_holds_it(looped: Stage) -> None:
    """What Argo CD compares: maps field by field, lists whole."""
    for document in in_git():
        live = looped.kubectl.get(document["kind"], document["metadata"]["name"])
        assert list(differences(document, live)) == []


def differences(git: Any, live: Any, path: str = "") -> Iterator[str]:
    if isinstance(git, dict) and isinstance(live, dict):
        for key, value in git.items():
            yield from differences(value, live.get(key), f"{path}.{key}")
    elif git != live:
        yield f"{path}: {git!r} is {live!r}"


def test_the_operator_owns_the_status_and_nothing_else(looped: Stage) -> None:
    model = looped.kubectl.get("ModelDeployment", "linear-regression")
    assert model
    owned = {
        (entry["manager"], entry.get("subresource"), *sorted(entry["fieldsV1"]))
        for entry in model["metadata"]["managedFields"]
        if entry["manager"] == "perennial"
    }
    assert owned == {("perennial", "status", "f:status")}
    assert "finalizers" not in model["metadata"]
    assert set(model["metadata"]["annotations"]) == {*TRACKING, RETRAIN}


def test_what_was_scaled_stays_scaled(looped: Stage) -> None:
    model = looped.kubectl.get("ModelDeployment", "linear-regression")
    assert model
    assert model["spec"]["serving"]["replicas"] == 2


@pytest.mark.parametrize("kind", ["ModelVersion", "Job", "Deployment", "Service", "Pod"])
def test_created_objects_belong_to_the_model_and_not_to_git(looped: Stage, kind: str) -> None:
    made = looped.kubectl.list(kind, "perennial.dev/model-deployment=linear-regression")
    assert made
    for body in made:
        assert body["metadata"]["ownerReferences"]
        marks = {**body["metadata"].get("labels", {}), **body["metadata"].get("annotations", {})}
        assert not marks.keys() & (TRACKING | INSTANCE).keys()


def test_kstatus_waits_for_the_first_version_only(stage: Stage) -> None:
    with Watch(stage, "waited") as watch:
        spec = {"rollout": {"steps": [{"weight": 50, "hold": "1s"}]}, "serving": {"replicas": 2}}
        files = {"0.csv": rows(0)}
        stage.apply(a_table("waited-data", files), a_claim("waited-models"), a_model("waited", spec))
        stage.wait("it is Ready", lambda: stage.condition("waited", "Ready").get("status") == "True", 90)
        stage.wait("the watch has seen it", lambda: watch.changes()[-1:] == ["Current"])
        stage.apply(a_table("waited-data", files | {"1.csv": rows(1, slope=9)}), a_report("waited-drifts", "waited"))
        stage.until_phase("waited-v2", "Live")
        stage.wait(
            "the watch has seen it",
            lambda: any(state["status"].get("liveVersion") == "waited-v2" for state in watch.states),
        )
        stage.kubectl.annotate("ModelDeployment", "waited", {"over": "now"})
    assert watch.changes() == ["InProgress", "Current"]
