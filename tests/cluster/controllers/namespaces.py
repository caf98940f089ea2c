"""What a namespace holds from its start, and how it is emptied at its end."""

from __future__ import annotations

from collections.abc import Sequence

from tests.cluster.client import Api, Refused, Resource
from tests.cluster.objects import Obj, deleting, name

ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
ROOT_CA = "kube-root-ca.crt"
UNFOLLOWED = (
    ACCOUNTS,
    Resource("v1", "Event", "events"),
    Resource("coordination.k8s.io/v1", "Lease", "leases"),
    Resource("rbac.authorization.k8s.io/v1", "Role", "roles"),
    Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
)


async def settle(api: Api, space: Obj, followed: Sequence[Resource]) -> None:
    """A living namespace has its service account and the server's certificate; a dying one is empty, then gone."""
    title = name(space)
    if not deleting(space):
        await _ensure(api, ACCOUNTS, title, {"metadata": {"name": "default"}})
        if authority := api.to.authority:
            await _ensure(api, CONFIG_MAPS, title, {"metadata": {"name": ROOT_CA}, "data": {"ca.crt": authority}})
    elif space["spec"].get("finalizers"):
        if left := await _emptied(api, title, [*(each for each in followed if each.namespaced), *UNFOLLOWED]):
            raise Refused(409, f"namespace {title} still holds {', '.join(left)}")
        await api.call("PUT", f"/api/v1/namespaces/{title}/finalize", {**space, "spec": {"finalizers": []}})


async def _ensure(api: Api, resource: Resource, space: str, obj: Obj) -> None:
    wanted = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
    try:
        await api.call("GET", resource.path(space, obj["metadata"]["name"]))
    except Refused as refusal:
        if refusal.code != 404:
            raise
        await api.call("POST", resource.path(space), wanted)


async def _emptied(api: Api, space: str, resources: Sequence[Resource]) -> list[str]:
    """The plurals of which something is left; everything has been asked to go."""
    left = []
    for resource in resources:
        if (await api.call("GET", resource.path(space), limit="1"))["items"]:
            await api.call("DELETE", resource.path(space), {"propagationPolicy": "Background"})
            left.append(resource.plural)
    return left
