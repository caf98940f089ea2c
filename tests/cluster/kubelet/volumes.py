"""Where a pod's volumes are on this machine, what is in them, and how a container's words come to mean these places."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster.client import Api
from tests.cluster.kubelet import sources
from tests.cluster.objects import Obj, namespace

RENDERED = ("configMap", "secret")


def claim_directory(root: Path, space: str, claim: str) -> Path:
    return root / "claims" / space / claim


async def mount(api: Api, pod: Obj, volume: Obj, pod_directory: Path, root: Path) -> Path:
    """The volume's directory, with its present contents. Raises Unavailable for one that is not there (yet)."""
    directory = pod_directory / "volumes" / str(volume["name"])
    if claim := volume.get("persistentVolumeClaim"):
        await _bound(api, pod, claim["claimName"])
        directory = claim_directory(root, namespace(pod), claim["claimName"])
    directory.mkdir(parents=True, exist_ok=True)
    if any(volume.get(kind) for kind in RENDERED):
        publish(directory, await _files(api, pod, volume))
    return directory


async def _bound(api: Api, pod: Obj, claim: str) -> None:
    result = await api.call("GET", f"/api/v1/namespaces/{namespace(pod)}/persistentvolumeclaims/{claim}")
    if result.get("status", {}).get("phase") != "Bound":
        raise sources.Unavailable(f'persistentvolumeclaim "{claim}" is not bound')


async def _files(api: Api, pod: Obj, source: Mapping[str, Any]) -> dict[str, bytes]:
    """Relative path → content of a configMap or secret."""
    files: dict[str, bytes] = {}
    for kind, resource, name in (("configMap", sources.CONFIG_MAPS, "name"), ("secret", sources.SECRETS, "secretName")):
        if part := source.get(kind):
            optional = part.get("optional", False)
            result = await sources.entries(api, resource, pod, part.get(name) or part["name"], optional) or {}
            files |= _chosen(result, part.get("items"), optional)
    return files


def _chosen(result: Mapping[str, bytes], items: list[Obj] | None, optional: bool) -> dict[str, bytes]:
    if items is None:
        return dict(result)
    missing = [item["key"] for item in items if item["key"] not in result]
    if missing and not optional:
        raise sources.Unavailable(f"references non-existent config key: {missing[0]}")
    return {item["path"]: result[item["key"]] for item in items if item["key"] in result}


def publish(directory: Path, files: Mapping[str, bytes]) -> None:
    """The directory shows exactly these files; a reader sees all of the old ones or all of the new."""
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:16]
    data, version = directory / "..data", directory / f"..{digest}"
    if data.is_symlink() and os.readlink(data) == version.name:
        return
    for path, content in files.items():
        (version / path).parent.mkdir(parents=True, exist_ok=True)
        (version / path).write_bytes(content)
    version.mkdir(exist_ok=True)
    _point(data, version.name)
    shown = {Path(path).parts[0] for path in files}
    for title in shown:
        if not (directory / title).is_symlink():
            _point(directory / title, f"..data/{title}")
    for entry in directory.iterdir():
        if entry.name.startswith("..") and entry.name not in ("..data", version.name):
            shutil.rmtree(entry)
        elif not entry.name.startswith("..") and entry.name not in shown:
            entry.unlink()


def _point(link: Path, target: str) -> None:
    new = link.with_name(f"{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


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
