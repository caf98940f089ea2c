"""`approve`, `reject`, `retrain`: each is one annotation, and only where it can mean something."""

from __future__ import annotations

from argparse import Namespace

from rich.console import Console

from kubectl_perennial.client import Body, Cluster
from kubectl_perennial.errors import SorryError, UsageError
from kubectl_perennial.selection import Meant, deployment, meant
from kubectl_perennial.views import phases
from kubectl_perennial.views.times import now
from perennial_operator.core import names
from perennial_operator.core.api.values import as_text


def approve(cluster: Cluster, asked: Namespace, console: Console) -> None:
    of = meant(cluster, asked.names)
    version = _one(of, "waits for approval")
    name, phase, said = _told(version)
    if rejected := said.get(names.REJECTED):
        raise SorryError(
            f"{name} was rejected by {rejected}, which stands; ask anew: kubectl perennial retrain {of.name}"
        )
    if phase != phases.AWAITING:
        raise SorryError(f"{name} does not wait for approval: {_why_not_approved(version, phase)}")
    if already := said.get(names.APPROVED):
        console.print(f"{name} was approved by {already} already{_rests(of.deployment)}")
        return
    cluster.annotate("ModelVersion", name, {names.APPROVED: asked.by})
    console.print(f"{name} approved by {asked.by}{_rests(of.deployment)}")


def reject(cluster: Cluster, asked: Namespace, console: Console) -> None:
    of = meant(cluster, asked.names)
    version = _one(of, "is on its way")
    name, phase, said = _told(version)
    if phase == phases.LIVE:
        raise SorryError(f"{name} serves; to serve another one instead: kubectl perennial pin {of.name} VERSION")
    if phase in phases.ENDED:
        raise SorryError(f"{name} has ended already, as {phase}: {version['status'].get('message', '')}")
    if already := said.get(names.REJECTED):
        console.print(f"{name} was rejected by {already} already")
        return
    cluster.annotate("ModelVersion", name, {names.REJECTED: asked.by})
    then = "; it is rolled back" if phase == phases.ROLLING_OUT else ""
    console.print(f"{name} rejected by {asked.by}{then}")


def retrain(cluster: Cluster, asked: Namespace, console: Console) -> None:
    model = deployment(cluster, asked.name)
    at = as_text(now())
    cluster.annotate("ModelDeployment", asked.name, {names.RETRAIN: at})
    candidate = (model.get("status") or {}).get("candidateVersion")
    waits = _rests(model) or (f"; it waits until {candidate} has come to its end" if candidate else "")
    console.print(f"{asked.name}: retraining requested at {at}{waits}")


def _one(of: Meant, what: str) -> Body:
    """The version that was named, or else the candidate."""
    if len(of.named) > 1:
        raise UsageError(f"one version at a time, and {len(of.named)} were named")
    version = of.named[0] if of.named else of.candidate
    if version is None:
        raise SorryError(f"no version of {of.name} {what}; kubectl perennial history {of.name} shows what there was")
    return version


def _told(version: Body) -> tuple[str, str, dict[str, str]]:
    metadata, status = version["metadata"], version.get("status") or {}
    return metadata["name"], status.get("phase") or phases.TRAINING, metadata.get("annotations") or {}


def _why_not_approved(version: Body, phase: str) -> str:
    if phase in phases.ENDED:
        return f"it has ended as {phase}: {(version.get('status') or {}).get('message', '')}"
    if phase == phases.LIVE:
        return "it serves already"
    if phase in (phases.TRAINING, phases.VALIDATING):
        return f"it is {phase} and not proven yet; ask again when its phase is {phases.AWAITING}"
    return f"it is {phase}; kubectl perennial reject {version['metadata']['name']} stops it"


def _rests(model: Body) -> str:
    """Why what was asked for is not done at once."""
    if model["spec"].get("suspend"):
        return "; it waits, since spec.suspend is true"
    if pin := model["spec"].get("pin"):
        return f"; it waits, since spec.pin holds {pin}"
    return ""
