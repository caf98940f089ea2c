"""The command line and the environment that a container's process gets."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.client import Api
from tests.cluster.kubelet import sources
from tests.cluster.kubelet.volumes import rewritten
from tests.cluster.objects import Obj, name

BIND_ADDRESS = "PERENNIAL_BIND_ADDRESS"  # pods share this machine's ports, so each listens on an address of its own


def base(pod: Obj, home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """What every container has; nothing else of this process's environment is passed on."""
    return {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "HOME": str(home),
        "HOSTNAME": name(pod),
        BIND_ADDRESS: pod["status"]["podIP"],
        "OMP_NUM_THREADS": "1",  # all pods, and the tests themselves, share this machine's processors
        **extra,
    }


async def declared(api: Api, pod: Obj, container: Obj) -> dict[str, str]:
    """`envFrom` and `env` with their references followed. Raises Unavailable."""
    env: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        result = await sources.entries(api, sources.SECRETS, pod, source["secretRef"]["name"])
        env |= {source.get("prefix", "") + key: value.decode() for key, value in result.items()}
    for variable in container.get("env") or []:
        env[variable["name"]] = await _value(api, pod, container, variable, env)
    return env


async def _value(api: Api, pod: Obj, container: Obj, variable: Obj, before: Mapping[str, str]) -> str:
    match variable.get("valueFrom") or {}:
        case {"fieldRef": ref}:
            return sources.field(pod, ref["fieldPath"])
        case {"resourceFieldRef": ref}:
            return sources.resource(container, ref)
        case {"secretKeyRef": ref}:
            return await sources.secret_entry(api, pod, ref)
        case source if source:
            raise sources.Unavailable(f"the local node does not know a variable from {', '.join(source)}")
    return expanded(variable.get("value") or "", before)


def expanded(text: str, env: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where the name is known, `$$` by one `$`."""

    def meant(result: re.Match[str]) -> str:
        return "$" if result[0] == "$$" else env.get(result[1], result[0])

    return re.sub(r"\$\$|\$\(([^()]*)\)", meant, text)


def command_line(
    container: Obj, env: Mapping[str, str], places: Mapping[str, Path], entrypoints: Mapping[str, Sequence[str]]
) -> list[str]:
    """What to run; python is this one. Raises Unavailable if neither the container nor the image's entry point says."""
    image = container.get("image", "")
    words = [*(container.get("command") or entrypoints.get(image, ())), *(container.get("args") or [])]
    if not container.get("command") and image not in entrypoints:
        raise sources.Unavailable(
            f"container {container['name']} has no command, and the local node knows no entry point of image {image}:"
            " give it a command, or give the node entrypoints",
            "CreateContainerError",
        )
    argv = [rewritten(expanded(word, env), places) for word in words]
    return [sys.executable if Path(argv[0]).name in ("python", "python3") else argv[0], *argv[1:]]
