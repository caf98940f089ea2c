"""What the operator can do to the cluster, as values with imperative names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Create:
    """Make the object; one of that name that is ours already is as good, but for a version: that is looked at first.

    An owner without a uid is one that was made just before.
    """

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Apply:
    """Make the object, or change it to this; one that is not ours is left alone and is an error."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the object; one that is gone already is as good."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Write the status whole, unless the object has changed since it was read; tell it as an event if it says so."""

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
