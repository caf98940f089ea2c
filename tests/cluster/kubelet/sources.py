"""What a pod's environment and volumes are made of: ConfigMaps, Secrets, and the pod itself."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from tests.cluster.client import Api, Refused, Resource
from tests.cluster.objects import Obj, namespace

CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
SECRETS = Resource("v1", "Secret", "secrets")


class Unavailable(Exception):
    """A container cannot be made as things are; `reason` is what its waiting state says."""

    def __init__(self, message: str, reason: str = "CreateContainerConfigError") -> None:
        super().__init__(message)
        self.reason = reason


async def entries(
    api: Api, resource: Resource, pod: Obj, title: str, optional: bool = False
) -> dict[str, bytes] | None:
    """The data of a ConfigMap or Secret of the pod's namespace; None if it may be missing and is."""
    try:
        obj = await api.call("GET", resource.path(namespace(pod), title))
    except Refused as refusal:
        if refusal.code != 404:
            raise Unavailable(str(refusal)) from refusal
        if optional:
            return None
        raise Unavailable(f'{resource.kind.lower()} "{title}" not found') from refusal
    if resource is SECRETS:
        return {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}
    text = {key: value.encode() for key, value in (obj.get("data") or {}).items()}
    return text | {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}


async def entry(api: Api, resource: Resource, pod: Obj, ref: Mapping[str, Any]) -> str | None:
    """One key's text; None if it may be missing and is."""
    optional = ref.get("optional", False)
    result = await entries(api, resource, pod, ref["name"], optional)
    if result is not None and ref["key"] in result:
        return result[ref["key"]].decode()
    if optional:
        return None
    raise Unavailable(f"couldn't find key {ref['key']} in {resource.kind} {namespace(pod)}/{ref['name']}")


def field(pod: Obj, path: str) -> str:
    """What a fieldRef means, such as `metadata.name`."""
    value: Any = pod
    for step in path.split("."):
        value = (value or {}).get(step)
    return "" if value is None else str(value)


def resource(container: Obj, ref: Mapping[str, Any]) -> str:
    """What a resourceFieldRef means, rounded up to whole divisors; without a limit, all that this machine has."""
    kind, what = ref["resource"].split(".", 1)
    declared = ((container.get("resources") or {}).get(kind) or {}).get(what)
    if declared is None:
        pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        declared = {"cpu": str(os.cpu_count()), "memory": str(pages)}.get(what, "0") if kind == "limits" else "0"
    quantity: Callable[[str], Decimal] = parse_quantity
    return str(math.ceil(quantity(declared) / (quantity(ref.get("divisor", "1")) or 1)))
