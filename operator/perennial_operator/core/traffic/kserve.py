"""How does KServe serve a model? In its Knative mode, one InferenceService with a revision for each version.

`canaryTrafficPercent` of the requests go to the newest ready revision, the rest to the revision that had all requests
last. That is always one of the live version: a candidate gets all requests only after its promotion, so a roll-back
waits for no pod.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Apply, Delete
from perennial_operator.core.api.model_version import ModelVersion, RolloutState
from perennial_operator.core.manifests.inference_service import KIND, MODES, inference_manifest
from perennial_operator.core.manifests.serving import differs
from perennial_operator.core.traffic.predecessor import returning
from perennial_operator.core.traffic.runtime import ALL, Blocker, Replicas, RoutingStatus, ServingRuntime
from perennial_operator.core.traffic.traffic_split import ready, step_weights
from perennial_operator.core.world import World


class KServe(ServingRuntime):
    """spec.serving.runtime kserve."""

    makes_deployments = False
    blocks_first_version = True
    routes_later = True

    def polled_object(self, world: World) -> tuple[str, str] | None:
        return KIND, world.name

    def changes_soon(self, world: World) -> bool:
        state = world.candidate.status.rollout if world.candidate else None
        starts = state is not None and state.started_at is not None and state.ready_at is None
        return (starts or not self.settled(world)) and self.blocker(world) is None

    def blocker(self, world: World) -> Blocker | None:
        observed, name = world.routing, self.traffic_splitter(world)
        if observed is None:
            return None
        if observed.unknown_kind:
            message = (
                f"the cluster does not have the kind {KIND}; install KServe with Knative, or create another "
                "ModelDeployment with serving.runtime deployment"
            )
            return Blocker("KServeNotFound", message)
        if observed.refusal:
            message = (
                f"{name} cannot be read: {observed.refusal}; allow the operator's role to get, create, patch and "
                "delete inferenceservices"
            )
            return Blocker("KServeForbidden", message)
        mode = _status(world).get("deploymentMode") or MODES[0]
        if mode not in MODES:
            message = (
                f"KServe runs {name} in its mode {mode}, which does not support traffic splitting; delete it, and the "
                "operator creates it again"
            )
            return Blocker("WrongDeploymentMode", message)
        return None

    def replicas_at(self, world: World, weight: int) -> Replicas:
        """All: other replicas would be another revision in each step."""
        return Replicas(world.spec.serving.replicas, world.spec.serving.replicas)

    def serving_actions(self, world: World) -> Iterator[Action]:
        """The InferenceService; it is deleted if its version was unsuccessful and no other version is live."""
        observed, wanted = world.routing, _wanted(world)
        if observed is None or observed.unknown_kind or observed.refusal:
            return
        if wanted and wanted[0].status.artifact:
            manifest = inference_manifest(world, *wanted)
            if differs(manifest, observed.body):
                yield Apply(manifest)
        elif wanted is None and world.version(_version_of_predictor(world)):
            yield Delete(KIND, world.name)

    def routes_as_asked(self, world: World, state: RolloutState) -> bool:
        version = world.candidate
        if world.live is None or version is None or state.weight == ALL:
            return True
        return _routes(world, version, state.weight)

    def settled(self, world: World) -> bool:
        """Whether KServe has the InferenceService that is wanted now, and routes the requests as it asks."""
        wanted, observed = _wanted(world), world.routing
        if wanted is None or observed is None:
            return True
        return not differs(inference_manifest(world, *wanted), observed.body) and _routes(world, *wanted)

    def traffic_splitter(self, world: World) -> str:
        return f"{KIND} {world.name}"

    def overwritten_message(self, world: World) -> str:
        name = self.traffic_splitter(world)
        return f"{name} split the traffic differently; the operator manages its canaryTrafficPercent"

    def routing_status(self, world: World) -> RoutingStatus | None:
        name = self.traffic_splitter(world)
        if _version_of_predictor(world) is None:
            return RoutingStatus(None, "NotYet", f"{name} does not exist yet")
        if not self.settled(world):
            return RoutingStatus(None, "NotYet", f"KServe has not yet done what {name} asks for")
        url = _status(world).get("url")
        at = f" at {url}" if url else ""
        return RoutingStatus(
            True, "Routed", f"{name} routes traffic{at}; the operator manages its canaryTrafficPercent"
        )


def _wanted(world: World) -> tuple[ModelVersion, int] | None:
    """The version of the predictor and its per cent of the requests; None if nothing serves."""
    live, candidate, pinned = world.live, world.candidate, world.pinned or returning(world)
    if pinned and pinned is not live:
        return pinned, 0 if live else ALL
    if candidate and candidate.status.rollout and not pinned:
        return candidate, _candidate_percent(world, candidate) if live else ALL
    if live is None:
        return None
    # The newest ready revision may be that of a candidate that was rolled back: no request until the live version's is.
    return live, ALL if _newest_revision_is_stable(world) or _newest_version(world) == live.name else 0


def _candidate_percent(world: World, candidate: ModelVersion) -> int:
    """The weight of its step, but never all: KServe rolls back to the revision that had all requests."""
    if _newest_version(world) != candidate.name or not ready(world, candidate, world.spec.serving.replicas):
        return 0  # the newest ready revision would get it, whichever version it belongs to
    return max(step_weights(world) - {ALL}, default=0)


def _routes(world: World, version: ModelVersion, percent: int) -> bool:
    """Whether KServe routes this share of the requests to the version, and the rest to the live version."""
    live = world.live
    rest = _observed_percent(world, live) if live and live is not version else ALL - percent
    return (_observed_percent(world, version), rest) == (percent, ALL - percent)


def _observed_percent(world: World, version: ModelVersion) -> int:
    return sum(
        target.get("percent") or 0
        for target in _predictor_status(world).get("traffic") or []
        if _revisions(world).get(target.get("revisionName")) == version.name
    )


def _version_of_predictor(world: World) -> str | None:
    """The version of the predictor; None if the ModelDeployment has no InferenceService."""
    body = _body(world)
    owners = [owner["uid"] for owner in (body.get("metadata") or {}).get("ownerReferences") or []]
    if world.deployment.metadata.uid not in owners:
        return None
    version: str | None = (body["spec"]["predictor"].get("labels") or {}).get(names.MODEL_VERSION)
    return version


def _newest_version(world: World) -> str | None:
    """The version of the newest ready revision; None if that is unknown."""
    return _revisions(world).get(_predictor_status(world).get("latestReadyRevision", ""))


def _newest_revision_is_stable(world: World) -> bool:
    """Whether the newest ready revision is the one that had all requests last, or no revision is."""
    status = _predictor_status(world)
    return status.get("latestReadyRevision") in (None, "", status.get("latestRolledoutRevision"))


def _revisions(world: World) -> Mapping[str, str]:
    return world.routing.revisions if world.routing else {}


def _body(world: World) -> Mapping[str, Any]:
    return (world.routing.body if world.routing else None) or {}


def _status(world: World) -> Mapping[str, Any]:
    return _body(world).get("status") or {}


def _predictor_status(world: World) -> Mapping[str, Any]:
    return (_status(world).get("components") or {}).get("predictor") or {}
