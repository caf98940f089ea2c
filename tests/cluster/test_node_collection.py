"""What goes with its owner, and what stays."""

from __future__ import annotations

import pytest

from tests.cluster.objects import Obj
from tests.cluster.space import Space

pytest_plugins = ["tests.cluster.fixtures"]


def config(name: str, *owners: Obj, blocking: bool = False) -> Obj:
    references = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": blocking,
        }
        for owner in owners
    ]
    return {"kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": references}}


def test_what_belongs_to_an_object_goes_with_it_down_to_the_last(space: Space) -> None:
    owner = space.put(config("owner"))
    child = space.put(config("child", owner))
    space.put(config("grandchild", child))
    space.put(config("bystander"))
    space.delete("ConfigMap", "owner")
    for name in ("child", "grandchild"):
        space.until_gone("ConfigMap", name)
    assert space.find("ConfigMap", "bystander")


def test_an_object_stays_while_one_of_its_owners_does(space: Space) -> None:
    first, second = space.put(config("first")), space.put(config("second"))
    space.put(config("shared", first, second))
    space.delete("ConfigMap", "first")
    left = space.until("ConfigMap", "shared", lambda result: len(result["metadata"]["ownerReferences"]) == 1)
    assert left["metadata"]["ownerReferences"][0]["name"] == "second"


def test_a_namesake_of_the_owner_is_not_the_owner(space: Space) -> None:
    owner = space.put(config("owner"))
    space.delete("ConfigMap", "owner")
    space.put(config("owner"))
    space.put(config("child", owner))
    space.until_gone("ConfigMap", "child")
    assert space.find("ConfigMap", "owner")


def test_an_owner_of_an_unknown_kind_is_taken_to_be_there(space: Space) -> None:
    unknown = {"apiVersion": "example.org/v1", "kind": "Unknown", "metadata": {"name": "x", "uid": "1"}}
    owner = space.put(config("owner"))
    space.put(config("kept", unknown))
    space.put(config("marker", owner))
    space.delete("ConfigMap", "owner")
    space.until_gone("ConfigMap", "marker")
    assert space.find("ConfigMap", "kept")


@pytest.mark.parametrize("group,collected", [("perennial.dev", True), ("example.org", False)])
def test_custom_resources_of_the_product_own_like_any_other(space: Space, group: str, collected: bool) -> None:
    plural = f"things{space.name.replace('-', '')}"
    kind = plural.capitalize()
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind}, "versions": [version]}
    space.put({"kind": "CustomResourceDefinition", "metadata": {"name": f"{plural}.{group}"}, "spec": spec})
    space.serve(f"{group}/v1alpha1", kind, plural)
    owner = space.put({"kind": kind, "metadata": {"name": "owner"}})
    space.put(config("child", owner))
    marker = space.put(config("marker-owner"))
    space.put(config("marker", marker))
    space.delete(kind, "owner")
    if collected:
        space.until_gone("ConfigMap", "child")
    space.delete("ConfigMap", "marker-owner")
    space.until_gone("ConfigMap", "marker")
    assert bool(space.find("ConfigMap", "child")) == (not collected)
    space.delete("CustomResourceDefinition", f"{plural}.{group}")


def test_a_namespace_is_emptied_before_it_goes(space: Space) -> None:
    with space.another() as other:
        other.put(config("inside"))
        other.until("ServiceAccount", "default", bool)
    other.until_gone("Namespace", other.name)
    assert other.all("ConfigMap") == []
