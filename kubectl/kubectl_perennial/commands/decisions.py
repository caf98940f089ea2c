"""`approve`, `reject`, `retrain`: each writes one annotation, if it would have an effect."""

from __future__ import annotations

import os
from argparse import Namespace
from getpass import getuser

from rich.console import Console

from kubectl_perennial.client import Body, Cluster
from kubectl_perennial.errors import CommandError, UsageError
from kubectl_perennial.selection import Selection, get_deployment, select
from kubectl_perennial.views.times import now
from perennial_operator.core import names
from perennial_operator.core.api.model_version import ENDED, Phase
from perennial_operator.core.api.values import as_text


def approve(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    selection = select(cluster, arguments.names)
    version = _one(selection, "waits for approval")
    name, phase, annotations = _facts(version)
    if rejected := annotations.get(names.REJECTED):
        raise CommandError(
            f"{name} was rejected by {rejected}, which is final; "
            f"start a new training: kubectl perennial retrain {selection.name}"
        )
    if phase != Phase.AWAITING_APPROVAL:
        raise CommandError(f"{name} does not wait for approval: {_why_not_approved(version, phase)}")
    if already := annotations.get(names.APPROVED):
        console.print(f"{name} was approved by {already} already{_why_waiting(selection.deployment)}")
        return
    decider = _decide(cluster, name, names.APPROVED, arguments.by)
    console.print(f"{name} approved by {decider}{_why_waiting(selection.deployment)}")


def reject(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    selection = select(cluster, arguments.names)
    version = _one(selection, "can be rejected")
    name, phase, annotations = _facts(version)
    if phase == Phase.LIVE:
        raise CommandError(
            f"{name} serves; to serve another one instead: kubectl perennial pin {selection.name} VERSION"
        )
    if phase in ENDED:
        raise CommandError(f"{name} has ended already, as {phase}: {version['status'].get('message', '')}")
    if already := annotations.get(names.REJECTED):
        console.print(f"{name} was rejected by {already} already")
        return
    decider = _decide(cluster, name, names.REJECTED, arguments.by)
    then = "; it is rolled back" if phase == Phase.ROLLING_OUT else ""
    console.print(f"{name} rejected by {decider}{then}")


def retrain(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    model = get_deployment(cluster, arguments.name)
    at = as_text(now())
    cluster.annotate("ModelDeployment", arguments.name, {names.RETRAIN: at})
    candidate = (model.get("status") or {}).get("candidateVersion")
    waits = _why_waiting(model) or (f"; it waits until {candidate} has ended" if candidate else "")
    console.print(f"{arguments.name}: retraining requested at {at}{waits}")


def _decide(cluster: Cluster, name: str, annotation: str, person: str | None) -> str:
    """The version has the annotation; who decided, in words.

    The API server refuses any other name than the user's own, so that is asked for. A person is a second annotation.
    """
    account = cluster.own_name() or os.environ.get("USER") or os.environ.get("USERNAME") or cluster.user or getuser()
    person = person if person != account else None
    cluster.annotate("ModelVersion", name, {annotation: account, names.PERSON: person})
    return f"{account} on behalf of {person}" if person else account


def _one(selection: Selection, what: str) -> Body:
    """The named version, or else the candidate."""
    if len(selection.named) > 1:
        raise UsageError(f"one version at a time, and {len(selection.named)} were named")
    version = selection.named[0] if selection.named else selection.candidate
    if version is None:
        raise CommandError(
            f"no version of {selection.name} {what}; kubectl perennial history {selection.name} lists its versions"
        )
    return version


def _facts(version: Body) -> tuple[str, str, dict[str, str]]:
    metadata, status = version["metadata"], version.get("status") or {}
    return metadata["name"], status.get("phase") or Phase.TRAINING.value, metadata.get("annotations") or {}


def _why_not_approved(version: Body, phase: str) -> str:
    if phase in ENDED:
        return f"it has ended as {phase}: {(version.get('status') or {}).get('message', '')}"
    if phase == Phase.LIVE:
        return "it serves already"
    if phase in (Phase.TRAINING, Phase.VALIDATING):
        return f"it is {phase} and not validated yet; try again when its phase is {Phase.AWAITING_APPROVAL}"
    return f"it is {phase}; kubectl perennial reject {version['metadata']['name']} stops it"


def _why_waiting(model: Body) -> str:
    """Why the request waits; empty if it does not."""
    if model["spec"].get("suspend"):
        return "; it waits, since spec.suspend is true"
    if pin := model["spec"].get("pin"):
        return f"; it waits, since spec.pin is {pin}"
    return ""
