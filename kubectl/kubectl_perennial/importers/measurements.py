"""The metrics read from another tool, with Perennial's names, and what was left out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from kubectl_perennial.client import Body


@dataclass
class Measured:
    """Metrics as a DriftReport has them; `left_out` names the rest, each with a reason."""

    source: str
    metrics: list[Body] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    samples: int | None = None
    start: str | None = None
    end: str | None = None

    def add(self, name: str, value: object, feature: str | None = None, error: float | None = None) -> None:
        """Adds a metric; a value that is not a finite number is left out."""
        about = f"{name} of {feature}" if feature else name
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.leave_out(about, f"its value is {value}")
            return
        about_feature = {"feature": feature} if feature else {}
        with_error = {"standardError": error} if error is not None and math.isfinite(error) and error >= 0 else {}
        metric = {"name": name, **about_feature, "value": float(value), **with_error}
        if metric not in self.metrics:
            self.metrics.append(metric)

    def leave_out(self, what: str, why: str) -> None:
        self.left_out.append(f"{what}: {why}")


@dataclass(frozen=True)
class Columns:
    """The columns of a model, from its spec; `prediction` is the other tool's name of the predictions."""

    features: tuple[str, ...]
    target: str
    prediction: str

    @classmethod
    def of(cls, model: Body, prediction: str) -> Columns:
        features = model["features"]
        derived = [each["name"] for each in features.get("derived") or []]
        derived += [each["column"] for each in features.get("text") or []]
        named = (*(features.get("numeric") or []), *(features.get("categorical") or []), *derived)
        return cls(named, model["target"], prediction)

    def drift(self, into: Measured, metric: str, column: str, value: object) -> None:
        """Adds the drift of a column: of a feature, or as `target_psi` or `prediction_psi`."""
        if column in self.features:
            into.add(metric, value, column)
        elif column == self.target:
            into.add(f"target_{metric}", value)
        elif column == self.prediction:
            into.add(f"prediction_{metric}", value)
        else:
            into.leave_out(
                f"{metric} of {column}",
                "it is not a feature, the target or the prediction (--prediction) of this model",
            )
