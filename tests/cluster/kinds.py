"""Which kinds of objects there are: the built-in ones from a table, the others from CustomResourceDefinitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.cluster import builtin
from tests.cluster.store import Object, Storage

Schema = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind in one version. `columns` are additionalPrinterColumns; `selectable` are paths without the leading dot.

    `counted`: its changes are counted in metadata.generation.
    """

    group: str
    version: str
    name: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: bool = False
    scale: Mapping[str, str] | None = None
    schema: Schema = field(default_factory=dict, repr=False)
    columns: tuple[Mapping[str, Any], ...] = ()
    selectable: tuple[str, ...] = ()
    counted: bool = True
    custom: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As messages name it: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified(self) -> str:
        """As messages about bad input name it: `Deployment.apps`."""
        return f"{self.name}.{self.group}" if self.group else self.name

    @cached_property
    def storage(self) -> Storage:
        return self.group, self.plural

    @property
    def subresources(self) -> tuple[str, ...]:
        result = ("status",) * self.status + ("scale",) * (self.scale is not None)
        return result + ("binding",) * (self.storage == ("", "pods"))


class Kinds:
    """The kinds served now, in the order in which discovery shows them."""

    def __init__(self) -> None:
        self._kinds = {(kind.group, kind.version, kind.plural): kind for kind in _built_in()}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        return self._kinds.get((group, version, plural))

    def stored(self, storage: Storage) -> Kind:
        """A kind whose objects are kept there."""
        return next(kind for kind in self if kind.storage == storage)

    def versions(self) -> dict[str, dict[str, list[Kind]]]:
        """group → version → kinds."""
        result: dict[str, dict[str, list[Kind]]] = {}
        for kind in self:
            result.setdefault(kind.group, {}).setdefault(kind.version, []).append(kind)
        return result

    def define(self, definition: Object) -> None:
        """The served versions of a CustomResourceDefinition replace what it defined before."""
        self.forget(definition)
        for kind in custom_kinds(definition):
            self._kinds[kind.group, kind.version, kind.plural] = kind

    def forget(self, definition: Object) -> None:
        spec = definition["spec"]
        for key in [key for key in self._kinds if (key[0], key[2]) == (spec["group"], spec["names"]["plural"])]:
            del self._kinds[key]


def _built_in() -> Iterator[Kind]:
    flags = {"cluster", "status", "scale", "all"}
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    for api_version, kinds in builtin.TABLE["kinds"].items():
        group, _, version = api_version.rpartition("/")
        for plural, (name, *words) in kinds.items():
            yield Kind(
                group=group,
                version=version,
                name=name,
                plural=plural,
                namespaced="cluster" not in words,
                short_names=tuple(word for word in words if word not in flags),
                categories=("all",) if "all" in words else (),
                status="status" in words,
                scale=scale if "scale" in words else None,
                schema=builtin.schema(group, version, name),
                selectable=tuple(builtin.TABLE["selectable"].get(plural, ())),
                counted=plural in builtin.TABLE["counted"],
            )


def custom_kinds(definition: Object) -> Iterator[Kind]:
    """One Kind for each served version of a CustomResourceDefinition."""
    spec = definition["spec"]
    names = spec["names"]
    for version in spec["versions"]:
        if not version["served"]:
            continue
        subresources = version.get("subresources") or {}
        schema = (version.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"}
        properties = {**schema.get("properties", {}), **builtin.TYPE_AND_METADATA}
        yield Kind(
            group=spec["group"],
            version=version["name"],
            name=names["kind"],
            plural=names["plural"],
            namespaced=spec["scope"] == "Namespaced",
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            status="status" in subresources,
            scale=subresources.get("scale"),
            schema=builtin.named({**schema, "properties": properties}),
            columns=tuple(version.get("additionalPrinterColumns") or ()),
            selectable=tuple(field["jsonPath"].lstrip(".") for field in version.get("selectableFields") or ()),
            custom=True,
        )
