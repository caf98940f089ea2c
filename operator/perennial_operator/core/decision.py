"""What one pass decided: the actions in their order, and when to look again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from perennial_operator.core.actions import Action


@dataclass(frozen=True, slots=True)
class Decision:
    actions: tuple[Action, ...] = ()
    wake_at: datetime | None = None
    """The next instant at which time alone may change the decision."""


def earliest(*instants: datetime | None) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)
