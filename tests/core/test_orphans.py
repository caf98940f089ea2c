"""Objects that have lost their owner are adopted: none is served by a stranger, and nothing is trained again."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core.actions import Apply, Create, Delete
from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.model_deployment import ModelDeploymentStatus
from perennial_operator.reconcile.orphans import is_orphan
from tests.builders import a_body, merged
from tests.simulation.client import Client
from tests.simulation.operator import OperatorInMemory
from tests.simulation.play import Play, a_play

LABELS = {"perennial.dev/model-deployment": "bike", "app.kubernetes.io/managed-by": "perennial"}


def orphaned(versions: int = 1) -> Play:
    """The ModelDeployment was deleted with --cascade=orphan and applied again; no pass has followed."""
    play = a_play()
    for number in range(1, versions + 1):
        play.until_live_again(number) if number > 1 else play.until_live(number)
        play.wait(hours=2)
        if number < versions:
            play.report(f"drifts-{number}")
    spec = play.bodies["ModelDeployment", "bike"]["spec"]
    play.cluster.orphan("ModelDeployment", "bike")
    play.cluster.put(a_body("ModelDeployment", "bike", merged(spec, {})), "uid-again")
    play.done.clear()
    return play


def an_operator(play: Play) -> OperatorInMemory:
    return OperatorInMemory(Client(cluster=play.cluster))


def settled(operator: OperatorInMemory) -> None:
    for _ in range(4):
        operator.settle()
        for kind, name in list(operator.cluster.bodies):
            if kind == "Job" and name == "bike-recover" and not operator.cluster.bodies[kind, name]["status"]:
                operator.cluster.ledger_job_ends(name)


def owner(operator: OperatorInMemory, kind: str, name: str) -> list[str]:
    return [each["uid"] for each in operator.cluster.bodies[kind, name]["metadata"]["ownerReferences"]]


def test_orphaned_objects_are_adopted_without_an_outage() -> None:
    play = orphaned(versions=2)
    pods = play.cluster.pods["bike-v2"].answering
    operator = an_operator(play)
    settled(operator)
    for kind, name in (("ModelVersion", "bike-v2"), ("Deployment", "bike-v2"), ("Service", "bike")):
        assert owner(operator, kind, name) == ["uid-again"], kind
    assert operator.cluster.pods["bike-v2"].answering == pods
    assert operator.cluster.bodies["ModelVersion", "bike-v2"]["status"]["phase"] == "Live"
    assert ("Job", "bike-v3-train") not in operator.cluster.bodies


def test_version_that_contradicts_the_ledger_is_not_adopted() -> None:
    play = orphaned()
    forged = merged(play.bodies["ModelVersion", "bike-v1"]["status"], {"artifact": {"sha256": "f" * 64}})
    play.cluster.change("ModelVersion", "bike-v1", status=forged)
    operator = an_operator(play)
    settled(operator)
    assert operator.cluster.bodies["ModelVersion", "bike-v1"]["metadata"]["ownerReferences"] == []
    assert owner(operator, "Deployment", "bike-v1") == [] or operator.cluster.pods["bike-v1"].answering == 2
    status = ModelDeploymentStatus.model_validate(operator.cluster.bodies["ModelDeployment", "bike"]["status"])
    stalled = find(status.conditions, "Stalled")
    assert stalled and (stalled.status, stalled.reason) == ("True", "LedgerConflict")
    assert "ffffffffffff" in stalled.message and "delete the ModelVersion" in stalled.message
    operator.cluster.remove("ModelVersion", "bike-v1")
    settled(operator)
    assert owner(operator, "ModelVersion", "bike-v1") == ["uid-again"]


def test_number_of_an_orphaned_version_is_not_used_again() -> None:
    play = orphaned()
    play.cluster.storage.entries.clear()
    play.cluster.storage.folders = 0
    operator = an_operator(play)
    settled(operator)
    assert owner(operator, "ModelVersion", "bike-v2") == ["uid-again"]
    assert operator.cluster.pods["bike-v1"].answering == 2


def test_version_alone_that_lost_its_owner_is_confirmed() -> None:
    play = a_play()
    play.until_live(1)
    play.wait(hours=2)
    play.cluster.change("ModelVersion", "bike-v1", {"ownerReferences": []})
    operator = an_operator(play)
    settled(operator)
    assert owner(operator, "ModelVersion", "bike-v1") == [play.bodies["ModelDeployment", "bike"]["metadata"]["uid"]]
    assert operator.cluster.pods["bike-v1"].answering == 2


def test_orphaned_job_is_replaced_and_never_adopted() -> None:
    play = orphaned()
    labels = {**LABELS, "app.kubernetes.io/name": "perennial", "perennial.dev/role": "recovery"}
    old = play.cluster.put({"kind": "Job", "metadata": {"name": "bike-recover", "labels": labels}, "spec": {}})
    operator = an_operator(play)
    operator.settle()
    assert operator.cluster.bodies["Job", "bike-recover"]["metadata"]["uid"] != old["metadata"]["uid"]


def test_deployments_are_adopted_before_their_service() -> None:
    play = orphaned()
    play.cluster.remove("Service", "bike")
    play.settle()
    applied = [action.manifest["kind"] for action in play.done if isinstance(action, Apply)]
    assert applied[:2] == ["Deployment", "Service"]
    confirmed = [type(action) for action in play.done if isinstance(action, Create | Delete)]
    assert confirmed[:3] == [Create, Delete, Create]


@pytest.mark.parametrize(
    ("kind", "name", "changes", "ours"),
    [
        ("Deployment", "bike-v1", {}, True),
        ("Deployment", "copy", {}, False),
        ("Deployment", "bike-v1", {"perennial.dev/role": None}, False),
        ("Deployment", "bike-v1", {"app.kubernetes.io/managed-by": "Helm"}, False),
        ("Service", "bike", {}, True),
        ("Service", "shop", {}, False),
    ],
)
def test_only_expected_names_with_all_labels_are_ours(
    kind: str, name: str, changes: dict[str, Any], ours: bool
) -> None:
    more = {"app.kubernetes.io/name": "perennial", "perennial.dev/role": "serving"}
    version = {"perennial.dev/model-version": "bike-v1"} if kind == "Deployment" else {}
    labels = merged({**LABELS, **more, **version}, changes)
    assert is_orphan(a_body(kind, name, {}, labels=labels), "bike") is ours
    controlled = [{"kind": "X", "name": "x", "uid": "x", "controller": True}]
    assert not is_orphan(a_body(kind, name, {}, labels=labels, ownerReferences=controlled), "bike")
