"""A definition that lacks a field, or a webhook that removes one, pauses what needs it and says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from perennial_operator.cluster.errors import RefusedError
from perennial_operator.cluster.installed_crds import FIX
from perennial_operator.cluster.stored_fields import (
    ANY,
    KEEPS_ALL,
    Path,
    has_field,
    lost_fields,
    undeclared_fields,
    without_field,
)
from perennial_operator.core.actions import PatchRoute, SetStatus
from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.model_deployment import ModelDeploymentStatus
from perennial_operator.crds.definitions import crd_definitions, written_schemas
from perennial_operator.reconcile.executor import Executor
from tests.simulation.client import Client, without_declaration
from tests.simulation.operator import KEY, OperatorInMemory, run
from tests.simulation.play import Play, a_play
from tests.simulation.results import trained

RECORDED = ("status", "recorded")
PASSES = 30


def an_operator(play: Play, readable: bool = True, **dropped: list[Path]) -> OperatorInMemory:
    """A new process in front of an API server that drops these fields; it has compared the definitions."""
    play.cluster.dropped = dropped
    operator = OperatorInMemory(Client(cluster=play.cluster, hidden_schemas=not readable))
    run(operator.crds.check())
    return operator


def writes_in_passes(operator: OperatorInMemory) -> int:
    before = operator.client.calls["write"]
    for _ in range(PASSES):
        operator.see_all()
        operator.look()
    return operator.client.calls["write"] - before


def retraining(operator: OperatorInMemory) -> tuple[str, str]:
    status = operator.cluster.bodies["ModelDeployment", "bike"]["status"]
    condition = find(ModelDeploymentStatus.model_validate(status).conditions, "Retraining")
    assert condition
    return condition.reason, condition.message


def a_live_play() -> Play:
    play = a_play()
    play.cluster.storage.slow = True
    play.settle()
    play.cluster.ledger_job_ends("bike-recover")
    play.until_live(1)
    play.cluster.ledger_job_ends("bike-v1-record")
    return play


@pytest.mark.parametrize("readable", [True, False])
def test_status_field_that_is_not_stored_causes_no_storm(readable: bool) -> None:
    operator = an_operator(a_live_play(), readable, ModelVersion=[RECORDED])
    assert writes_in_passes(operator) <= 2
    reason, message = retraining(operator)
    assert reason == ("OutdatedCRDs" if readable else "NotStored")
    assert "status.recorded" in message and "kubectl apply --server-side -f manifests/crds" in message


@pytest.mark.parametrize("readable", [True, False])
def test_spec_field_that_is_not_stored_makes_no_candidates(readable: bool) -> None:
    play = a_play()
    play.step()
    operator = an_operator(play, readable, ModelVersion=[("spec", "model", "estimator")])
    assert writes_in_passes(operator) <= 4
    made = [body for body in operator.cluster.made if body["kind"] == "ModelVersion"]
    assert len(made) <= (0 if readable else 1)
    assert not operator.cluster.bodies.get(("ModelVersion", "bike-v1"))
    assert "spec.model.estimator" in retraining(operator)[1]


def test_report_that_cannot_be_closed_starts_no_training() -> None:
    play = a_live_play()
    play.report("drifts")
    operator = an_operator(play, DriftReport=[("status", "outcome")])
    assert writes_in_passes(operator) <= 2
    assert ("ModelVersion", "bike-v2") not in operator.cluster.bodies


def test_status_of_the_deployment_is_stored_as_far_as_possible() -> None:
    operator = an_operator(a_live_play(), ModelDeployment=[("status", "selector")])
    assert writes_in_passes(operator) <= 3
    assert retraining(operator)[0] == "OutdatedCRDs"


def test_new_definitions_end_the_pause() -> None:
    operator = an_operator(a_live_play(), ModelVersion=[RECORDED])
    writes_in_passes(operator)
    operator.cluster.dropped = {}
    assert run(operator.crds.check())
    operator.settle()
    assert operator.cluster.bodies["ModelVersion", "bike-v1"]["status"]["recorded"]
    assert retraining(operator)[0] == "RolledOut"


def test_serving_is_kept_up_while_records_cannot_be_stored() -> None:
    play = a_live_play()
    spec = play.bodies["ModelDeployment", "bike"]["spec"]
    play.cluster.edit("ModelDeployment", "bike", {**spec, "serving": {"replicas": 3}})
    play.report("drifts")
    operator = an_operator(play, ModelVersion=[("spec", "trigger")])
    writes_in_passes(operator)
    assert operator.cluster.bodies["Deployment", "bike-v1"]["spec"]["replicas"] == 3


def test_route_that_a_webhook_keeps_as_it_was_is_a_refusal() -> None:
    class Stubborn(Client):
        async def patch(self, kind: str, namespace: str, name: str, *_: Any) -> dict[str, Any]:
            return {"metadata": {"resourceVersion": "7"}}

    executor = Executor(Stubborn(), OperatorInMemory(Client()).cache)
    with pytest.raises(Exception, match="stored nothing"):
        run(executor.act(KEY, PatchRoute("HTTPRoute", "bike", (), "7")))


@pytest.mark.parametrize(("reason", "hinted"), [("Invalid", True), ("Forbidden", False)])
def test_value_that_a_definition_does_not_allow_names_the_fix(reason: str, hinted: bool) -> None:
    class Older(Client):
        async def set_status(self, *_: Any) -> dict[str, Any]:
            raise RefusedError(reason, "status.phase: Unsupported value: Live")

    executor = Executor(Older(), OperatorInMemory(Client()).cache)
    with pytest.raises(RefusedError, match="Unsupported value: Live") as refused:
        run(executor.act(KEY, SetStatus("ModelVersion", "bike-v1", {"phase": "Live"}, "7")))
    assert (FIX in refused.value.message) == hinted


def declared(schema: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """Every field that the schema declares and that would not be stored without that."""
    if schema.get(KEEPS_ALL):
        return
    if "items" in schema:
        yield from declared(schema["items"], path)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from declared(schema["additionalProperties"], (*path, ANY))
    for name, below in (schema.get("properties") or {}).items():
        yield (*path, name)
        yield from declared(below, (*path, name))


def test_each_missing_field_of_each_definition_is_noticed() -> None:
    installed = {
        definition["spec"]["names"]["kind"]: definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for definition in crd_definitions().values()
    }
    for kind, wanted in written_schemas().items():
        assert not list(undeclared_fields(wanted, installed[kind]))
        for path in declared(wanted):
            assert list(undeclared_fields(wanted, without_declaration(installed[kind], path))) == [path]


@pytest.mark.parametrize(
    ("path", "there"),
    [
        (("a",), True),
        (("a", "b"), True),
        (("a", "c"), False),
        (("list", "x"), True),
        (("list", "y"), True),
        (("list", "z"), False),
        (("a", ANY), True),
        (("none",), False),
    ],
)
def test_path_leads_to_fields_of_items_and_of_maps(path: Path, there: bool) -> None:
    value = {"a": {"b": 1}, "list": [{"x": 1}, {"y": {}}], "none": None}
    assert has_field(value, path) is there
    assert bool(list(lost_fields(value, without_field(value, path)))) is there


def test_finished_training_is_not_forgotten_but_waits() -> None:
    play = a_play()
    play.settle()
    play.cluster.job_ends("bike-v1-train", trained(1))
    operator = an_operator(play, ModelVersion=[("status", "data", "sha256")])
    writes_in_passes(operator)
    operator.cluster.dropped = {}
    run(operator.crds.check())
    operator.settle()
    assert operator.cluster.bodies["ModelVersion", "bike-v1"]["status"]["phase"] == "Validating"
