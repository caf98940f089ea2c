"""Which ModelDeployment and which of its versions does a person mean? `v4` is enough where one model is meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kubectl_perennial.cluster import Body, Cluster
from kubectl_perennial.sorry import SorryError, UsageError, some

SHORT = re.compile(r"v([1-9]\d*)")
FULL = re.compile(r"(.+)-v[1-9]\d*")


@dataclass(frozen=True)
class Meant:
    """One ModelDeployment, all its versions, oldest first, and those of them that were named."""

    deployment: Body
    versions: Sequence[Body]
    named: Sequence[Body]

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
    model, rest = _model(cluster, list(words))
    name = model["metadata"]["name"]
    versions = sorted(cluster.list("ModelVersion", of=name), key=lambda version: int(version["spec"]["number"]))
    by_name = {version["metadata"]["name"]: version for version in versions}
    named = []
    for word in rest:
        full = f"{name}-{word}" if SHORT.fullmatch(word) else word
        if full not in by_name:
            raise SorryError(
                f"ModelVersion {full} not found in namespace {cluster.namespace}; {_versions(name, by_name)}"
            )
        named.append(by_name[full])
    return Meant(model, versions, named)


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


def _versions(name: str, by_name: dict[str, Body]) -> str:
    return f"there are: {some(by_name)}" if by_name else f"{name} has no version yet"
