"""Thresholds of metrics, and the rules that a limit must fit its metric."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from pydantic.config import JsonDict

from perennial_operator.core.api.cel import matching, rule, rules
from perennial_operator.core.api.metric_table import LOSSES, METRIC_TABLE, METRICS_BY_NAME, SCORES
from perennial_operator.core.api.values import Column, Value


def _within(minimum: float | None, maximum: float | None) -> tuple[str, ...]:
    """The metrics with these bounds."""
    return tuple(entry.name for entry in METRIC_TABLE if (entry.minimum, entry.maximum) == (minimum, maximum))


SHARES = _within(0.0, 1.0)
NEVER_NEGATIVE = _within(0.0, None)
NEVER_ABOVE_ONE = _within(None, 1.0)
BETTER_LOWER = tuple(name for name in NEVER_NEGATIVE if METRICS_BY_NAME[name].better == "lower")
QUALITY_METRICS = tuple(entry.name for entry in METRIC_TABLE if entry.kind == "quality")

Metric = Annotated[
    str, *matching("[a-z][a-z0-9_]*", "give the name of a metric: a-z, 0-9 and _, such as mse, r2 or psi", 63)
]


def _in(names: tuple[str, ...]) -> str:
    return "self.metric in [" + ", ".join(f"'{name}'" for name in names) + "]"


def _limit(field: str, names: tuple[str, ...], good: str, why: str) -> JsonDict:
    """The rule that a limit on one of these metrics is `good`, if it is given at all."""
    return rule(
        f"!has(self.{field}) || !({_in(names)}) || {good}",
        f"the limit makes no sense for this metric: {why}",
        message_expression=f"'{field} makes no sense for ' + self.metric + ': {why}'",
        field_path=f".{field}",
    )


_WITHIN_ONE = "it lies between 0 and 1; give a limit in that range"
LIMITS_MAKE_SENSE = (
    rule(
        "!has(self.min) || !has(self.max) || self.min <= self.max",
        "min is above max, so no value could pass; swap them",
        message_expression="'min is above max, so no value of ' + self.metric + ' could pass; swap them'",
        field_path=".min",
    ),
    _limit("min", SHARES, "(self.min >= 0.0 && self.min <= 1.0)", _WITHIN_ONE),
    _limit("max", SHARES, "(self.max >= 0.0 && self.max <= 1.0)", _WITHIN_ONE),
    _limit("min", NEVER_ABOVE_ONE, "self.min <= 1.0", "it is never above 1; give a limit of at most 1"),
    _limit("min", BETTER_LOWER, "false", "smaller is better; give max instead"),
    _limit("max", NEVER_NEGATIVE, "self.max >= 0.0", "it is never negative; give a limit of 0 or more"),
    _limit("max", SCORES, "false", "greater is better; give min instead"),
)


def crossed_limit(value: float, least: float | None, most: float | None) -> float | None:
    """The limit that `value` is beyond, or None; a value at its limit passes."""
    if most is not None and value > most:
        return most
    if least is not None and value < least:
        return least
    return None


class Threshold(Value):
    """A limit that a metric must keep."""

    model_config = rules(
        rule(
            "has(self.max) || has(self.min)",
            "the threshold has no limit; give max or min",
            message_expression="'the threshold on ' + self.metric + ' has no limit; give max or min'",
        ),
        *LIMITS_MAKE_SENSE,
    )
    metric: Metric = Field(
        description=f"Name of the metric: {', '.join(QUALITY_METRICS)}, psi, ks, drifted_share, or any a report carries."
    )
    max: float | None = Field(None, description="The greatest value that passes.")
    min: float | None = Field(None, description="The smallest value that passes.")

    @model_validator(mode="after")
    def makes_sense(self) -> Threshold:
        if self.max is None and self.min is None and getattr(self, "max_increase", None) is None:
            raise ValueError(f"the threshold on {self.metric} has no limit; give max or min")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise ValueError(
                f"min {self.min} of {self.metric} is above max {self.max}, so no value could pass; swap them"
            )
        return self

    def crossed(self, value: float) -> float | None:
        """The limit that `value` is beyond, or None."""
        return crossed_limit(value, self.min, self.max)


class DriftThreshold(Threshold):
    """A limit that a metric of a drift report must keep."""

    model_config = rules(
        rule(
            "has(self.max) || has(self.min) || has(self.maxIncrease)",
            "the threshold has no limit; give max, min or maxIncrease",
            message_expression="'the threshold on ' + self.metric + ' has no limit; give max, min or maxIncrease'",
        ),
        *LIMITS_MAKE_SENSE,
        rule(
            f"!has(self.maxIncrease) || {_in(LOSSES)}",
            f"maxIncrease is for a loss ({', '.join(LOSSES)}); give max or min for this metric",
            message_expression=f"'maxIncrease is for a loss ({', '.join(LOSSES)}), which ' + self.metric + ' is not; give max or min'",
            field_path=".maxIncrease",
        ),
        rule(
            "!has(self.sigmas) || has(self.maxIncrease)",
            "sigmas goes with maxIncrease; add it, or remove sigmas",
            field_path=".sigmas",
        ),
    )
    max_increase: float | None = Field(
        None,
        ge=0,
        le=100,
        description="Greatest growth over the value at the live version's validation, as a share: 0.05 is 5 %.",
    )
    sigmas: float | None = Field(
        None,
        ge=0,
        le=100,
        description="The growth must also be this many standard errors, so that chance alone is not a breach.",
    )
    features: list[Column] | None = Field(None, max_length=500, description="Only on these features; default any.")

    @property
    def label(self) -> str:
        """The metric and the features in messages."""
        return self.metric + (f" of {', '.join(self.features[:10])}" if self.features else "")

    def concerns(self, metric: str, feature: str | None) -> bool:
        """Whether the threshold applies to this metric of a report."""
        return metric == self.metric and (not self.features or feature in self.features)
