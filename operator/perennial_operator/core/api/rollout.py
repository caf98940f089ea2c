"""How a validated candidate takes over."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from perennial_operator.core.api.analysis import Analysis
from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.values import Duration, ObjectName, Value


class Step(Value):
    """One step of a roll-out."""

    weight: int = Field(
        ge=1, le=99, description="Per cent of the replicas that run the candidate; with a gateway, of the requests."
    )
    hold: Duration | None = Field(None, description="How long the step lasts after its replicas are ready.")


class Gateway(Value):
    """The way of the requests through the Gateway API."""

    http_route: ObjectName = Field(
        description="HTTPRoute in the same namespace. A rule of it names the Services <name> and <name>-candidate as its "
        "backends; the operator owns their weights and nothing else of it."
    )


class RolloutSpec(Value):
    """How a validated candidate takes over."""

    model_config = rules(
        rule(
            "self.steps.map(s, s.weight).isSorted()"
            " && self.steps.all(s, self.steps.filter(t, t.weight == s.weight).size() == 1)",
            "the weights of the steps must rise; give each step a greater weight than the one before",
            at=".steps",
        ),
        rule(
            "!has(self.analysis) || size(self.steps) > 0 || has(self.shadow)",
            "without steps the two versions never serve at the same time, so nothing can be compared; "
            "give at least one step, or remove analysis",
            at=".analysis",
        ),
        rule(
            "!has(self.shadow) || has(self.gateway)",
            "only an HTTPRoute can mirror requests; name one in gateway, or remove shadow",
            at=".shadow",
        ),
        rule(
            "!has(self.shadow) || has(self.analysis)",
            "nobody would compare what the candidate answers in the shadow; add analysis ({} takes all defaults), "
            "or remove shadow",
            at=".shadow",
        ),
    )
    approval: Literal["automatic", "manual"] = Field(
        "automatic", description="manual waits for the annotation perennial.dev/approved-by on the ModelVersion."
    )
    steps: list[Step] = Field([], max_length=20, description="Steps before the candidate takes everything.")
    timeout: Duration = Field("15m", description="A step whose replicas are not ready after this is rolled back.")
    gateway: Gateway | None = Field(
        None, description="Give the candidate exactly its weight of the requests; without it, of the replicas."
    )
    analysis: Analysis | None = Field(
        None,
        description="What the candidate must keep in each step, beside the live version; {} for all defaults. "
        "A step ends only after its analysis has passed. Left out: a step ends after its hold.",
    )
    shadow: Duration | None = Field(
        None,
        description="Mirror all requests to the candidate for so long before the first step, compare its answers with the "
        "live version's by analysis, and give nobody any of them. Needs gateway and analysis.",
    )

    @model_validator(mode="after")
    def steps_rise(self) -> RolloutSpec:
        weights = [step.weight for step in self.steps]
        if any(b <= a for a, b in pairwise(weights)):
            raise ValueError(f"steps have the weights {weights}; give each step a greater weight than the one before")
        return self
