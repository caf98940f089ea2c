"""What the kustomizations make of the manifests, as kubectl reads them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stage import ROOT
from tests.yaml_text import load_all

Objects = list[dict[str, Any]]

pytestmark = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kustomizations are read by kubectl: put it into PATH"
)


def built(directory: Path) -> Objects:
    """The objects of a kustomization."""
    done = subprocess.run(["kubectl", "kustomize", directory], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return load_all(done.stdout)


@pytest.fixture(scope="module")
def rendered() -> dict[str, Objects]:
    """Kustomization → its objects."""
    return {name: built(ROOT / name) for name in ("manifests", "manifests/namespaced", "manifests/installer")}


def container(objects: Objects) -> dict[str, Any]:
    """The operator's."""
    (deployment,) = [d for d in objects if d["kind"] == "Deployment"]
    only: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return only


def environment(objects: Objects) -> dict[str, Any]:
    """Variable → its value, or where it comes from."""
    return {v["name"]: v.get("value", v.get("valueFrom")) for v in container(objects)["env"]}


def test_everything_under_manifests_but_the_samples_is_installed(rendered: dict[str, Objects]) -> None:
    files = [
        f for part in ("crds", "admission", "rbac", "operator") for f in (ROOT / "manifests" / part).glob("*.yaml")
    ]
    shipped = [d for f in [*files, ROOT / "manifests/namespace.yaml"] for d in load_all(f.read_text())]
    names = {(d["kind"], d["metadata"]["name"]) for d in shipped if "metadata" in d}
    assert {(d["kind"], d["metadata"]["name"]) for d in rendered["manifests"]} == names


def test_an_overlay_names_both_images_once(tmp_path: Path) -> None:
    ours = [
        {"name": f"perennial-{p}", "newName": f"registry.example/{p}", "newTag": "2"} for p in ("operator", "trainer")
    ]
    overlay = {"resources": [os.path.relpath(ROOT / "manifests", tmp_path)], "images": ours}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    objects = built(tmp_path)
    assert container(objects)["image"] == "registry.example/operator:2"
    assert environment(objects)["PERENNIAL_TRAINER_IMAGE"] == "registry.example/trainer:2"


def test_namespaced_installation_binds_the_role_of_the_installer(rendered: dict[str, Objects]) -> None:
    whole, one, installer = (rendered[name] for name in ("manifests", "manifests/namespaced", "manifests/installer"))
    assert {d["kind"] for d in whole} - {d["kind"] for d in one} == {
        "Namespace",
        "CustomResourceDefinition",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ClusterRole",
        "ClusterRoleBinding",
    }
    assert {d["metadata"].get("namespace") for d in one} == {"default"}
    bindings = [d for d in one if d["kind"] == "RoleBinding"]
    assert {s["namespace"] for d in bindings for s in d["subjects"]} == {"default"}
    roles = {d["metadata"]["name"]: d["rules"] for d in [*one, *installer] if d["kind"] in ("ClusterRole", "Role")}
    rules = {d["metadata"]["name"]: d["rules"] for d in whole if d["kind"] in ("ClusterRole", "Role")}
    assert [roles[d["roleRef"]["name"]] for d in bindings] == [
        rules["perennial-operator"],
        rules["perennial-operator-lease"],
    ]


def test_installer_brings_cluster_roles_and_binds_none(rendered: dict[str, Objects]) -> None:
    installer = rendered["manifests/installer"]
    assert {d["kind"] for d in installer} == {"ClusterRole"}
    roles = {d["metadata"]["name"]: d for d in installer}
    (rule,) = roles["perennial-namespace-installer"]["rules"]
    assert (rule["verbs"], rule["resourceNames"]) == (["bind"], ["perennial-namespace-operator"])
    assert not [label for label in roles["perennial-namespace-operator"]["metadata"]["labels"] if "aggregate" in label]


def test_the_namespaced_operator_watches_its_own_namespace_alone(rendered: dict[str, Objects]) -> None:
    own = {"fieldRef": {"fieldPath": "metadata.namespace"}}
    assert environment(rendered["manifests/namespaced"]) == environment(rendered["manifests"]) | {
        "PERENNIAL_NAMESPACES": own
    }
