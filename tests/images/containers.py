"""An image in a container as locked down as a cluster would: another user, a read-only root, no capability, no network."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

USER = 12345
"""Nobody whom the image knows, as platforms choose that give each namespace users of its own."""


def run(
    tool: str,
    image: str,
    command: Sequence[str] = (),
    environment: Mapping[str, str] = {},
    volumes: Mapping[str, Path] = {},
) -> subprocess.CompletedProcess[str]:
    """What came of the command (default: the image's own) in a container. `volumes`: path in the container → directory.

    `tool` is docker, podman, or buildah, which builds and does not run: there crun, an OCI runtime, does that.
    """
    if tool == "buildah":
        return _by_crun(image, command, environment, volumes)
    words = [tool, "run", "--rm", f"--user={USER}:{USER}", "--read-only", "--cap-drop=ALL", "--network=none"]
    words += ["--security-opt=no-new-privileges", "--tmpfs=/tmp"]
    words += [f"--env={name}={value}" for name, value in environment.items()]
    words += [f"--volume={directory}:{path}" for path, directory in volumes.items()]
    return subprocess.run([*words, image, *command], capture_output=True, text=True)


def built(tool: str, image: str) -> bool:
    """Whether the tool has the image."""
    return subprocess.run([tool, "inspect", "--type=image", image], capture_output=True).returncode == 0


def _by_crun(
    image: str, command: Sequence[str], environment: Mapping[str, str], volumes: Mapping[str, Path]
) -> subprocess.CompletedProcess[str]:
    config = json.loads(_output("buildah", "inspect", "--type=image", image))["OCIv1"]["config"]
    container = _output("buildah", "from", image)
    try:
        bundle = Path(_output("buildah", "mount", container)).parent / "bundle"
        bundle.mkdir(exist_ok=True)
        spec = _spec(bundle.parent / "merged", command or config["Cmd"], config["Env"], environment, volumes)
        (bundle / "config.json").write_text(json.dumps(spec))
        words = ["crun", "--cgroup-manager=disabled", "run", f"--bundle={bundle}", container]
        return subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    finally:
        _output("buildah", "rm", container)


def _spec(
    root: Path, command: Sequence[str], own: Sequence[str], environment: Mapping[str, str], volumes: Mapping[str, Path]
) -> dict[str, Any]:
    """Source: https://github.com/opencontainers/runtime-spec/blob/main/config.md"""
    mounts = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},
        *(
            {"destination": path, "type": "bind", "source": str(directory), "options": ["bind"]}
            for path, directory in volumes.items()
        ),
    ]
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(root), "readonly": True},
        "mounts": mounts,
        "process": {
            "cwd": "/",
            "args": list(command),
            "env": [*own, *(f"{name}={value}" for name, value in environment.items())],
            "user": {"uid": USER, "gid": USER},
            "capabilities": {},
            "noNewPrivileges": True,
        },
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")]},
    }


def _output(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
