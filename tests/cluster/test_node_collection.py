"""What goes with its owner, and what stays."""

from __future__ import annotations

import pytest

from tests.cluster.client import Resource
from tests.cluster.objects import Obj
from tests.cluster.space import Space


def config(name: str, *owners: Obj) -> Obj:
    references = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
        for owner in owners
    ]
    return {"kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": references}}


def test_dependents_are_deleted_with_their_owner(space: Space) -> None:
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


def test_an_object_of_the_owners_name_is_not_the_owner(space: Space) -> None:
    owner = space.put(config("owner"))
    space.delete("ConfigMap", "owner")
    space.put(config("owner"))
    space.put(config("child", owner))
    space.until_gone("ConfigMap", "child")
    assert space.find("ConfigMap", "owner")


@pytest.mark.parametrize("group,collected", [("perennial.dev", True), ("example.org", False)])
def test_only_the_products_custom_resources_are_owners(space: Space, group: str, collected: bool) -> None:
    plural = f"things{space.name.replace('-', '')}"
    resource = Resource(f"{group}/v1", plural.capitalize(), plural)
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    names = {"plural": plural, "kind": resource.kind}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    space.put({"kind": "CustomResourceDefinition", "metadata": {"name": f"{plural}.{group}"}, "spec": spec})
    space.serve(resource)
    owner, other = space.put({"kind": resource.kind, "metadata": {"name": "owner"}}), space.put(config("other"))
    space.put(config("child", owner))
    space.put(config("marker", other))
    space.delete(resource.kind, "owner")
    if collected:
        space.until_gone("ConfigMap", "child")
    space.delete("ConfigMap", "other")
    space.until_gone("ConfigMap", "marker")
    assert bool(space.find("ConfigMap", "child")) == (not collected)
    space.delete("CustomResourceDefinition", f"{plural}.{group}")
