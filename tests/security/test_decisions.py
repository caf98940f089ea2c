"""Who decided about a version is who wrote it, and to approve is a right of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from perennial_operator.core.actions import SetStatus
from perennial_operator.core.decide import decide_step
from tests.builders import SPEC, a_body, a_deployment, a_version, a_world, merged
from tests.cluster import RealApi, envtest_binaries
from tests.kubectl import Kubectl
from tests.manifests.conftest import install
from tests.manifests.test_samples import tried
from tests.security.admission_policies import refusals
from tests.stage import ROOT

ADMISSION = ROOT / "manifests" / "admission"
POLICIES = [yaml.safe_load((ADMISSION / f"{name}.yaml").read_text()) for name in ("decisions", "approval")]
MAY_APPROVE = ("approve modelversions.perennial.dev default",)
APPROVED, REJECTED, PERSON = (f"perennial.dev/{name}" for name in ("approved-by", "rejected-by", "on-behalf-of"))

Annotations = dict[str, str]
NOT_OWN, NO_RIGHT, OTHERS = "must be your own name, ada", "ada may not approve", "on-behalf-of"
REFUSED: dict[str, tuple[Annotations | None, Annotations, tuple[str, ...], str]] = {
    "another name": ({}, {APPROVED: "grace"}, MAY_APPROVE, NOT_OWN),
    "another name at creation": (None, {APPROVED: "grace"}, MAY_APPROVE, NOT_OWN),
    "no right to approve": ({}, {APPROVED: "ada"}, (), NO_RIGHT),
    "the right in another namespace": ({}, {APPROVED: "ada"}, ("approve modelversions.perennial.dev x",), NO_RIGHT),
    "the right to patch": ({}, {APPROVED: "ada"}, ("patch modelversions.perennial.dev default",), NO_RIGHT),
    "approved at creation": (None, {APPROVED: "ada"}, (), NO_RIGHT),
    "an approval withdrawn": ({APPROVED: "grace"}, {}, (), NO_RIGHT),
    "the name of the approver changed": ({APPROVED: "grace"}, {APPROVED: "bob"}, MAY_APPROVE, NOT_OWN),
    "rejected as another": ({}, {REJECTED: "grace"}, MAY_APPROVE, NOT_OWN),
    "a rejection withdrawn": ({REJECTED: "grace"}, {}, (), NOT_OWN),
    "another person": ({APPROVED: "bot", PERSON: "bob"}, {APPROVED: "bot", PERSON: "ada"}, MAY_APPROVE, OTHERS),
    "the person removed": ({APPROVED: "bot", PERSON: "bob"}, {APPROVED: "bot"}, MAY_APPROVE, OTHERS),
    "a person before another's decision": ({}, {PERSON: "the chief"}, (), OTHERS),
    "the person that another wrote before": ({PERSON: "eve"}, {APPROVED: "ada", PERSON: "eve"}, MAY_APPROVE, OTHERS),
    "a person left behind": ({REJECTED: "ada", PERSON: "the chief"}, {PERSON: "the chief"}, (), OTHERS),
    "the person of another's approval": (
        {APPROVED: "bot", PERSON: "bob"},
        {APPROVED: "bot", REJECTED: "ada", PERSON: "bob"},
        MAY_APPROVE,
        OTHERS,
    ),
}
ADMITTED: dict[str, tuple[Annotations | None, Annotations, tuple[str, ...]]] = {
    "a new version": (None, {}, ()),
    "another annotation": ({APPROVED: "grace"}, {APPROVED: "grace", "team": "a"}, ()),
    "own approval": ({}, {APPROVED: "ada"}, MAY_APPROVE),
    "for a person": ({}, {APPROVED: "ada", PERSON: "Grace Hopper"}, MAY_APPROVE),
    "own rejection": ({}, {REJECTED: "ada"}, ()),
    "a rejection after an approval": ({APPROVED: "bot", PERSON: "bob"}, {APPROVED: "bot", REJECTED: "ada"}, ()),
    "own rejection withdrawn": ({REJECTED: "ada"}, {}, ()),
    "an approval withdrawn by one who may": ({APPROVED: "grace"}, {}, MAY_APPROVE),
    "a person without a decision removed": ({PERSON: "grace"}, {}, ()),
    "own decision for the same person": ({APPROVED: "ada", PERSON: "g"}, {REJECTED: "ada", PERSON: "g"}, MAY_APPROVE),
}


def a_modelversion(annotations: Annotations | None) -> dict[str, Any] | None:
    if annotations is None:
        return None
    some = {"annotations": annotations} if annotations else {}
    return a_body("ModelVersion", "bike-v1", a_version(1).spec.to_api(), **some)


def asked(rights: tuple[str, ...], new: Any, old: Any) -> list[str]:
    return [message for policy in POLICIES for message in refusals(policy, "ada", rights, new, old)]


@pytest.mark.parametrize(("old", "new", "rights", "words"), REFUSED.values(), ids=REFUSED)
def test_decision_of_another_or_without_right_is_refused(
    old: Annotations | None, new: Annotations, rights: tuple[str, ...], words: str
) -> None:
    messages = asked(rights, a_modelversion(new), a_modelversion(old))
    assert any(words in message for message in messages), messages


@pytest.mark.parametrize(("old", "new", "rights"), ADMITTED.values(), ids=ADMITTED)
def test_own_decision_and_unrelated_change_are_admitted(
    old: Annotations | None, new: Annotations, rights: tuple[str, ...]
) -> None:
    assert asked(rights, a_modelversion(new), a_modelversion(old)) == []


MANUAL = {"rollout": {"approval": "manual"}}
SPECS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "approval turned off": (MANUAL, {"rollout": {"approval": "automatic"}}, True),
    "approval left out": (MANUAL, {}, True),
    "a pin": (MANUAL, MANUAL | {"pin": "bike-v2"}, True),
    "another pin": (MANUAL | {"pin": "bike-v1"}, MANUAL | {"pin": "bike-v2"}, True),
    "the pin removed": (MANUAL | {"pin": "bike-v1"}, MANUAL, False),
    "the same pin": (MANUAL | {"pin": "bike-v1"}, MANUAL | {"pin": "bike-v1", "suspend": True}, False),
    "approval turned on": ({}, MANUAL, False),
    "a pin where approval is automatic": ({}, {"pin": "bike-v2"}, False),
}


@pytest.mark.parametrize(("old", "new", "needs_right"), SPECS.values(), ids=SPECS)
def test_spec_bypasses_no_manual_approval(old: dict[str, Any], new: dict[str, Any], needs_right: bool) -> None:
    before, after = (a_body("ModelDeployment", "bike", merged(SPEC, change)) for change in (old, new))
    assert bool(asked((), after, before)) == needs_right
    assert asked(MAY_APPROVE, after, before) == []


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ({APPROVED: "bot", PERSON: "Ada"}, "approved by bot on behalf of Ada"),
        ({APPROVED: "ada"}, "approved by ada"),
        ({REJECTED: "bot", PERSON: "Ada"}, "rejected by bot on behalf of Ada"),
    ],
)
def test_status_names_account_and_person_of_a_decision(annotations: Annotations, words: str) -> None:
    version = a_version(1, "AwaitingApproval", annotations=annotations)
    world = a_world(deployment=a_deployment(spec=MANUAL), versions=(version,))
    (decided,) = [each for each in decide_step(world).actions if isinstance(each, SetStatus)]
    assert decided.status["message"] == words


def test_person_without_an_account_decides_nothing() -> None:
    alone = a_version(1, "AwaitingApproval", annotations={PERSON: "Ada"})
    assert not decide_step(a_world(deployment=a_deployment(spec=MANUAL), versions=(alone,))).actions


def bound() -> Iterator[tuple[str, list[str]]]:
    for path in sorted(ADMISSION.glob("*-binding.yaml")):
        binding = yaml.safe_load(path.read_text())
        yield binding["spec"]["policyName"], binding["spec"]["validationActions"]


def test_every_policy_is_bound_and_fails_closed() -> None:
    assert dict(bound()) == {policy["metadata"]["name"]: ["Deny"] for policy in POLICIES}
    assert {policy["spec"]["failurePolicy"] for policy in POLICIES} == {"Fail"}


@pytest.mark.skipif(
    envtest_binaries() is None, reason="who asks is known to a real kube-apiserver: set KUBEBUILDER_ASSETS"
)
def test_api_server_compares_names_and_asks_for_the_right(tmp_path: Path) -> None:
    with RealApi(tmp_path / "api") as api:
        kubectl = Kubectl(api.kubeconfig)
        install(kubectl)
        for file in sorted(ADMISSION.glob("[ad]*.yaml")):
            tried(kubectl, file, dry_run=False)
        tried(kubectl, ROOT / "manifests" / "rbac" / "people.yaml", dry_run=False)
        for user, role in (("eve", "perennial-edit"), ("ada", "perennial-approve")):
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
            subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
            binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": user}}
            file = tmp_path / f"{user}.yaml"
            file.write_text(yaml.safe_dump({**binding, "roleRef": reference, "subjects": [subject]}))
            tried(kubectl, file, dry_run=False)
        for body in (a_modelversion({}) or {}, a_body("ModelDeployment", "bike", merged(SPEC, MANUAL))):
            kubectl.apply({**body, "metadata": {"name": body["metadata"]["name"]}, "status": {}})
        token = yaml.safe_load(api.kubeconfig.read_text())["users"][0]["user"]["token"]

        def patched(user: str, plural: str, name: str, change: dict[str, Any]) -> tuple[int, str]:
            headers = {"Authorization": f"Bearer {token}", "Impersonate-User": user}
            headers["Content-Type"] = "application/merge-patch+json"
            url = f"{api.url}/apis/perennial.dev/v1alpha1/namespaces/default/{plural}/{name}?dryRun=All"
            answer = httpx.patch(url, json=change, headers=headers, verify=False)
            return answer.status_code, answer.text

        def annotated(user: str, **annotations: str) -> tuple[int, str]:
            keys = {f"perennial.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
            return patched(user, "modelversions", "bike-v1", {"metadata": {"annotations": keys}})

        end = time.monotonic() + 60  # policies hold a moment after they are created
        while annotated("eve", approved_by="ada")[0] == 200 and time.monotonic() < end:
            time.sleep(0.1)
        assert "must be your own name, eve" in annotated("eve", approved_by="ada")[1]
        assert "eve may not approve versions in namespace default" in annotated("eve", approved_by="eve")[1]
        assert annotated("eve", rejected_by="eve")[0] == 200
        assert annotated("eve", team="a")[0] == 200
        assert annotated("ada", approved_by="eve")[0] == 403
        assert annotated("ada", approved_by="ada", on_behalf_of="Grace")[0] == 200
        off, pin = {"spec": {"rollout": {"approval": "automatic"}}}, {"spec": {"pin": "bike-v1"}}
        for change in (off, pin):
            code, message = patched("eve", "modeldeployments", "bike", change)
            assert code == 403 and "bind the ClusterRole perennial-approve" in message
        assert patched("eve", "modeldeployments", "bike", {"spec": {"suspend": True}})[0] == 200
        kubectl.close()
