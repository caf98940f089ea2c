"""What a candidate must prove while it serves beside the live version."""

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
ERRORS_ROSE = "ErrorsRose"
"""Measured after the promotion without another version beside it, so that the cause may lie outside of the model."""
FAILURES = (TOO_MANY_ERRORS, TOO_SLOW, QUERY_BEYOND_LIMIT, BREACHED)
"""Reasons for a roll-back that lie in the model, and not in its environment."""


class Query(Value):
    """A query to Prometheus whose result must stay within a limit."""

    model_config = rules(
        rule("has(self.max) || has(self.min)", "the query has no limit; give max or min"),
        rule(
            "!has(self.min) || !has(self.max) || self.min <= self.max",
            "min is above max, so no value could pass; swap them",
            field_path=".min",
        ),
    )
    name: Name = Field(description="Name of the query in messages.")
    query: str = Field(
        min_length=1,
        max_length=4096,
        description="PromQL; $(namespace), $(model), $(candidate) and $(live) are replaced by names. "
        "Every series of the result must stay within the limit; an empty result counts as missing data.",
    )
    max: float | None = Field(None, description="The greatest value that passes.")
    min: float | None = Field(None, description="The smallest value that passes.")

    def crossed(self, value: float) -> float | None:
        """The limit that the value exceeds, or None."""
        return crossed_limit(value, self.min, self.max)


class Analysis(Value):
    """What is measured in each step: the candidate compared with the live version over the same minutes."""

    model_config = rules(
        rule(
            "self.minRequests > 0 || size(self.queries) > 0",
            "without requests and without queries nothing is measured; give minRequests of 1 or more, or a query",
            field_path=".minRequests",
        ),
    )
    interval: Duration = Field("30s", description="How often the pods are sampled and the result is assessed.")
    min_requests: int = Field(
        100,
        ge=0,
        le=1_000_000,
        description="The analysis starts when candidate and live version have each answered this many requests in "
        "the step. With 0 the pods' own metrics are not used, only the queries.",
    )
    max_error_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="How much greater than the live version's the candidate's share of failed requests (5xx) may be.",
    )
    max_latency_ratio: float = Field(
        1.5, ge=1, le=1000, description="Greatest ratio of the candidate's mean latency to the live version's."
    )
    queries: list[Query] = Field(
        [],
        max_length=10,
        description="Queries to the Prometheus that the operator is configured to use.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    limit: Duration = Field(
        "1h", description="How long a step waits for data after its hold; then the candidate is rolled back."
    )
