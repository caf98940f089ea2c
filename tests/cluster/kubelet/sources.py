"""What a pod's environment and volumes are made of: ConfigMaps, Secrets, and the pod itself."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Mapping
from typing import Any

from kubectl_perennial.admission.cel import quantity
from tests.cluster.client import Api, Refused, Resource
from tests.cluster.objects import Obj, namespace

CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
SECRETS = Resource("v1", "Secret", "secrets")


class Unavailable(Exception):
    """A container cannot be made as things are; `reason` is what its waiting state says."""

    def __init__(self, message: str, reason: str = "CreateContainerConfigError") -> None:
        super().__init__(message)
        self.reason = reason


async def entries(api: Api, resource: Resource, pod: Obj, title: str) -> dict[str, bytes]:
    """The data of a ConfigMap or Secret of the pod's namespace."""
    try:
        obj = await api.call("GET", resource.path(namespace(pod), title))
    except Refused as refusal:
        missing = f'{resource.kind.lower()} "{title}" not found'
        raise Unavailable(missing if refusal.code == 404 else str(refusal)) from refusal
    texts, encoded = obj.get("data") or {}, obj.get("binaryData") or {}
    if resource is SECRETS:
        texts, encoded = {}, texts
    return {key: value.encode() for key, value in texts.items()} | {
        key: base64.b64decode(value) for key, value in encoded.items()
    }


async def secret_entry(api: Api, pod: Obj, ref: Mapping[str, Any]) -> str:
    result = await entries(api, SECRETS, pod, ref["name"])
    if ref["key"] not in result:
        raise Unavailable(f"couldn't find key {ref['key']} in Secret {namespace(pod)}/{ref['name']}")
    return result[ref["key"]].decode()


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
    return str(math.ceil(quantity(declared) / (quantity(ref.get("divisor", "1")) or 1)))
