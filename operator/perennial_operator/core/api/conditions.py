"""Conditions of an object: what is true, since when, and why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import Field

from perennial_operator.core.api.printable_text import Sentence
from perennial_operator.core.api.values import Instant, Value


class Condition(Value):
    """One observation of the state of an object."""

    type: str = Field(max_length=316, description="Type of the condition.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether the condition holds.")
    reason: Sentence = Field(max_length=1024, description="Why, as one CamelCase word.")
    message: Sentence = Field(max_length=32768, description="Why, as a sentence.")
    last_transition_time: Instant = Field(description="When the status last changed.")
    observed_generation: int | None = Field(None, description="The generation of spec that was observed.")


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
    """The list in which this condition replaces the one of its type; its time changes only with its status."""
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
