"""What must a candidate keep while it serves beside the live version?"""

from __future__ import annotations

from pydantic import Field

from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.thresholds import crossed_limit
from perennial_operator.core.api.values import Duration, Name, Value

PASSED, MEASURING, NO_DATA = "AnalysisPassed", "Measuring", "NoData"
TOO_MANY_ERRORS, TOO_SLOW, QUERY_BEYOND_LIMIT, BREACHED = (
    "TooManyErrors",
    "TooSlow",
    "QueryBeyondLimit",
    "QualityBreach",
)
FAILURES = (TOO_MANY_ERRORS, TOO_SLOW, QUERY_BEYOND_LIMIT, BREACHED)
"""Reasons of a roll-back that say something about the model, and not about its surroundings."""


class Query(Value):
    """A question to Prometheus whose answer has to keep a limit."""

    model_config = rules(
        rule("has(self.max) || has(self.min)", "the query has no limit; give max or min"),
        rule(
            "!has(self.min) || !has(self.max) || self.min <= self.max",
            "min is above max, so no answer could pass; swap them",
            at=".min",
        ),
    )
    name: Name = Field(description="What it is called in messages.")
    query: str = Field(
        min_length=1,
        max_length=4096,
        description="PromQL; $(namespace), $(model), $(candidate) and $(live) are replaced by the names. "
        "Every series of the answer has to keep the limit; an empty answer is no data.",
    )
    max: float | None = Field(None, description="The greatest answer that passes.")
    min: float | None = Field(None, description="The smallest answer that passes.")

    def crossed(self, answer: float) -> float | None:
        """The limit that the answer is beyond, or None."""
        return crossed_limit(answer, self.min, self.max)


class Analysis(Value):
    """What is measured in each step, candidate against live version in the same minutes."""

    model_config = rules(
        rule(
            "self.minRequests > 0 || size(self.queries) > 0",
            "without requests and without queries nothing is measured; give minRequests of 1 or more, or a query",
            at=".minRequests",
        ),
    )
    interval: Duration = Field("30s", description="How often is measured and judged.")
    min_requests: int = Field(
        100,
        ge=0,
        le=1_000_000,
        description="Nothing is judged before candidate and live version have each answered so many requests in the "
        "step. 0: the pods' own metrics are not looked at, the queries alone decide.",
    )
    max_error_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="How much greater the candidate's share of failed requests (5xx) may be than the live version's.",
    )
    max_latency_ratio: float = Field(
        1.5, ge=1, le=1000, description="How many times the live version's mean latency the candidate's may be."
    )
    queries: list[Query] = Field(
        [],
        max_length=10,
        description="Questions to the Prometheus that the operator was told of.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    limit: Duration = Field(
        "1h", description="How long a step waits for data after its hold; then the candidate goes back."
    )
