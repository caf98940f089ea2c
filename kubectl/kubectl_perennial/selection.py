"""Which ModelDeployment and which of its versions does a person mean? `v4` is enough where one model is meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from kubectl_perennial.client import Body, Cluster
from kubectl_perennial.errors import SorryError, UsageError, some

SHORT = re.compile(r"v([1-9]\d*)")
FULL = re.compile(r"(.+)-v[1-9]\d*")


@dataclass(frozen=True)
class Meant:
    """One ModelDeployment and the versions of it that were named."""

    cluster: Cluster
    deployment: Body
    words: Sequence[str]

    @cached_property
    def versions(self) -> list[Body]:
        """All its versions, oldest first; asked for only where they are needed, since not everybody may see them."""
        versions = self.cluster.list("ModelVersion", of=self.name)
        return sorted(versions, key=lambda version: int(version["spec"]["number"]))

    @cached_property
    def named(self) -> list[Body]:
        """The versions that were named; SorryError says which there are."""
        return [self._version(f"{self.name}-{word}" if SHORT.fullmatch(word) else word) for word in self.words]

    def _version(self, name: str) -> Body:
        by_name = {version["metadata"]["name"]: version for version in self.versions}
        if name in by_name:
            return by_name[name]
        there = f"there are: {some(by_name)}" if by_name else f"{self.name} has no version yet"
        raise SorryError(f"ModelVersion {name} not found in namespace {self.cluster.namespace}; {there}")

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


def deployment(cluster: Cluster, name: str) -> Body:
    """The ModelDeployment of that name; SorryError says which there are."""
    found = cluster.get("ModelDeployment", name)
    if found is None:
        raise SorryError(f"ModelDeployment {name} not found in namespace {cluster.namespace}; {_there_are(cluster)}")
    return found


def meant(cluster: Cluster, words: Sequence[str]) -> Meant:
    """What `bike`, `bike v4`, `bike-v4` or, in a namespace of one model, `v4` means."""
    return Meant(cluster, *_model(cluster, list(words)))


def _model(cluster: Cluster, words: list[str]) -> tuple[Body, list[str]]:
    """The ModelDeployment, and the words that are left for its versions."""
    if words and not SHORT.fullmatch(words[0]):
        full = FULL.fullmatch(words[0])
        found = cluster.get("ModelDeployment", words[0])
        if found or not full:
            return found or deployment(cluster, words[0]), words[1:]
        return deployment(cluster, full[1]), words
    there = cluster.list("ModelDeployment")
    if len(there) == 1:
        return there[0], words
    if not there:
        raise SorryError(_there_are(cluster))
    raise UsageError(f"{' '.join(words) or 'name a model'}: {'of which model? ' if words else ''}{_there_are(cluster)}")


def _there_are(cluster: Cluster) -> str:
    names = sorted(body["metadata"]["name"] for body in cluster.list("ModelDeployment"))
    if not names:
        return f"there is no ModelDeployment in namespace {cluster.namespace}; give another one by -n"
    return f"there are: {some(names)}"
