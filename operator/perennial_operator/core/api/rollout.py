"""How a validated candidate takes over."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from perennial_operator.core.api.analysis import Analysis
from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.values import Duration, DurationOrNone, ObjectName, Value, as_delta


class Step(Value):
    """One step of a roll-out."""

    weight: int = Field(
        ge=1, le=99, description="Percentage of the replicas that run the candidate; with a gateway, of the requests."
    )
    hold: Duration | None = Field(None, description="How long the step lasts after its replicas are ready.")


class Gateway(Value):
    """Traffic splitting by the Gateway API."""

    http_route: ObjectName = Field(
        description="HTTPRoute in the same namespace. One of its rules must have the Services <name> and <name>-candidate as "
        "backends; the operator writes their weights and no other field."
    )


class RolloutSpec(Value):
    """How a validated candidate takes over."""

    model_config = rules(
        rule(
            "self.steps.map(s, s.weight).isSorted()"
            " && self.steps.all(s, self.steps.filter(t, t.weight == s.weight).size() == 1)",
            "the weights of the steps must increase; give each step a greater weight than the one before",
            field_path=".steps",
        ),
        rule(
            "!has(self.analysis) || size(self.steps) > 0 || has(self.shadow)",
            "without steps the two versions never serve at the same time, so nothing can be compared; "
            "give at least one step, or remove analysis",
            field_path=".analysis",
        ),
        rule(
            "!has(self.shadow) || has(self.gateway)",
            "shadow needs an HTTPRoute that mirrors requests; name it in gateway, or remove shadow",
            field_path=".shadow",
        ),
        rule(
            "!has(self.shadow) || has(self.analysis)",
            "shadow needs analysis, which compares the candidate's responses; add analysis ({} takes all defaults), "
            "or remove shadow",
            field_path=".shadow",
        ),
    )
    approval: Literal["automatic", "manual"] = Field(
        "automatic", description="manual waits for the annotation perennial.dev/approved-by on the ModelVersion."
    )
    steps: list[Step] = Field([], max_length=20, description="Steps before the candidate takes all traffic.")
    timeout: Duration = Field(
        "15m", description="Time for the replicas of a step to become ready; then the candidate is rolled back."
    )
    gateway: Gateway | None = Field(
        None, description="Split the requests exactly by weight; without it the replicas are split."
    )
    analysis: Analysis | None = Field(
        None,
        description="What the candidate must prove in each step, compared with the live version; {} takes all defaults. "
        "A step ends after its analysis has passed; without analysis it ends after its hold.",
    )
    shadow: Duration | None = Field(
        None,
        description="Mirror all requests to the candidate for this long before the first step, and compare it with the live "
        "version by analysis; no client gets its responses. Needs gateway and analysis.",
    )

    watch: DurationOrNone | None = Field(
        None,
        description="How long a promoted version is watched: one pod of its predecessor stays ready, which serves again if the "
        "version fails, and no other roll-out begins. Default 1h with analysis, else 0s; 0s turns it off.",
    )

    @property
    def watched(self) -> timedelta:
        """How long a promoted version is watched."""
        return as_delta(self.watch or ("1h" if self.analysis else "0s"))

    @model_validator(mode="after")
    def steps_rise(self) -> RolloutSpec:
        weights = [step.weight for step in self.steps]
        if any(b <= a for a, b in pairwise(weights)):
            raise ValueError(f"steps have the weights {weights}; give each step a greater weight than the one before")
        return self
