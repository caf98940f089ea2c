"""What one pass of a controller asks for."""

from __future__ import annotations

from dataclasses import dataclass

from tests.cluster.objects import Obj


@dataclass(frozen=True)
class Step:
    """Performed in the order of the fields; a pass cut short between two of them is completed by the next.

    `patches` are (object, JSON merge patch); `again` is the number of seconds after which time alone may change the
    decision.
    """

    status: Obj | None = None
    patches: tuple[tuple[Obj, Obj], ...] = ()
    deletes: tuple[Obj, ...] = ()
    creates: tuple[Obj, ...] = ()
    again: float | None = None
