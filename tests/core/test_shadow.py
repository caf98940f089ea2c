"""How a candidate answers a copy of the live version's requests before it gets any itself."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core import names
from tests.builders import a_route
from tests.core.test_gateway import ports, rolling, weights_set
from tests.simulation.play import Play

MIRROR = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "bike-candidate", "port": 8080}}}
HEADER = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}
AUDIT = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "audit", "port": 80}}}


def shadowing(route: dict[str, Any] | None = None, replicas: int = 2, **rollout: Any) -> Play:
    """Version 2 has passed validation and shadows for half an hour."""
    play = rolling(route or a_route(), replicas, shadow="30m", analysis={}, **rollout)
    for version in ("bike-v1", "bike-v2"):
        play.requests(version, 0)
    return play


def mirrored(play: Play, errors: int = 0, each: float = 0.01) -> None:
    """Both versions answer the same two hundred requests, and an interval of the analysis passes."""
    play.requests("bike-v1", 200)
    play.requests("bike-v2", 200, errors, each)
    play.wait(seconds=30)


def filters(play: Play) -> list[dict[str, Any]] | None:
    assert play.route
    of_rule: list[dict[str, Any]] | None = play.route["spec"]["rules"][0].get("filters")
    return of_rule


def test_requests_are_mirrored_before_any_is_routed() -> None:
    play = shadowing()
    assert filters(play) is None
    play.pods_ready("bike-v2")
    assert (filters(play), play.weights()) == ([MIRROR], (100, 0))
    assert play.service_versions() == {"bike": "bike-v1", "bike-candidate": "bike-v2"}
    mirrored(play)
    play.wait(minutes=29)
    assert (filters(play), play.version(2)["rollout"]["weight"]) == ([MIRROR], 0)
    play.wait(minutes=2)
    play.pods_ready("bike-v2")
    assert (filters(play), play.weights()) == (None, (80, 20))


def test_requests_are_mirrored_to_the_port_whose_rows_are_marked() -> None:
    play = shadowing()
    play.edit({"serving": {"capture": {"secretRef": {"name": "capture-keys"}}}})
    play.settle()
    play.pods_ready("bike-v2")
    assert filters(play) == [
        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "bike-candidate", "port": 8081}}}
    ]


def test_port_of_the_mirror_takes_none_from_the_live_service() -> None:
    """The port before an edit is the one after the new one, which is that of the candidate's mirror."""
    play = shadowing()
    play.edit({"serving": {"port": 8079, "capture": {"secretRef": {"name": "capture-keys"}}}})
    assert ports(play)["bike"] == [8079, 8080]


@pytest.mark.parametrize(("worse", "reason"), [({"errors": 10}, "TooManyErrors"), ({"each": 0.05}, "TooSlow")])
def test_bad_shadow_is_rolled_back_before_it_gets_weight(worse: dict[str, Any], reason: str) -> None:
    play = shadowing()
    play.pods_ready("bike-v2")
    mirrored(play, **worse)
    assert (play.version(2)["phase"], play.version(2)["reason"]) == ("RolledBack", reason)
    assert filters(play) is None
    assert {weights for weights in weights_set(play) if weights[1]} == set()


def test_mean_predictions_are_reported_but_not_compared() -> None:
    play = shadowing()
    play.pods_ready("bike-v2")
    for version, mean in (("bike-v1", 20.5), ("bike-v2", -3.0)):
        play.requests(version, 200, predicts=mean)
    play.wait(seconds=30)
    analysed = next(c for c in play.version(2)["conditions"] if c["type"] == "Analysed")
    assert (analysed["status"], analysed["message"]) == (
        "True",
        "200 requests, 0 % failed, 10 ms each, -3 predicted on average; "
        "live version 200 requests, 0 % failed, 10 ms each, 20.5 predicted on average",
    )


def test_shadow_without_requests_waits_and_reports_it() -> None:
    play = shadowing()
    play.pods_ready("bike-v2")
    play.wait(minutes=45)
    assert (filters(play), play.version(2)["rollout"]["weight"]) == ([MIRROR], 0)
    analysed = next(c for c in play.version(2)["conditions"] if c["type"] == "Analysed")
    assert (analysed["status"], analysed["reason"]) == ("Unknown", "NoData")


