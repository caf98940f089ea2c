"""`pin`: prints the patch that makes a model serve exactly one version. Git owns `spec`, so nothing is written."""

from __future__ import annotations

import json
import sys
from argparse import Namespace

from rich.console import Console

from kubectl_perennial.client import API_VERSION, Body, Cluster
from kubectl_perennial.errors import SorryError, UsageError
from kubectl_perennial.selection import Meant, meant
from kubectl_perennial.terminal import console as screen
from kubectl_perennial.views import phases


def run(cluster: Cluster, asked: Namespace, console: Console) -> None:
    of = meant(cluster, asked.names)
    pinned = None if asked.off else _pinned(of)
    metadata = {"name": of.name, "namespace": of.deployment["metadata"]["namespace"]}
    patch = {"apiVersion": API_VERSION, "kind": "ModelDeployment", "metadata": metadata, "spec": {"pin": pinned}}
    console.print(screen.printed(patch, asked.output or "yaml"), soft_wrap=True)
    merge = json.dumps({"spec": {"pin": pinned}})
    at_once = f"kubectl patch mdep {of.name} -n {metadata['namespace']} --type merge -p '{merge}'"
    sys.stderr.write(
        f"# Nothing was written. Put this into Git as a patch of {of.name}; or, where no Git owns it:\n# {at_once}\n"
    )


def _pinned(of: Meant) -> str:
    """The version that is named and has a stored model."""
    if len(of.named) != 1:
        raise UsageError(f"name the one version to serve: kubectl perennial pin {of.name} v1; or --off")
    version: Body = of.named[0]
    name, status = str(version["metadata"]["name"]), version.get("status") or {}
    if "artifact" not in status:
        phase = status.get("phase") or phases.TRAINING
        raise SorryError(f"{name} has no stored model (it is {phase}), so it cannot serve; pin another version")
    if status["phase"] in phases.UNSUCCESSFUL:
        sys.stderr.write(f"# Look twice: {name} was {status['phase']}: {status.get('message', '')}\n")
    return name
