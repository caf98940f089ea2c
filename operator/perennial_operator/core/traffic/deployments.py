"""How do Deployments serve a model? One for each version behind one Service, so that replicas split the traffic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from perennial_operator.core import names
from perennial_operator.core.actions import Action, Apply, Delete
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.manifests.serving import deployment_manifest, differs, outdated, service_manifest
from perennial_operator.core.traffic.predecessor import predecessor_of, returning
from perennial_operator.core.traffic.runtime import Replicas, ServingRuntime
from perennial_operator.core.traffic.traffic_split import exchange, ready, split, split_at_zero
from perennial_operator.core.world import World


class Deployments(ServingRuntime):
    """spec.serving.runtime deployment."""

    def replicas_at(self, world: World, weight: int) -> Replicas:
        replicas = world.spec.serving.replicas
        return split(replicas, weight) if replicas else split_at_zero(world, weight)

    def serving_actions(self, world: World) -> Iterator[Action]:
        """A Deployment that has lost its owner is adopted before the Service that leads to its pods."""
        wanted = self.replicas_wanted(world)
        services, deployments = tuple(self._services(world)) if wanted else (), tuple(self._deployments(world, wanted))
        exists = any(action.manifest["metadata"]["name"] in world.serving for action in deployments)
        yield from (*deployments, *services) if exists and world.service is None else (*services, *deployments)
        for name, serving in world.serving.items():
            # `answering`, since `ready` is 0 also while the Deployment's status lags behind its spec.
            if name not in wanted and (serving.answering == 0 or _is_dispensable(world, name)):
                yield Delete("Deployment", name)

    def _deployments(self, world: World, wanted: Mapping[str, int]) -> Iterator[Apply]:
        for name, replicas in wanted.items():
            version = world.version(name)
            if version is None or version.status.artifact is None:
                continue
            manifest = deployment_manifest(world, version, replicas)
            serving = world.serving.get(name)
            if differs(manifest, serving.manifest if serving else None):
                yield Apply(manifest)

    def replicas_wanted(self, world: World) -> dict[str, int]:
        """Version → replicas it should have now."""
        replicas, live, candidate = world.spec.serving.replicas, world.live, world.candidate
        wanted = {live.name: replicas} if live else {}
        if world.pinned:
            return wanted | {world.pinned.name: replicas}
        if live and (before := returning(world)):  # all at once: it is urgent
            return wanted | {before.name: replicas}
        if live and (before := predecessor_of(world)):
            wanted[before.name] = min(1, replicas)
        if candidate is None or candidate.status.rollout is None:
            return wanted
        step = self.replicas_at(world, candidate.status.rollout.weight)
        wanted[candidate.name] = step.candidate
        if live and replicas:
            wanted[candidate.name], wanted[live.name] = exchange(world, candidate, step)
        return wanted

    def settled(self, world: World) -> bool:
        live = world.live
        serving = world.serving.get(live.name) if live else None
        if live is None or serving is None:
            return live is None
        return not outdated(deployment_manifest(world, live, self.replicas_wanted(world)[live.name]), serving.manifest)

    def services(self, world: World) -> Iterator[tuple[str, ModelVersion | None]]:
        """Name → the version whose pods the Service selects; None for those of every version."""
        yield world.name, None
        if world.candidate_service:  # an HTTPRoute may name it still
            yield names.candidate_service(world.name), None

    def more_ports(self, world: World, service: str) -> Sequence[int]:
        """Ports that the Service has beside spec.serving.port."""
        return ()

    def _services(self, world: World) -> Iterator[Action]:
        observed = {world.name: world.service, names.candidate_service(world.name): world.candidate_service}
        for name, version in self.services(world):
            manifest = service_manifest(world, name, version, self.more_ports(world, name))
            if differs(manifest, observed[name]):
                yield Apply(manifest)


def _is_dispensable(world: World, name: str) -> bool:
    """Whether the ready pods of a version that serves no longer may be deleted: the live version is ready without them.

    If no version is live, those of unsuccessful versions are; pods whose ModelVersion is not there keep serving.
    """
    if world.live:
        return ready(world, world.live, world.spec.serving.replicas)
    version = world.version(name)
    return version is not None and not version.unrestored
