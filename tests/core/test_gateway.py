"""How an HTTPRoute splits the traffic between the live version and a candidate."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml

from perennial_operator.core import names
from perennial_operator.core.actions import PatchRoute
from perennial_operator.core.traffic.http_route import blocker, is_as_wanted, route_patch
from perennial_operator.core.traffic.registry import GATEWAY_API
from perennial_operator.core.world import RoutingObject
from tests.builders import a_deployment, a_route, a_world, merged
from tests.simulation.play import Play, a_play
from tests.stage import ROOT

STEPS = [{"weight": 20, "hold": "5m"}, {"weight": 50, "hold": "10m"}]
GATEWAY = {"httpRoute": "bike"}


def rolling(route: dict[str, Any] | None, replicas: int = 2, **rollout: Any) -> Play:
    """Version 1 is live behind the route; version 2 has just passed validation."""
    play = a_play(
        rollout={"steps": STEPS, "gateway": GATEWAY, **rollout},
        drift={"cooldown": "1m"},
        serving={"replicas": replicas},
    )
    play.rewrite(route)
    play.until_live(1)
    play.pods_ready()
    play.wait(hours=1)
    play.report("october")
    play.until_rolling(2, candidate=80.0, live=120.0)
    return play


def test_candidate_gets_exactly_its_weight_and_then_all() -> None:
    play = rolling(a_route())
    seen = []
    for minutes in (5, 10, 0):
        assert play.service_versions() == {"bike": "bike-v1", "bike-candidate": "bike-v2"}
        play.pods_ready("bike-v2")
        seen.append(play.weights())
        play.wait(minutes=minutes)
    assert seen[:2] == [(80, 20), (50, 50)]
    assert (0, 100) in weights_set(play)
    assert play.phases() == {"bike-v1": "Superseded", "bike-v2": "Live"}
    assert play.service_versions() == {"bike": "bike-v2", "bike-candidate": "bike-v2"}
    assert play.weights() == (100, 0)
    assert play.desired() == {"bike-v2": 2}


def weights_set(play: Play) -> list[tuple[int, int]]:
    """(live version's, candidate's) weights of each patch that set both, in order."""
    patches = [action.operations for action in play.done if isinstance(action, PatchRoute)]
    return [(p[0]["value"], p[1]["value"]) for p in patches if len(p) == 2]


@pytest.mark.parametrize(("replicas", "first", "second"), [(0, 1, 1), (1, 1, 1), (2, 1, 1), (10, 2, 5)])
def test_live_keeps_its_replicas_beside_those_of_the_weight(replicas: int, first: int, second: int) -> None:
    play = rolling(a_route(), replicas)
    play.pods_ready("bike-v2")
    assert play.desired() == {"bike-v1": replicas, "bike-v2": first}
    play.wait(minutes=5)
    play.pods_ready("bike-v2")
    assert play.desired() == {"bike-v1": replicas, "bike-v2": second}


def test_candidate_gets_no_request_before_it_is_ready() -> None:
    play = rolling(a_route(), replicas=10)
    assert play.weights() == (100, 0)
    play.pods_ready("bike-v2")
    assert play.weights() == (80, 20)
    play.wait(minutes=5)
    assert (play.desired()["bike-v2"], play.weights()) == (5, (80, 20))
    play.pods_ready("bike-v2")
    assert play.weights() == (50, 50)


def test_live_gets_all_requests_while_candidate_is_not_ready() -> None:
    play = rolling(a_route())
    play.pods_ready("bike-v2")
    play.pods_fail("bike-v2")
    assert play.weights() == (100, 0)
    play.pods_ready("bike-v2")
    assert play.weights() == (80, 20)
    assert play.version(2)["phase"] == "RollingOut"


def test_rollback_stops_requests_before_it_deletes_pods() -> None:
    play = rolling(a_route())
    play.pods_ready("bike-v2")
    before = len(play.done)
    play.annotate("ModelVersion", "bike-v2", names.REJECTED, "ann")
    assert play.version(2)["phase"] == "RolledBack"
    assert play.service_versions() == {"bike": "bike-v1", "bike-candidate": "bike-v1"}
    assert play.weights() == (100, 0)
    kinds = [type(action).__name__ for action in play.done[before:]]
    assert kinds.index("Apply") < kinds.index("Delete")
    assert play.desired() == {"bike-v1": 2}


def without(body: dict[str, Any], *path: str) -> dict[str, Any]:
    return merged(body, {path[0]: {path[1]: None}})


def with_condition(kind: str, status: str, message: str) -> dict[str, Any]:
    """A route that its Gateway has accepted, with one more condition."""
    route = a_route()
    route["status"]["parents"][0]["conditions"].append({"type": kind, "status": status, "message": message})
    return route


def with_backend(extra: dict[str, Any]) -> dict[str, Any]:
    route = a_route()
    route["spec"]["rules"][0]["backendRefs"].append(extra)
    return route


OWNED = a_route(ownerReferences=[{"kind": "Canary", "name": "bike", "controller": True}])
ONE_BACKEND = merged(a_route(), {"spec": {"rules": [{"backendRefs": [{"name": "bike", "port": 8080}]}]}})
ELSEWHERE = merged(
    a_route(),
    {"spec": {"rules": [{"backendRefs": [{"name": "bike"}, {"name": "bike-candidate", "namespace": "other"}]}]}},
)
BLOCKERS: dict[str, tuple[RoutingObject, str, str]] = {
    "missing": (
        RoutingObject(None),
        "RouteNotFound",
        "HTTPRoute bike does not exist in namespace default; create it, or fix",
    ),
    "going": (
        RoutingObject(a_route(deletionTimestamp="2026-11-23T12:00:00Z")),
        "RouteNotFound",
        "HTTPRoute bike does not exist",
    ),
    "forbidden": (
        RoutingObject(None, "httproutes is forbidden"),
        "RouteForbidden",
        "httproutes is forbidden; allow the operator's role",
    ),
    "somebody else's": (
        RoutingObject(OWNED),
        "RouteNotOurs",
        "is controlled by Canary bike; name a route of this model alone",
    ),
    "one backend": (
        RoutingObject(ONE_BACKEND),
        "BackendsMissing",
        "lists both Services bike and bike-candidate; list both",
    ),
    "another namespace": (RoutingObject(ELSEWHERE), "BackendsMissing", "with port 8080 and the weights 100 and 0"),
    "no rules": (RoutingObject(without(a_route(), "spec", "rules")), "BackendsMissing", "no rule of HTTPRoute bike"),
    "a third backend": (
        RoutingObject(with_backend({"name": "old"})),
        "BackendsMixed",
        "spec.rules[0] of HTTPRoute bike must list bike and bike-candidate once each",
    ),
    "one twice": (RoutingObject(with_backend({"name": "bike"})), "BackendsMixed", "and no other backend"),
    "refused": (
        RoutingObject(a_route(accepted=False)),
        "RouteNotAccepted",
        "no Gateway has accepted HTTPRoute bike: no listener",
    ),
    "unresolved": (
        RoutingObject(with_condition("ResolvedRefs", "False", "Service bike has no port 9090")),
        "RouteNotResolved",
        "a Gateway reports ResolvedRefs False for HTTPRoute bike: Service bike has no port 9090; check the names and",
    ),
    "partly invalid": (
        RoutingObject(with_condition("PartiallyInvalid", "True", "Dropped Rule 1")),
        "RouteNotResolved",
        "PartiallyInvalid True for HTTPRoute bike: Dropped Rule 1",
    ),
    "no gateway": (
        RoutingObject(without(a_route(), "status", "parents")),
        "RouteNotAccepted",
        "check the route's parentRefs",
    ),
}


@pytest.mark.parametrize(("route", "reason", "words"), BLOCKERS.values(), ids=BLOCKERS)
def test_blocker_names_the_reason_and_the_fix(route: RoutingObject, reason: str, words: str) -> None:
    why = blocker(a_world(deployment=a_deployment(spec={"rollout": {"gateway": GATEWAY}}), routing=route))
    assert why is not None
    assert why.reason == reason
    assert words in why.message


@pytest.mark.parametrize("name", [name for name, (route, *_) in BLOCKERS.items() if not route.refusal])
def test_rollout_waits_until_the_route_is_fixed(name: str) -> None:
    route, reason, words = BLOCKERS[name]
    play = rolling(route.body and dict(route.body))
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "RollingOut"}
    play.wait(hours=1)
    assert (play.version(2)["phase"], play.version(2)["reason"]) == ("RollingOut", reason)
    assert words in play.version(2)["message"]
    assert play.desired() == {"bike-v1": 2}
    assert play.condition("Routed")["status"] == "False"
    assert (play.condition("Ready")["status"], play.condition("Available")["status"]) == ("True", "True")
    play.rewrite(a_route())
    play.wait(minutes=1)
    play.pods_ready("bike-v2")
    assert play.weights() == (80, 20)
    assert play.version(2)["message"].startswith("weight 20 % of the requests by HTTPRoute bike: 1 replica beside 2 of")
    assert play.condition("Routed")["status"] == "True"


def test_step_clock_stops_while_the_route_is_missing() -> None:
    play = rolling(a_route())
    play.pods_ready()
    play.rewrite(None)
    play.wait(hours=3)
    assert (play.version(2)["phase"], play.version(2)["reason"]) == ("RollingOut", "RouteNotFound")
    assert play.desired() == {"bike-v1": 2, "bike-v2": 1}
    assert play.service_versions() == {"bike": "bike-v1", "bike-candidate": "bike-v1"}
    play.rewrite(a_route((80, 20)))
    play.wait(minutes=5)
    assert play.version(2)["rollout"]["weight"] == 20
    assert play.service_versions() == {"bike": "bike-v1", "bike-candidate": "bike-v2"}
    play.wait(minutes=1)
    assert play.version(2)["rollout"]["weight"] == 50


def test_candidate_without_a_route_can_be_rejected() -> None:
    play = rolling(a_route())
    play.pods_ready()
    play.rewrite(None)
    play.annotate("ModelVersion", "bike-v2", names.REJECTED, "ann")
    assert play.version(2)["phase"] == "RolledBack"
    assert play.service_versions() == {"bike": "bike-v1", "bike-candidate": "bike-v1"}


def test_overwritten_weights_are_set_and_the_hold_restarts() -> None:
    play = rolling(a_route())
    play.pods_ready()
    play.wait(minutes=4)
    play.rewrite(a_route())
    play.wait(minutes=1)
    assert play.weights() == (80, 20)
    assert "WeightsOverwritten" in [announced.reason for announced in play.announced()]
    play.wait(minutes=4)
    assert play.version(2)["rollout"]["weight"] == 20
    play.wait(minutes=1)
    assert play.version(2)["rollout"]["weight"] == 50


def test_only_two_weights_of_the_route_change() -> None:
    header = {"matches": [{"headers": [{"name": "x-try", "value": "1"}]}], "backendRefs": [{"name": "bike-candidate"}]}
    route = a_route()
    both = {**route["spec"]["rules"][0], "timeouts": {"request": "10s"}}
    both["backendRefs"][1]["filters"] = [{"type": "RequestHeaderModifier"}]
    other = {"backendRefs": [{"name": "shop", "weight": 7}]}
    route["spec"]["rules"] = [both, header, other, both]
    play = rolling(route)
    play.pods_ready()
    play.wait(hours=1)
    paths = {op["path"] for action in play.done if isinstance(action, PatchRoute) for op in action.operations}
    assert paths == {f"/spec/rules/{i}/backendRefs/{j}/weight" for i in (0, 3) for j in (0, 1)}


def test_backend_without_a_weight_has_weight_one() -> None:
    route = a_route()
    del route["spec"]["rules"][0]["backendRefs"][1]["weight"]
    play = rolling(route)
    assert play.weights() == (100, 0)


def test_first_version_goes_live_without_a_route() -> None:
    play = a_play(rollout={"gateway": GATEWAY})
    play.until_live(1)
    assert play.service_versions() == {"bike": "bike-v1", "bike-candidate": "bike-v1"}
    assert play.condition("Routed")["reason"] == "RouteNotFound"
    assert play.condition("Ready")["status"] == "True"


def test_both_services_select_the_pinned_version() -> None:
    play = rolling(a_route(), steps=[])
    play.pods_ready()
    assert play.phases()["bike-v2"] == "Live"
    play.wait(minutes=1)
    play.edit({"pin": "bike-v1"})
    assert play.service_versions() == {"bike": "bike-v2", "bike-candidate": "bike-v2"}
    play.pods_ready()
    assert play.service_versions() == {"bike": "bike-v1", "bike-candidate": "bike-v1"}
    assert play.weights() == (100, 0)


def test_services_select_every_version_without_a_gateway() -> None:
    play = rolling(a_route())
    play.pods_ready()
    play.edit({"rollout": {"gateway": None}})
    assert play.service_versions() == {"bike": None, "bike-candidate": None}
    assert "Routed" not in play.holding()


@pytest.mark.parametrize("then", [lambda play: play.pods_ready(), lambda play: play.wait(minutes=20)])
def test_suspend_keeps_the_weights(then: Callable[[Play], None]) -> None:
    play = rolling(a_route())
    play.pods_ready()
    play.edit({"suspend": True})
    then(play)
    assert play.weights() == (80, 20)
    assert play.phases()["bike-v2"] == "RollingOut"


def test_step_waits_for_more_replicas() -> None:
    play = rolling(a_route())
    play.pods_ready()
    play.edit({"serving": {"replicas": 10}})
    assert play.desired() == {"bike-v1": 10, "bike-v2": 2}
    assert play.weights() == (100, 0)
    play.pods_ready()
    assert play.weights() == (80, 20)


def test_fewer_replicas_keep_the_weights() -> None:
    play = rolling(a_route(), replicas=10)
    play.pods_ready()
    play.edit({"serving": {"replicas": 3}})
    assert (play.desired(), play.weights()) == ({"bike-v1": 3, "bike-v2": 1}, (80, 20))


def test_route_changed_before_the_patch_is_read_again() -> None:
    play = rolling(a_route())
    play.cluster.pods_ready("bike-v2")
    stale = play.world()
    play.rewrite(a_route())
    play.seen, play.behind = stale, True
    play.step()
    assert play.weights() == (100, 0)
    play.behind = False
    play.settle()
    assert play.weights() == (80, 20)


(GUIDE,) = re.findall(r"```yaml\n(apiVersion.*?)```", (ROOT / "docs" / "gateway.md").read_text(), re.DOTALL)
_, SAMPLE = (ROOT / "manifests" / "samples" / "06-gateway-shadow-analysis.yaml").read_text().split("---")


def ports(play: Play) -> dict[str, list[int]]:
    return {name: [port["port"] for port in each["spec"]["ports"]] for name, each in play.services.items()}


def with_port(port: int) -> dict[str, Any]:
    route = a_route()
    for backend in route["spec"]["rules"][0]["backendRefs"]:
        backend["port"] = port
    return route


def test_services_keep_the_port_that_the_route_names() -> None:
    play = rolling(a_route())
    play.edit({"serving": {"port": 9090}})
    assert ports(play) == {"bike": [9090, 8080], "bike-candidate": [9090, 8080]}
    assert all(port["targetPort"] == "http" for port in play.services["bike"]["spec"]["ports"])
    assert "it still names port 8080, which the Services keep until it names" in play.condition("Routed")["message"]
    play.rewrite(None)
    play.settle()
    play.rewrite(with_port(8080))
    play.settle()
    assert ports(play)["bike"] == [9090, 8080]
    play.rewrite(with_port(9090))
    play.settle()
    assert ports(play) == {"bike": [9090], "bike-candidate": [9090]}
    assert "still names" not in play.condition("Routed")["message"]


def test_ports_stay_while_the_route_cannot_be_read() -> None:
    play = rolling(a_route())
    play.edit({"serving": {"port": 9090}})
    world = replace(play.world(), routing=RoutingObject(None, "httproutes is forbidden"))
    assert GATEWAY_API.more_ports(world, "bike") == GATEWAY_API.more_ports(world, "bike-candidate") == [8080]


def test_a_mirror_follows_the_port_of_the_spec() -> None:
    world = a_world(
        deployment=a_deployment(spec={"rollout": {"gateway": GATEWAY}, "serving": {"port": 9090}}),
        routing=RoutingObject(a_route()),
    )
    patch = route_patch(world, 0, mirrored=True)
    assert patch
    assert patch.operations[0]["value"][0]["requestMirror"]["backendRef"]["port"] == 9090
    mirrored = a_route()
    backend = {"name": "bike-candidate", "port": 8080}
    mirrored["spec"]["rules"][0]["filters"] = [{"type": "RequestMirror", "requestMirror": {"backendRef": backend}}]
    patch = route_patch(replace(world, routing=RoutingObject(mirrored)), 0, mirrored=True)
    assert patch
    path = "/spec/rules/0/filters/0/requestMirror/backendRef/port"
    assert patch.operations == ({"op": "replace", "path": path, "value": 9090},)


@pytest.mark.parametrize("text", [GUIDE, SAMPLE], ids=["guide", "sample"])
def test_documented_routes_can_be_patched(text: str) -> None:
    route = yaml.safe_load(text)
    route["metadata"]["resourceVersion"] = "7"
    route["status"] = a_route()["status"]
    name = route["metadata"]["name"]
    deployment = a_deployment(name, spec={"rollout": {"gateway": {"httpRoute": name}}})
    world = a_world(deployment=deployment, routing=RoutingObject(route))
    assert blocker(world) is None
    assert is_as_wanted(world, 0, mirrored=False)
    change = route_patch(world, 20, mirrored=False)
    assert change is not None
    assert [operation["value"] for operation in change.operations] == [80, 20]
