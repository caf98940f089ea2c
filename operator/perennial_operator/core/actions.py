"""The operator's actions on the cluster, as values with imperative names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Create:
    """Create the object. Done if the operator owns one of that name; a ModelVersion of that name is a conflict.

    An owner without a uid was created by the action before.
    """

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Apply:
    """Create or update the object; an object that the operator does not own is an error and is not changed."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the object; done if it does not exist."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Replace the status, unless the object has changed since it was read; then emit the event, if there is one."""

    kind: str
    name: str
    status: Mapping[str, Any]
    resource_version: str
    announce: Announcement | None = None


@dataclass(frozen=True, slots=True)
class Announcement:
    """One event: the same reason and message as in the condition and the log."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class PatchRoute:
    """Change fields of a route that the user owns by a JSON patch, unless it has changed since it was read."""

    kind: str
    name: str
    operations: tuple[Mapping[str, Any], ...]
    resource_version: str


Action = Create | Apply | Delete | SetStatus | PatchRoute