def test_shadow_has_all_replicas_then_those_of_the_weight() -> None:
    play = shadowing(replicas=10)
    assert play.desired() == {"bike-v1": 10, "bike-v2": 10}
    play.pods_ready()
    mirrored(play)
    play.wait(minutes=31)
    assert play.desired() == {"bike-v1": 10, "bike-v2": 2}


def test_version_message_describes_the_shadow() -> None:
    play = shadowing()
    assert play.version(2)["message"] == (
        "shadow: it answers a copy of the requests by HTTPRoute bike, and its answers are discarded: "
        "2 replicas beside 2 of bike-v1"
    )
    assert play.status["weight"] == 0


@pytest.mark.parametrize("others", [[], [HEADER], [AUDIT, HEADER]])
def test_filters_of_the_user_stay(others: list[dict[str, Any]]) -> None:
    route = a_route()
    route["spec"]["rules"][0]["filters"] = others
    play = shadowing(route)
    play.pods_ready("bike-v2")
    assert filters(play) == [*others, MIRROR]
    mirrored(play)
    play.wait(minutes=31)
    assert (filters(play) or []) == others


def test_candidate_that_is_not_ready_gets_no_mirror() -> None:
    play = shadowing()
    play.pods_ready("bike-v2")
    play.pods_fail("bike-v2")
    assert filters(play) is None
    play.wait(hours=2)
    assert (play.version(2)["phase"], play.version(2)["reason"]) == ("RolledBack", "NotReady")


def test_rejected_candidate_leaves_no_mirror() -> None:
    play = shadowing()
    play.pods_ready("bike-v2")
    play.annotate("ModelVersion", "bike-v2", names.REJECTED, "ann")
    assert filters(play) is None
    assert play.service_versions() == {"bike": "bike-v1", "bike-candidate": "bike-v1"}


def test_removed_mirror_is_added_and_the_hold_restarts() -> None:
    play = shadowing()
    play.pods_ready("bike-v2")
    play.wait(minutes=20)
    play.rewrite(a_route())
    play.wait(minutes=1)
    assert filters(play) == [MIRROR]
    mirrored(play)
    play.wait(minutes=28)
    assert play.version(2)["rollout"]["weight"] == 0
    play.wait(minutes=2)
    assert play.version(2)["rollout"]["weight"] == 20


def test_gateway_without_mirrors_blocks_only_the_shadow() -> None:
    play = shadowing()
    play.pods_ready("bike-v2")
    assert play.route
    route = a_route(accepted=False)
    route["spec"]["rules"][0]["filters"] = [MIRROR]
    play.rewrite(route)
    play.wait(minutes=2)
    assert play.version(2)["reason"] == "RouteNotAccepted"
    play.edit({"rollout": {"shadow": None}})
    assert filters(play) is None
    play.rewrite(a_route())
    play.wait(minutes=2)
    play.pods_ready("bike-v2")
    assert play.weights() == (80, 20)


def test_first_version_has_no_shadow() -> None:
    play = shadowing()
    weights = [done.get("rollout", {}).get("weight") for done in statuses(play, "bike-v1")]
    assert 0 not in weights
    assert 100 in weights


def statuses(play: Play, name: str) -> list[dict[str, Any]]:
    return [dict(a.status) for a in play.done if getattr(a, "status", None) and getattr(a, "name", "") == name]


def test_scale_selector_excludes_the_shadow() -> None:
    play = shadowing()
    play.pods_ready()
    assert play.status["selector"].endswith("perennial.dev/model-version=bike-v1")
    mirrored(play)
    play.wait(minutes=31)
    assert "model-version" not in play.status["selector"]


def test_shadow_follows_the_scale() -> None:
    play = shadowing()
    play.pods_ready()
    play.edit({"serving": {"replicas": 5}})
    assert play.desired() == {"bike-v1": 5, "bike-v2": 5}
    play.pods_ready()
    assert filters(play) == [MIRROR]
