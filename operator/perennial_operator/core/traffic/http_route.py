"""Does the HTTPRoute of spec.rollout.gateway lead the requests as the roll-out wants them, and if it cannot, why?

The route is the user's: the operator changes the weights of two backends and a mirror to one of them, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.actions import PatchRoute
from perennial_operator.core.world import World

ALL = 100
DEFAULT_WEIGHT = 1
"""Of a backend that names none, by the Gateway API."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why no request can be led by weight, and the mend."""

    reason: str
    message: str


def blocker(world: World) -> Blocker | None:
    """What keeps the operator from steering the route; None where all is well, or nothing is to be steered."""
    found = _unsteerable(world)
    if found or world.route is None or world.route.body is None or world.spec.rollout.gateway is None:
        return found
    return _not_accepted(f"HTTPRoute {world.spec.rollout.gateway.http_route}", world.route.body)


def carries(world: World, weight: int, mirrored: bool) -> bool:
    """Whether the route leads and mirrors to the candidate exactly so; also where there is no route to ask."""
    return not any(_changes(world, weight, mirrored))


def steered(world: World, weight: int, mirrored: bool) -> PatchRoute | None:
    """The change that makes the route lead and mirror to the candidate so, where it is needed and can be made.

    Also of a route that is not accepted: it may be the mirror that its Gateway does not know.
    """
    if world.route is None or world.route.body is None or _unsteerable(world):
        return None
    operations = tuple(_changes(world, weight, mirrored))
    metadata = world.route.body["metadata"]
    return PatchRoute(metadata["name"], operations, metadata["resourceVersion"]) if operations else None


def _unsteerable(world: World) -> Blocker | None:
    gateway, route = world.spec.rollout.gateway, world.route
    if gateway is None or route is None:
        return None
    told = f"HTTPRoute {gateway.http_route}"
    if route.refusal:
        message = f"{told} cannot be read: {route.refusal}; let the operator's role get and patch httproutes"
        return Blocker("RouteForbidden", message)
    if route.body is None or route.body["metadata"].get("deletionTimestamp"):
        return Blocker(
            "RouteNotFound",
            f"there is no {told} in namespace {world.deployment.metadata.namespace}; apply it, or mend "
            "spec.rollout.gateway.httpRoute; where the cluster has no Gateway API, install it or remove "
            "spec.rollout.gateway",
        )
    return _foreign(told, route.body) or _unfit(world, told, route.body)


def _changes(world: World, weight: int, mirrored: bool) -> Iterator[Mapping[str, Any]]:
    """The operations of a JSON patch for every rule that names both Services and has something otherwise."""
    wanted = {world.name: ALL - weight, names.candidate_service(world.name): weight}
    for i, rule in enumerate(_rules(world.route.body if world.route else None)):
        backends = [(j, _service(world, backend), backend) for j, backend in enumerate(rule.get("backendRefs") or [])]
        if not wanted.keys() <= {name for _, name, _ in backends}:
            continue
        for j, name, backend in backends:
            if name in wanted and backend.get("weight", DEFAULT_WEIGHT) != wanted[name]:
                yield {"op": "add", "path": f"/spec/rules/{i}/backendRefs/{j}/weight", "value": wanted[name]}
        yield from _mirror_changes(world, f"/spec/rules/{i}/filters", rule.get("filters"), mirrored)


def _mirror_changes(
    world: World, path: str, filters: Sequence[Mapping[str, Any]] | None, mirrored: bool
) -> Iterator[Mapping[str, Any]]:
    """A mirror to the candidate's Service is there, or is not; other filters, and other mirrors, stay."""
    candidate = names.candidate_service(world.name)
    there = filters or []
    ours = [i for i, one in enumerate(there) if _service(world, _mirror_of(one)) == candidate]
    if mirrored and not ours:
        backend = {"name": candidate, "port": world.spec.serving.port}
        mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": backend}}
        # A list that is not there yet has no end to add to.
        end, value = (path, [mirror]) if filters is None else (f"{path}/-", mirror)
        yield {"op": "add", "path": end, "value": value}
    elif ours and not mirrored and len(ours) == len(there):
        yield {"op": "remove", "path": path}
    elif not mirrored:
        yield from ({"op": "remove", "path": f"{path}/{i}"} for i in reversed(ours))


def _mirror_of(one: Mapping[str, Any]) -> Mapping[str, Any]:
    """The backend that the filter mirrors to, or nothing."""
    backend: Mapping[str, Any] = (one.get("requestMirror") or {}).get("backendRef") or {}
    return backend


def _foreign(told: str, body: Mapping[str, Any]) -> Blocker | None:
    for owner in body["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            message = (
                f"{told} belongs to {owner['kind']} {owner['name']}, which steers it; name a route of the model's own"
            )
            return Blocker("RouteNotOurs", message)
    return None


def _unfit(world: World, told: str, body: Mapping[str, Any]) -> Blocker | None:
    live, candidate = world.name, names.candidate_service(world.name)
    fit = False
    for i, rule in enumerate(_rules(body)):
        services = [_service(world, backend) for backend in rule.get("backendRefs") or []]
        if not {live, candidate} <= set(services):
            continue
        fit = True
        if sorted(map(str, services)) != sorted([live, candidate]):
            message = (
                f"spec.rules[{i}] of {told} names more than {live} and {candidate}, each once; leave only the two in it"
            )
            return Blocker("BackendsMixed", message)
    if fit:
        return None
    message = (
        f"no rule of {told} names both Services {live} and {candidate}; list the two as backendRefs of one rule, "
        f"with port {world.spec.serving.port} and the weights 100 and 0"
    )
    return Blocker("BackendsMissing", message)


def _not_accepted(told: str, body: Mapping[str, Any]) -> Blocker | None:
    """A route that no Gateway obeys leads nothing anywhere, whatever its weights are."""
    parents = (body.get("status") or {}).get("parents") or []
    said = [c for parent in parents for c in parent.get("conditions") or [] if c["type"] == "Accepted"]
    if any(condition["status"] == "True" for condition in said):
        return None
    because = f": {said[0]['message']}" if said and said[0].get("message") else ""
    message = f"no Gateway has accepted {told}{because}; see its parentRefs, and status.parents of the route"
    return Blocker("RouteNotAccepted", message)


def _rules(body: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    rules: list[Mapping[str, Any]] = ((body or {}).get("spec") or {}).get("rules") or []
    return rules


def _service(world: World, backend: Mapping[str, Any]) -> str | None:
    """The name of the backend, where it is a Service of the same namespace."""
    namespace = world.deployment.metadata.namespace
    ours = backend.get("kind", "Service") == "Service" and not backend.get("group")
    return backend.get("name") if ours and backend.get("namespace", namespace) == namespace else None
