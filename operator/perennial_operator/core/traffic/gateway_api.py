"""How does the Gateway API split the traffic? By the weights of the HTTPRoute that spec.rollout.gateway names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from perennial_operator.core import names
from perennial_operator.core.actions import PatchRoute
from perennial_operator.core.api.model_version import ModelVersion, RolloutState
from perennial_operator.core.traffic import http_route
from perennial_operator.core.traffic.deployments import Deployments
from perennial_operator.core.traffic.runtime import ALL, SHADOW, Blocker, Replicas, RoutingStatus
from perennial_operator.core.traffic.traffic_split import is_shadowing, ready, share, split_at_zero, step_weights
from perennial_operator.core.world import World


class GatewayApi(Deployments):
    """Deployments behind two Services, and a route between the two."""

    def polled_object(self, world: World) -> tuple[str, str] | None:
        assert world.spec.rollout.gateway
        return http_route.KIND, world.spec.rollout.gateway.http_route

    def blocker(self, world: World) -> Blocker | None:
        return http_route.blocker(world)

    def replicas_at(self, world: World, weight: int) -> Replicas:
        """The live version keeps all replicas; a candidate in the shadow has to answer every request too."""
        replicas = world.spec.serving.replicas
        if not replicas:
            return split_at_zero(world, weight)
        return Replicas(share(replicas, ALL if weight == SHADOW else weight), replicas)

    def route_patches(self, world: World) -> Iterator[PatchRoute]:
        """The patch of the weights and of the mirror, if one is needed."""
        mirrored = is_shadowing(world) and self._is_ready_at(world, SHADOW)
        weight = max((weight for weight in step_weights(world) if self._is_ready_at(world, weight)), default=0)
        if patch := http_route.route_patch(world, weight, mirrored):
            yield patch

    def routes_as_asked(self, world: World, state: RolloutState) -> bool:
        if world.live is None or world.candidate is None:
            return True
        return http_route.is_as_wanted(world, state.weight, is_shadowing(world))

    def traffic_splitter(self, world: World) -> str:
        return " ".join(self.polled_object(world) or ())

    def overwritten_message(self, world: World) -> str:
        return (
            f"the weights of {self.traffic_splitter(world)} were overwritten and are set again; if a GitOps tool "
            "applies the route, configure it to ignore the weights of backendRefs"
        )

    def routing_status(self, world: World) -> RoutingStatus | None:
        message = f"{self.traffic_splitter(world)} routes to both Services; the operator manages its weights"
        if old := self.more_ports(world, world.name):
            message += (
                f"; it still names port {', '.join(map(str, old))}, which the Services keep until it names "
                f"spec.serving.port {world.spec.serving.port} instead"
            )
        return RoutingStatus(True, "Routed", message)

    def services(self, world: World) -> Iterator[tuple[str, ModelVersion | None]]:
        """One Service for each backend of the route.

        While no candidate may get requests, both select the live version's pods, whatever the weights of the route are.
        """
        live, candidate = world.live, world.candidate
        rolls_out = live and candidate and candidate.status.rollout and not world.pinned
        yield world.name, live
        yield names.candidate_service(world.name), candidate if rolls_out and not self.blocker(world) else live

    def more_ports(self, world: World, service: str) -> Sequence[int]:
        """Other ports by which the route names the Service, such as the one before an edit of spec.serving.port."""
        named = http_route.named_ports(world)
        if named is None:  # the route cannot be read now: nothing is taken away
            observed = {world.name: world.service}.get(service, world.candidate_service) or {}
            ports = [each["port"] for each in (observed.get("spec") or {}).get("ports") or []]
        else:
            ports = list(named[service])
        own = {world.spec.serving.port} | ({http_route.mirror_port(world)} if service != world.name else set())
        return sorted(set(ports) - own)

    def _is_ready_at(self, world: World, weight: int) -> bool:
        version = world.candidate
        return version is not None and ready(world, version, self.replicas_at(world, weight).candidate)
