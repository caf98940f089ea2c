"""Does the HTTPRoute of spec.rollout.gateway split the traffic as wanted, and if it cannot, why?

The route is the user's: the operator changes the weights of two backends and a mirror to one of them, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from perennial_operator.core import names
from perennial_operator.core.actions import PatchRoute
from perennial_operator.core.manifests.capture import shadow_port
from perennial_operator.core.traffic.runtime import ALL, Blocker
from perennial_operator.core.world import World

KIND = "HTTPRoute"
DEFAULT_WEIGHT = 1
"""The weight of a backend without one, by the Gateway API."""


def blocker(world: World) -> Blocker | None:
    """Why the route cannot split the traffic, or None."""
    why = _cannot_be_patched(world)
    if why or world.routing is None or world.routing.body is None:
        return why
    return _not_accepted(_named(world), world.routing.body) or _broken(_named(world), world.routing.body)


def named_ports(world: World) -> Mapping[str, Sequence[int]] | None:
    """Each of the model's Services → the ports by which the route names it; None if the route is not known now."""
    if world.routing is None or world.routing.refusal:
        return None
    ports: dict[str, list[int]] = {world.name: [], names.candidate_service(world.name): []}
    for rule in _rules(world.routing.body):
        mirrors = [_mirror_of(each) for each in rule.get("filters") or []]
        for backend in (*(rule.get("backendRefs") or []), *mirrors):
            name, port = _service(world, backend), backend.get("port")
            if name in ports and isinstance(port, int) and port not in ports[name]:
                ports[name].append(port)
    return ports


def is_as_wanted(world: World, weight: int, mirrored: bool) -> bool:
    """Whether the route has this weight and mirror for the candidate, or no rule for it."""
    return not any(_changes(world, weight, mirrored))


def route_patch(world: World, weight: int, mirrored: bool) -> PatchRoute | None:
    """The patch that gives the candidate this weight and mirror; None if it is not needed or not possible.

    A route that no Gateway has accepted is patched too: the mirror may be what its Gateway does not support.
    """
    if world.routing is None or world.routing.body is None or _cannot_be_patched(world):
        return None
    operations = tuple(_changes(world, weight, mirrored))
    metadata = world.routing.body["metadata"]
    return PatchRoute(KIND, metadata["name"], operations, metadata["resourceVersion"]) if operations else None


def _named(world: World) -> str:
    assert world.spec.rollout.gateway
    return f"{KIND} {world.spec.rollout.gateway.http_route}"


def _cannot_be_patched(world: World) -> Blocker | None:
    route = world.routing
    if route is None:
        return None
    name = _named(world)
    if route.refusal:
        message = f"{name} cannot be read: {route.refusal}; allow the operator's role to get and patch httproutes"
        return Blocker("RouteForbidden", message)
    if route.body is None or route.body["metadata"].get("deletionTimestamp"):
        return Blocker(
            "RouteNotFound",
            f"{name} does not exist in namespace {world.deployment.metadata.namespace}; create it, or fix "
            "spec.rollout.gateway.httpRoute; if the cluster has no Gateway API, install it or remove "
            "spec.rollout.gateway",
        )
    return _controlled_by_another(name, route.body) or _wrong_backends(world, name, route.body)


def _changes(world: World, weight: int, mirrored: bool) -> Iterator[Mapping[str, Any]]:
    """The JSON patch operations for every rule that names both Services and whose weights or mirror differ."""
    wanted = {world.name: ALL - weight, names.candidate_service(world.name): weight}
    for i, rule in enumerate(_rules(world.routing.body if world.routing else None)):
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
    """Adds or removes the mirror to the candidate's Service; other filters and mirrors stay."""
    candidate = names.candidate_service(world.name)
    present, port = filters or [], mirror_port(world)
    ours = [i for i, each in enumerate(present) if _service(world, _mirror_of(each)) == candidate]
    if mirrored and not ours:
        backend = {"name": candidate, "port": port}
        mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": backend}}
        # "path/-" appends to a list, which has to exist.
        end, value = (path, [mirror]) if filters is None else (f"{path}/-", mirror)
        yield {"op": "add", "path": end, "value": value}
    elif mirrored:
        for i in ours:
            if _mirror_of(present[i]).get("port") != port:
                yield {"op": "replace", "path": f"{path}/{i}/requestMirror/backendRef/port", "value": port}
    elif ours and len(ours) == len(present):
        yield {"op": "remove", "path": path}
    elif not mirrored:
        yield from ({"op": "remove", "path": f"{path}/{i}"} for i in reversed(ours))


