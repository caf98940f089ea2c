"""The operator's roles allow what it calls, and nothing else."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio import client, config

from perennial_operator.cluster import client as kube_module
from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.cluster.client import Kube
from perennial_operator.cluster.errors import ConflictError, KubeError, RefusedError
from perennial_operator.cluster.permitted_calls import PATHS, VERBS
from perennial_operator.cluster.watches import WATCHED
from perennial_operator.core.actions import Action, PatchRoute, SetStatus
from perennial_operator.core.api.meta import API_VERSION
from perennial_operator.core.world import Policy
from perennial_operator.lease import NAME, Lease
from perennial_operator.reconcile.executor import Executor
from perennial_operator.reconcile.reconciler import Reconciler
from perennial_operator.reconcile.workqueue import WorkQueue
from perennial_operator.telemetry.metrics import Metrics
from tests.builders import a_route
from tests.cluster import LocalCluster
from tests.gateway import DEFINITION, in_git
from tests.kserve_api import definition
from tests.kubectl import Kubectl, documents
from tests.manifests.conftest import install
from tests.manifests.rights import called_by_kube, granted, together, watched
from tests.operator.watch_list import replaced
from tests.simulation.kserve_play import a_kserve_play
from tests.simulation.play import Play, a_play
from tests.simulation.results import checked
from tests.stage import ROOT

LEASES = ("coordination.k8s.io", "leases")
KEY = Key("default", "bike")


def role(file: str, kind: str, name: str) -> dict[str, Any]:
    roles = [
        d for d in documents(ROOT / "manifests" / "rbac" / file) if (d["kind"], d["metadata"]["name"]) == (kind, name)
    ]
    return roles[0]


def test_the_role_allows_exactly_the_calls_of_the_operator() -> None:
    needed = together(called_by_kube(), watched())
    del needed[LEASES]
    assert granted(role("operator.yaml", "ClusterRole", "perennial-operator")["rules"]) == needed


def test_only_the_lease_of_the_operators_can_be_read_and_changed() -> None:
    rules = role("lease.yaml", "Role", "perennial-operator-lease")["rules"]
    assert granted(rules) == {LEASES: called_by_kube()[LEASES]}
    assert [rule.get("resourceNames") for rule in rules if rule["verbs"] != ["create"]] == [[NAME]]


def test_every_kind_of_kube_has_verbs() -> None:
    assert PATHS.keys() == VERBS.keys()


@pytest.mark.parametrize(
    "call",
    [
        lambda kube: kube.get("Pod", "default", "x"),
        lambda kube: kube.merge("ModelDeployment", "default", "x", {"spec": {}}),
        lambda kube: kube.delete("ModelDeployment", "default", "x"),
        lambda kube: kube.apply({"kind": "Job", "metadata": {"namespace": "default", "name": "x"}}),
        lambda kube: kube.set_status("Job", "default", "x", {}),
    ],
    ids=["get", "merge", "delete", "apply", "set_status"],
)
def test_the_client_refuses_calls_not_in_its_table(call: Any) -> None:
    async def tried() -> None:
        nowhere = client.Configuration(host="http://127.0.0.1:1")
        kube = Kube(client.ApiClient(nowhere))
        try:
            await call(kube)
        finally:
            await kube.close()

    with pytest.raises(RefusedError, match="must not"):
        asyncio.run(tried())


def a_life() -> Play:
    """A play in which every sort of thing is made and removed: checks, reports, versions, and history beyond its limit."""
    check = {"schedule": "*/15 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}}
    history = {"versions": 1, "reports": 1}
    rollout = {"steps": [{"weight": 20}], "gateway": {"httpRoute": "bike"}}
    drift = {"check": check, "cooldown": "1m"}
    play = a_play(data={"timeColumn": "hour"}, drift=drift, history=history, rollout=rollout)
    play.until_live(1)
    play.rewrite(a_route())
    for number in (2, 3, 4):
        play.wait(minutes=15)
        (job,) = [name for name in play.jobs if "-check-" in name]
        play.finish(job, checked(0.3))
        play.until_live_again(number)
    return play


def a_life_with_kserve() -> Play:
    """A first version is served by KServe, and taken away."""
    play = a_kserve_play(training={"maxRejections": 1})
    play.until_rolling(1)
    play.pods_fail("bike-v1", refusal={"outcome": "Refused", "reason": "DigestMismatch", "message": "another digest"})
    return play


async def _lived(cluster: LocalCluster, done: list[Action]) -> None:
    """Everything that was done in plays has been done by the operator's own hands."""
    configuration = client.Configuration()
    await config.load_kube_config(config_file=str(cluster.kubeconfig), client_configuration=configuration)
    kube, cache = Kube(client.ApiClient(configuration)), Cache()
    executor = Executor(kube, cache)
    for kind, selector in WATCHED.items():
        replaced(cache, kind, *await kube.list(kind, None, selector))
    for action in [*done, *done]:  # each may be done twice
        try:
            # The versions of objects in the play are not those of the cluster.
            await executor.act(
                KEY, replace(action, resource_version="") if isinstance(action, SetStatus | PatchRoute) else action
            )
        except KubeError as error:
            assert error.reason != "Forbidden", error
    reconciler = Reconciler(kube, cache, WorkQueue(), Policy(trainer_image="trainer:1"), Metrics())
    with suppress(ConflictError):  # it goes on until it meets what belongs to the play's objects
        await reconciler.reconcile(KEY)
    await reconciler.reconcile(KEY._replace(name="idle"))
    for _ in range(2):
        await Lease(kube, "default", NAME, "me").acquire()
    await kube.close()


def test_no_verb_is_in_the_table_that_the_operator_does_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: defaultdict[str, set[str]] = defaultdict(set)
    way = kube_module.path_of

    def noted(verbs: str, kind: str, namespace: str | None, name: str = "") -> str:
        used[kind] |= set(verbs.split())
        return way(verbs, kind, namespace, name)

    monkeypatch.setattr(kube_module, "path_of", noted)
    play = a_life()
    spec = play.bodies["ModelDeployment", "bike"]["spec"]
    with LocalCluster(tmp_path) as cluster:
        kubectl = Kubectl(cluster.kubeconfig)
        install(kubectl)
        kubectl.apply(DEFINITION)
        kubectl.apply(definition())
        kubectl.apply(in_git("bike"))
        kubectl.apply(
            {"apiVersion": API_VERSION, "kind": "ModelDeployment", "metadata": {"name": "bike"}, "spec": spec}
        )
        resting = {**spec, "suspend": True}
        kubectl.apply(
            {"apiVersion": API_VERSION, "kind": "ModelDeployment", "metadata": {"name": "idle"}, "spec": resting}
        )
        asyncio.run(_lived(cluster, [*play.done, *a_life_with_kserve().done]))
    assert dict(used) == {kind: set(verbs.split()) for kind, verbs in VERBS.items()}
