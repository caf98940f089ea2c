"""Where a pod's volumes are on this machine, what is in them, and how a container's words come to mean these places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.client import Api
from tests.cluster.kubelet import sources
from tests.cluster.objects import Obj, namespace

KNOWN = {"name", "emptyDir", "configMap", "persistentVolumeClaim"}


def claim_directory(root: Path, space: str, claim: str) -> Path:
    return root / "claims" / space / claim


async def mount(api: Api, pod: Obj, volume: Obj, pod_directory: Path, root: Path) -> Path:
    """The volume's directory, with its contents. Raises Unavailable for one that is not there (yet)."""
    if unknown := volume.keys() - KNOWN:
        raise sources.Unavailable(f"the local node does not know a volume of {', '.join(unknown)}")
    directory = pod_directory / "volumes" / str(volume["name"])
    if claim := volume.get("persistentVolumeClaim"):
        await _bound(api, pod, claim["claimName"])
        directory = claim_directory(root, namespace(pod), claim["claimName"])
    directory.mkdir(parents=True, exist_ok=True)
    if config := volume.get("configMap"):
        for key, content in (await sources.entries(api, sources.CONFIG_MAPS, pod, config["name"])).items():
            (directory / key).write_bytes(content)
    return directory


async def _bound(api: Api, pod: Obj, claim: str) -> None:
    result = await api.call("GET", f"/api/v1/namespaces/{namespace(pod)}/persistentvolumeclaims/{claim}")
    if result.get("status", {}).get("phase") != "Bound":
        raise sources.Unavailable(f'persistentvolumeclaim "{claim}" is not bound')


def rewritten(text: str, places: Mapping[str, Path]) -> str:
    """The text with every path under a mount path leading to the real place.

    A mount path counts where a path can begin (in `file:///data`, not in `s3://bucket/data`) and end (not in `/data2`).
    """
    if not places:
        return text
    longest_first = sorted((path.rstrip("/") for path in places), key=len, reverse=True)
    alternatives = "|".join(map(re.escape, longest_first))
    real = {path.rstrip("/"): str(place) for path, place in places.items()}
    pattern = rf"(?:(?<=file://)|(?<![\w./~)}}\]-]))({alternatives})(?![\w.-])"
    return re.sub(pattern, lambda result: real[result[1]], text)


def as_mounted(text: str, places: Mapping[str, Path]) -> str:
    """The text with every real place under the mount path by which a container would know it."""
    for path, place in sorted(places.items(), key=lambda pair: len(str(pair[1])), reverse=True):
        text = text.replace(str(place), path.rstrip("/"))
    return text
