"""The picture of a suggestion: the loss of each policy by its trainings, above the hindsight bound.

Drawn in the units of an SVG 800 wide, with the colours of the chart of a policy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from kubectl_perennial.simulation.backtest import Backtest
from perennial_operator.core.api.values import shown

WIDTH, LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 800.0, 70.0, 780.0, 16.0, 300.0, 350.0
RADIUS = 9.0
PAD = 14.0
"""Beside a dot without trainings."""
TICKS = 5
MARGIN = 0.05
"""Of the range of losses, below the least and above the greatest."""

_SVG = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<svg class="trade" viewBox="0 {{ top | round(1) }} {{ width }} {{ (height - top) | round(1) }}" role="img"
  aria-label="Loss of each policy by its trainings">
  <style>
    svg.trade { max-width: none; font-size: 12px; --good: #2e8b57 }
    .trade .axis { stroke: var(--line) } .trade polyline { fill: none; stroke: var(--soft); stroke-dasharray: 5 4 }
    .trade text { fill: var(--soft) } .trade g text { fill: var(--paper); font-weight: 600 }
    .trade circle { fill: var(--one); stroke: var(--paper) } .trade .won circle { fill: var(--good) }
    .trade .other circle { fill: var(--two) } .trade .leader { stroke: var(--soft) }
    @media screen and (prefers-color-scheme: dark) { svg.trade { --good: #5fc48d } }
    @media (max-width: 40rem) {
      .trade .scale { font-size: 24px } .trade .loss { text-anchor: start; transform: translate(40px, -8px) }
      .trade .more { display: none } .trade circle { r: 15px }
      .trade g text { font-size: 20px; transform: translateY(3px) }
    }
  </style>
  {% for tick in losses %}
  <line class="axis" x1="{{ left }}" x2="{{ right }}" y1="{{ tick.at | round(1) }}" y2="{{ tick.at | round(1) }}"/>
  <text class="scale loss" x="{{ left - 6 }}" y="{{ (tick.at + 4) | round(1) }}"
    text-anchor="end">{{ tick.text }}</text>
  {% endfor %}
  {% for tick in trainings %}
  <path class="axis" d="M{{ tick.at | round(1) }} {{ bottom }} v5"/>
  <text class="scale{{ ' more' if loop.index0 % 2 }}" x="{{ tick.at | round(1) }}"
    y="{{ bottom + 24 }}" text-anchor="middle">{{ tick.text }}</text>
  {% endfor %}
  <text class="scale" x="{{ (left + right) / 2 }}" y="{{ height - 4 }}"
    text-anchor="middle">trainings after the first version</text>
  <polyline points="{{ bound }}"><title>hindsight: the least loss of any schedule of so many refits</title></polyline>
  {% for dot in dots if dot.y != dot.at %}
  <path class="leader" d="M{{ dot.x | round(1) }} {{ dot.at | round(1) }} V{{ dot.y | round(1) }}"/>
  {% endfor %}
  {% for dot in dots %}
  <g class="{{ dot.kind }}"><title>{{ dot.title }}</title>
  <circle cx="{{ dot.x | round(1) }}" cy="{{ dot.y | round(1) }}" r="{{ radius }}"/>
  <text x="{{ dot.x | round(1) }}" y="{{ (dot.y + 4) | round(1) }}" text-anchor="middle">{{ dot.text }}</text></g>
  {% endfor %}
</svg>
""")


class _Tick(NamedTuple):
    at: float
    text: str


class _Point(NamedTuple):
    name: str
    trainings: int
    loss: float


class _Dot(NamedTuple):
    kind: str
    x: float
    y: float
    at: float
    """Where its loss is: a dot is above that if another one is there."""
    text: str
    title: str


@dataclass(frozen=True)
class _Scale:
    most: int
    low: float
    high: float

    @classmethod
    def of(cls, points: Sequence[_Point]) -> _Scale:
        low, high = min(point.loss for point in points), max(point.loss for point in points)
        margin = (high - low) * MARGIN or 1.0
        return cls(max(point.trainings for point in points), max(0.0, low - margin), high + margin)

    def x(self, trainings: float) -> float:
        return LEFT + PAD + trainings / self.most * (RIGHT - LEFT - PAD)

    def y(self, loss: float) -> float:
        return BOTTOM - (loss - self.low) / (self.high - self.low) * (BOTTOM - TOP)


def draw_trade(backtest: Backtest, names: Sequence[str], winner: int) -> Markup:
    """A dot for each policy and for never and always retraining; the bound is that of the first policy's model."""
    results, reference = backtest.results, backtest.results[0].reference
    points = [_Point(name, each.played.trainings, each.played.loss) for name, each in zip(names, results, strict=True)]
    never = _Point("never retrained", 0, results[0].first_loss)
    always = _Point("always retrained", len(reference.rows), results[0].always_loss)
    bound = [_Point("hindsight", refits, reference.hindsight(refits)) for refits in range(len(reference.fits))]
    scale = _Scale.of([*points, never, always, *bound])
    dots = [
        *(
            _dot("won" if place == winner else "policy", str(place + 1), point, scale)
            for place, point in enumerate(points)
        ),
        _dot("other", "n", never, scale),
        _dot("other", "a", always, scale),
    ]
    dots = list(_apart(dots))
    svg = _SVG.render(
        width=WIDTH,
        top=min(0.0, *(dot.y - 2 * RADIUS for dot in dots)),  # room for those that were moved up
        height=HEIGHT,
        left=LEFT,
        right=RIGHT,
        bottom=BOTTOM,
        losses=[_Tick(scale.y(loss), shown(loss)) for loss in _ticks(scale.low, scale.high)],
        trainings=[_Tick(scale.x(count), shown(count)) for count in _ticks(0, scale.most)],
        bound=" ".join(f"{scale.x(point.trainings):.1f},{scale.y(point.loss):.1f}" for point in bound),
        dots=dots,
        radius=RADIUS,
    )
    return Markup(svg)  # noqa: S704 - the template has escaped every text


def _dot(kind: str, text: str, point: _Point, scale: _Scale) -> _Dot:
    title = f"{point.name}: loss {shown(point.loss)}, {point.trainings} trainings"
    y = scale.y(point.loss)
    return _Dot(kind, scale.x(point.trainings), y, y, text, title)


def _apart(dots: Sequence[_Dot]) -> Iterator[_Dot]:
    """None covers another one: the winner keeps its place, and others are moved up."""
    taken: list[_Dot] = []
    for dot in sorted(dots, key=lambda dot: dot.kind != "won"):
        free = dot
        while any(math.hypot(free.x - other.x, free.y - other.y) < 2 * RADIUS for other in taken):
            free = free._replace(y=free.y - RADIUS)
        taken.append(free)
        yield free


def _ticks(low: float, high: float) -> Iterator[float]:
    """A few round numbers in the range."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough)
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield float(f"{number * step:.6g}")
