"""What another tool has measured, in Perennial's words, and what of it was left out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from kubectl_perennial.client import Body


@dataclass
class Measured:
    """Metrics as a DriftReport has them; `left_out` holds a reason for each thing that is not among them."""

    source: str
    metrics: list[Body] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    samples: int | None = None
    start: str | None = None
    end: str | None = None

    def add(self, name: str, value: object, feature: str | None = None, error: float | None = None) -> None:
        """One number; what is none is left out."""
        about = f"{name} of {feature}" if feature else name
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.leave(about, f"its value is {value}")
            return
        of = {"feature": feature} if feature else {}
        by = {"standardError": error} if error is not None and math.isfinite(error) and error >= 0 else {}
        metric = {"name": name, **of, "value": float(value), **by}
        if metric not in self.metrics:
            self.metrics.append(metric)

    def leave(self, what: str, why: str) -> None:
        self.left_out.append(f"{what}: {why}")


@dataclass(frozen=True)
class Columns:
    """What the columns of a model are, by its spec; `prediction` is what the other tool calls the answers."""

    features: tuple[str, ...]
    target: str
    prediction: str

    @classmethod
    def of(cls, model: Body, prediction: str) -> Columns:
        features = model["features"]
        return cls(
            (*(features.get("numeric") or []), *(features.get("categorical") or [])), model["target"], prediction
        )

    def drift(self, into: Measured, metric: str, column: str, value: object) -> None:
        """The drift of a column: of a feature, or as `target_psi` and `prediction_psi` have it."""
        if column in self.features:
            into.add(metric, value, column)
        elif column == self.target:
            into.add(f"target_{metric}", value)
        elif column == self.prediction:
            into.add(f"prediction_{metric}", value)
        else:
            into.leave(f"{metric} of {column}", "it is no feature, target or prediction (--prediction) of this model")
