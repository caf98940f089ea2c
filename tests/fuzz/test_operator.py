"""Malformed objects cause no traceback and no invalid status, and do not affect other models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from perennial_operator.core.manifests.owner import owner_reference
from perennial_operator.core.names import labels
from tests.builders import SPEC, a_deployment, a_version, a_world, merged
from tests.fuzz.malformed import VALUES, corrupted, with_examples
from tests.fuzz.passes import Body, Operator, body
from tests.simulation.results import TRAINED, checked, validated

DEPLOYMENT = body("ModelDeployment", "bike", merged(SPEC, {"rollout": {"steps": [{"weight": 20, "hold": "5m"}]}}))
STATUS = {"phase": "Live", "liveVersion": "bike-v1", "queuedSince": "2026-11-23T12:00:00Z", "lastVersionNumber": 1}
LIVE = a_version(1, "Live")
OWNER = [owner_reference(a_world(deployment=a_deployment()))]
VERSION = body("ModelVersion", "bike-v1", LIVE.spec.to_api(), LIVE.status.to_api(), ownerReferences=OWNER)
REPORT = body(
    "DriftReport",
    "r",
    {
        "modelDeployment": "bike",
        "samples": 1000,
        "window": {"start": "2026-11-23T12:00:00Z", "end": "2026-11-23T13:00:00Z"},
        "metrics": [
            {"name": "psi", "feature": "feature1", "value": 0.3},
            {"name": "mse", "value": 1.0, "standardError": 0.1},
        ],
    },
    {"outcome": "Breach", "message": "m", "breaches": [{"metric": "psi", "value": 0.3, "limit": 0.2}]},
)
SERVING = body(
    "Deployment",
    "bike-v1",
    {"replicas": 2},
    {"replicas": 2, "conditions": []},
    labels=labels("bike", "serving", "bike-v1"),
    ownerReferences=OWNER,
)


def ended(kind: str, message: str, succeeded: bool = True) -> list[Body]:
    """A version in flight, its ended Job, and the pod with the termination message."""
    phase, role = {"train": ("Training", "training"), "validate": ("Validating", "validation")}[kind]
    version = a_version(1, phase)
    verdict = "Complete" if succeeded else "Failed"
    made = body("ModelVersion", "bike-v1", version.spec.to_api(), version.status.to_api(), ownerReferences=OWNER)
    name = f"bike-v1-{kind}"
    by = [{"kind": "ModelVersion", "name": "bike-v1", "uid": "uid-bike-v1"}]
    about = labels("bike", role, "bike-v1")
    if kind == "validate":
        about |= {"perennial.dev/against": "none"}
    job = body("Job", name, {}, {"conditions": [{"type": verdict, "status": "True"}]}, labels=about, ownerReferences=by)
    terminated = {"exitCode": 0 if succeeded else 3, "message": message}
    state = {"containerStatuses": [{"name": "trainer", "state": {"terminated": terminated}}]}
    pod_of = [{"kind": "Job", "name": name, "uid": f"uid-{name}"}]
    return [made, job, body("Pod", f"{name}-x", {}, state, labels=about, ownerReferences=pod_of)]


def passed(*bodies: Mapping[str, Any]) -> Operator:
    """An operator that has reconciled these objects and another model, whose training it has started."""
    operator = Operator()
    for each in bodies:
        operator.put(each)
    operator.put(body("ModelDeployment", "car", SPEC))

    async def story() -> None:
        await operator.passes("bike")
        await operator.passes("car")

    asyncio.run(story())
    assert operator.bugs == 0
    assert operator.invalid == []
    assert ("Job", "car-recover") in operator.written
    return operator


@with_examples(60)
@given(corrupted({**DEPLOYMENT, "status": STATUS}, ("spec", "status")), st.booleans())
def test_invalid_model_deployment_has_a_stalled_condition(malformed: Body, alone: bool) -> None:
    operator = passed(malformed, *([] if alone else [VERSION, REPORT, SERVING]))
    status = operator.status("ModelDeployment", "bike")
    stalled = [c for c in status.get("conditions", []) if c["type"] == "Stalled"]
    assert stalled, "the status has the condition Stalled"
    assert "Traceback" not in stalled[0]["message"]


@with_examples(40)
@given(corrupted(VERSION, ("spec", "status")))
def test_invalid_version_does_not_fail_the_pass(malformed: Body) -> None:
    passed(DEPLOYMENT, malformed, REPORT, SERVING)


@with_examples(60)
@given(corrupted(REPORT, ("spec", "status")))
def test_invalid_report_has_an_outcome_and_a_message(malformed: Body) -> None:
    operator = passed(DEPLOYMENT, VERSION, SERVING, malformed)
    spec = malformed.get("spec")
    if isinstance(spec, dict) and spec.get("modelDeployment") == "bike":
        status = operator.status("DriftReport", "r")
        assert status["outcome"]
        assert status["message"]


GOOD = {"train": TRAINED, "validate": validated()}
MESSAGES = st.sampled_from(["train", "validate"]).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        corrupted(GOOD[kind]).map(json.dumps)
        | VALUES.map(json.dumps)
        | st.fixed_dictionaries({"outcome": st.just("Refused"), "reason": VALUES, "message": VALUES}).map(json.dumps)
        | st.text(max_size=100)
        | st.just(json.dumps(GOOD[kind])[:200]),
    )
)


@with_examples(60)
@given(MESSAGES, st.booleans())
def test_any_termination_message_is_a_result_or_a_reason(result: tuple[str, str], succeeded: bool) -> None:
    kind, message = result
    operator = passed(DEPLOYMENT, *ended(kind, message, succeeded))
    status = operator.status("ModelVersion", "bike-v1")
    assert status["phase"] in ("Validating", "AwaitingApproval", "RollingOut", "Live", "Failed", "Rejected")
    assert status["phase"] != "Failed" or (status["reason"] and status["message"])


@with_examples(30)
@given(corrupted(checked()).map(json.dumps) | VALUES.map(json.dumps))
def test_any_check_result_is_a_report_or_a_condition(message: str) -> None:
    name = "bike-check-202611231200"
    about = labels("bike", "check", "bike-v1") | {"perennial.dev/scheduled-at": "1795435200"}
    job = body(
        "Job", name, {}, {"conditions": [{"type": "Complete", "status": "True"}]}, labels=about, ownerReferences=OWNER
    )
    state = {"containerStatuses": [{"name": "trainer", "state": {"terminated": {"exitCode": 0, "message": message}}}]}
    pod = body(
        "Pod", "p", {}, state, labels=about, ownerReferences=[{"kind": "Job", "name": name, "uid": f"uid-{name}"}]
    )
    check = {"schedule": "0 3 * * *", "data": {"uri": "s3://bikes/live/*.csv"}}
    deployment = body("ModelDeployment", "bike", merged(SPEC, {"drift": {"check": check}}))
    operator = passed(deployment, VERSION, job, pod)
    assert ("DriftReport", name) in operator.cluster.bodies or ("Job", name) in operator.cluster.bodies
