"""`pin`: prints the patch that makes a model serve exactly one version. Git owns `spec`, so nothing is written."""

from __future__ import annotations

import json
from argparse import Namespace

from rich.console import Console

from kubectl_perennial.client import API_VERSION, Body, Cluster
from kubectl_perennial.errors import CommandError, UsageError
from kubectl_perennial.selection import Selection, select
from kubectl_perennial.terminal import console as output
from perennial_operator.core.api.model_version import UNSUCCESSFUL, Phase


def run(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    selection = select(cluster, arguments.names)
    pinned = None if arguments.off else _pinned(selection)
    metadata = {"name": selection.name, "namespace": selection.deployment["metadata"]["namespace"]}
    patch = {"apiVersion": API_VERSION, "kind": "ModelDeployment", "metadata": metadata, "spec": {"pin": pinned}}
    console.print(output.printed(patch, arguments.output or "yaml"), soft_wrap=True)
    merge = json.dumps({"spec": {"pin": pinned}})
    at_once = f"kubectl patch mdep {selection.name} -n {metadata['namespace']} --type merge -p '{merge}'"
    output.warn(
        f"# Nothing was written. Put this into Git as a patch of {selection.name}, or if it is not managed by Git:"
    )
    output.warn(f"# {at_once}")


def _pinned(selection: Selection) -> str:
    """The name of the named version, which has a stored model."""
    if len(selection.named) != 1:
        raise UsageError(f"name the one version to serve: kubectl perennial pin {selection.name} v1; or --off")
    version: Body = selection.named[0]
    name, status = str(version["metadata"]["name"]), version.get("status") or {}
    if "artifact" not in status:
        phase = status.get("phase") or Phase.TRAINING.value
        raise CommandError(f"{name} has no stored model (it is {phase}), so it cannot serve; pin another version")
    if deleted := status.get("filesDeletedAt"):
        raise CommandError(
            f"the files of {name} were deleted because of spec.history.artifacts (at {deleted}), so it cannot serve; "
            "pin another version"
        )
    if status["phase"] in UNSUCCESSFUL:
        output.warn(f"# Warning: {name} is {status['phase']}: {status.get('message', '')}")
    return name
