"""The ModelDeployment and the versions that the arguments name; in a namespace of one model `v4` is enough."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from kubectl_perennial.client import Body, Cluster
from kubectl_perennial.errors import CommandError, UsageError, some

SHORT = re.compile(r"v([1-9]\d*)")
FULL = re.compile(r"(.+)-v[1-9]\d*")


@dataclass(frozen=True)
class Selection:
    """One ModelDeployment and the named versions of it."""

    cluster: Cluster
    deployment: Body
    version_names: Sequence[str]

    @cached_property
    def versions(self) -> list[Body]:
        """All versions, oldest first; listed only when needed, since not every user may list them."""
        versions = self.cluster.list("ModelVersion", model=self.name)
        return sorted(versions, key=lambda version: int(version["spec"]["number"]))

    @cached_property
    def named(self) -> list[Body]:
        """The named versions; a CommandError lists those that exist."""
        return [self._version(f"{self.name}-{name}" if SHORT.fullmatch(name) else name) for name in self.version_names]

    def _version(self, name: str) -> Body:
        by_name = {version["metadata"]["name"]: version for version in self.versions}
        if name in by_name:
            return by_name[name]
        existing = f"there are: {some(by_name)}" if by_name else f"{self.name} has no version yet"
        raise CommandError(f"ModelVersion {name} not found in namespace {self.cluster.namespace}; {existing}")

    @property
    def name(self) -> str:
        return str(self.deployment["metadata"]["name"])

    @property
    def live(self) -> Body | None:
        return self._of_status("liveVersion")

    @property
    def candidate(self) -> Body | None:
        return self._of_status("candidateVersion")

    def _of_status(self, field: str) -> Body | None:
        name = (self.deployment.get("status") or {}).get(field)
        return next((version for version in self.versions if version["metadata"]["name"] == name), None)


def get_deployment(cluster: Cluster, name: str) -> Body:
    """The ModelDeployment of that name; a CommandError lists those that exist."""
    body = cluster.get("ModelDeployment", name)
    if body is None:
        raise CommandError(
            f"ModelDeployment {name} not found in namespace {cluster.namespace}; {_existing_models(cluster)}"
        )
    return body


def select(cluster: Cluster, arguments: Sequence[str]) -> Selection:
    """The objects that `bike`, `bike v4`, `bike-v4` or, in a namespace of one model, `v4` name."""
    return Selection(cluster, *_model(cluster, list(arguments)))


def _model(cluster: Cluster, arguments: list[str]) -> tuple[Body, list[str]]:
    """The ModelDeployment, and the arguments that name its versions."""
    if arguments and not SHORT.fullmatch(arguments[0]):
        full = FULL.fullmatch(arguments[0])
        body = cluster.get("ModelDeployment", arguments[0])
        if body or not full:
            return body or get_deployment(cluster, arguments[0]), arguments[1:]
        return get_deployment(cluster, full[1]), arguments
    models = cluster.list("ModelDeployment")
    if len(models) == 1:
        return models[0], arguments
    if not models:
        raise CommandError(_existing_models(cluster))
    raise UsageError(
        f"{' '.join(arguments) or 'name a model'}: {'of which model? ' if arguments else ''}{_existing_models(cluster)}"
    )


def _existing_models(cluster: Cluster) -> str:
    names = sorted(body["metadata"]["name"] for body in cluster.list("ModelDeployment"))
    if not names:
        return f"there is no ModelDeployment in namespace {cluster.namespace}; give another namespace with -n"
    return f"there are: {some(names)}"
