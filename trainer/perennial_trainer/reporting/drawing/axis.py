"""An axis: which round numbers are written beside it, and where a value is on it."""

import sys
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
LARGEST = sys.float_info.max
NEAR = 1e-9  # of a step: so much is a rounding error


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` lie from the position `start` to `end`; `ticks` are between them."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """The position of a value; outside of the axis its nearer end."""
        value = min(max(value, self.low), self.high)
        part = 1.0 if isfinite(self.high - self.low) else 0.5  # a difference of great numbers may overflow
        share = (value * part - self.low * part) / (self.high * part - self.low * part)
        return self.start + share * (self.end - self.start)


def round_axis(low: float, high: float, start: float, end: float, most: int = 5) -> Axis:
    """An axis that ends at the ticks around these values."""
    if not low < high:
        room = abs(low) / 2 or 1.0
        low, high = max(low - room, -LARGEST), min(high + room, LARGEST)
    ticks = ticks_around(low, high, most)
    return Axis(ticks[0], ticks[-1], start, end, ticks)


def ticks_around(low: float, high: float, most: int = 5) -> tuple[float, ...]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten, from the last up to `low` to the first from `high` on.

    Two at least, and about `most`; where no such number exists, `low` and `high`.
    """
    step = _step(high / most - low / most)
    if not step or not isfinite(low / step) or not isfinite(high / step):
        return (low, high)
    first, last = floor(low / step + NEAR), ceil(high / step - NEAR)
    ticks = tuple(number * step for number in range(first, max(last, first + 1) + 1))
    return ticks if len(ticks) <= 4 * most and all(map(isfinite, ticks)) else (low, high)


def _step(least: float) -> float:
    """The least round step from `least` on; 0 where floating point has none."""
    if not 1e-300 < least < 1e300:
        return 0.0
    power = 10.0 ** floor(log10(least))
    return next(step * power for step in STEPS if step * power >= least * (1 - NEAR))


def tick_text(value: float) -> str:
    """A round number, short and without the noise of floating point: `0.3`, `2,500`, `25k`, `1.5M`, `2e+09`."""
    clean = float(f"{value:.10g}")
    if abs(clean) >= 1e9 or 0 < abs(clean) < 1e-4:
        return f"{clean:.4g}"
    for unit, sign in ((1e6, "M"), (1e3, "k")):
        if abs(clean) >= 10 * unit or (unit == 1e6 and abs(clean) >= unit):
            return f"{clean / unit:,.10g}{sign}"
    return f"{clean:,.10g}"