def mirror_port(world: World) -> int:
    """The port of the candidate's Service that gets copies of requests: one of its own if rows are captured."""
    ports = shadow_port(world, world.candidate) if world.candidate else {}
    return ports.get("shadow", world.spec.serving.port)


def _mirror_of(route_filter: Mapping[str, Any]) -> Mapping[str, Any]:
    """The backend that the filter mirrors to, or an empty mapping."""
    backend: Mapping[str, Any] = (route_filter.get("requestMirror") or {}).get("backendRef") or {}
    return backend


def _controlled_by_another(name: str, body: Mapping[str, Any]) -> Blocker | None:
    for owner in body["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            message = f"{name} is controlled by {owner['kind']} {owner['name']}; name a route of this model alone"
            return Blocker("RouteNotOurs", message)
    return None


def _wrong_backends(world: World, name: str, body: Mapping[str, Any]) -> Blocker | None:
    live, candidate = world.name, names.candidate_service(world.name)
    has_both = False
    for i, rule in enumerate(_rules(body)):
        services = [_service(world, backend) for backend in rule.get("backendRefs") or []]
        if not {live, candidate} <= set(services):
            continue
        has_both = True
        if sorted(map(str, services)) != sorted([live, candidate]):
            message = f"spec.rules[{i}] of {name} must list {live} and {candidate} once each and no other backend"
            return Blocker("BackendsMixed", message)
    if has_both:
        return None
    message = (
        f"no rule of {name} lists both Services {live} and {candidate}; list both as backendRefs of one rule, "
        f"with port {world.spec.serving.port} and the weights 100 and 0"
    )
    return Blocker("BackendsMissing", message)


def _not_accepted(name: str, body: Mapping[str, Any]) -> Blocker | None:
    """A route that no Gateway has accepted routes no request, whatever its weights are."""
    parents = (body.get("status") or {}).get("parents") or []
    accepted = [c for parent in parents for c in parent.get("conditions") or [] if c["type"] == "Accepted"]
    if any(condition["status"] == "True" for condition in accepted):
        return None
    because = f": {accepted[0]['message']}" if accepted and accepted[0].get("message") else ""
    message = f"no Gateway has accepted {name}{because}; check the route's parentRefs and status.parents"
    return Blocker("RouteNotAccepted", message)


def _broken(name: str, body: Mapping[str, Any]) -> Blocker | None:
    """A Gateway that has accepted a route may still send its requests nowhere, or leave out some of its rules."""
    for parent in (body.get("status") or {}).get("parents") or []:
        for condition in parent.get("conditions") or []:
            kind, status = condition["type"], condition["status"]
            if (kind, status) in (("ResolvedRefs", "False"), ("PartiallyInvalid", "True")):
                because = f": {condition['message']}" if condition.get("message") else ""
                message = (
                    f"a Gateway reports {kind} {status} for {name}{because}; check the names and ports of its "
                    "backendRefs, and status.parents"
                )
                return Blocker("RouteNotResolved", message)
    return None


def _rules(body: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    rules: list[Mapping[str, Any]] = ((body or {}).get("spec") or {}).get("rules") or []
    return rules


def _service(world: World, backend: Mapping[str, Any]) -> str | None:
    """The name of the backend if it is a Service in the model's namespace."""
    namespace = world.deployment.metadata.namespace
    ours = backend.get("kind", "Service") == "Service" and not backend.get("group")
    return backend.get("name") if ours and backend.get("namespace", namespace) == namespace else None
