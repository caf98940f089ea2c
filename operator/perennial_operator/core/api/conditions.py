"""Conditions as Kubernetes has them: what is true, since when, and why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import Field

from perennial_operator.core.api.values import Instant, Value


class Condition(Value):
    """One thing that is true or not."""

    type: str = Field(max_length=316, description="What it is about.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it is so.")
    reason: str = Field(max_length=1024, description="Why, in one word.")
    message: str = Field(max_length=32768, description="Why, in a sentence.")
    last_transition_time: Instant = Field(description="Since when the status is what it is.")
    observed_generation: int | None = Field(None, description="The generation of spec it is about.")


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    return next((condition for condition in conditions if condition.type == kind), None)


def with_condition(
    conditions: Iterable[Condition],
    kind: str,
    status: bool | None,
    reason: str,
    message: str,
    now: datetime,
    generation: int | None = None,
) -> list[Condition]:
    """The list with this condition in place of the one of its type; its time moves only when its status does."""
    before = list(conditions)
    text: Literal["True", "False", "Unknown"] = "Unknown" if status is None else "True" if status else "False"
    old = find(before, kind)
    new = Condition(
        type=kind,
        status=text,
        reason=reason,
        message=message[:2000],
        last_transition_time=old.last_transition_time if old and old.status == text else now,
        observed_generation=generation,
    )
    return [new if c.type == kind else c for c in before] if old else [*before, new]
