"""The chart of a policy: its loss over time, the versions as bands, and a mark for every decision.

Drawn in the units of an SVG 800 wide; on a phone the text is larger, and every second label is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from jinja2 import Environment
from markupsafe import Markup

from kubectl_perennial.simulation.backtest import Result
from kubectl_perennial.simulation.history import Timeline
from kubectl_perennial.simulation.played import CHECK, Event, Floats
from perennial_operator.core.api.drift_report import BREACHED
from perennial_trainer.reporting.drawing.axis import tick_text, ticks_around

WIDTH, LEFT, TOP, BOTTOM = 800.0, 56.0, 34.0, 250.0
MARKS = 272.0
"""Where the marks are: alarms above, versions below."""
HEIGHT = 334.0
NARROW = 26.0
"""A band as wide as this has the name of its version."""
DATES, DATE = 6, 32.0
"""How many dates are written, and half the width of one."""

_SVG = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<svg class="chart" viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ title }}">
  <style>
    svg.chart { max-width: none; font-size: 11px; --good: #2e8b57; --bad: #c0392b }
    .chart .axis { stroke: var(--line) } .chart .band { fill: var(--one); fill-opacity: .07 }
    .chart .odd { fill-opacity: .15 } .chart polyline { fill: none; stroke-width: 1.5; stroke-linejoin: round }
    .chart .live { stroke: var(--one); stroke-width: 2.5 } .chart .always { stroke: var(--two) }
    .chart .never { stroke: var(--soft); stroke-dasharray: 5 4 } .chart text { fill: var(--soft) }
    .chart .alarm { fill: var(--two) } .chart .good { fill: var(--good) } .chart .bad { fill: var(--bad) }
    .chart .quiet { fill: var(--soft) }
    @media screen and (prefers-color-scheme: dark) { svg.chart { --good: #5fc48d; --bad: #ef7a6d } }
    @media (max-width: 40rem) {
      svg.chart { font-size: 22px } .chart .more { display: none }
      .chart .tick { text-anchor: start; transform: translate(12px, 14px) }
    }
  </style>
  {% for band in bands %}
  <rect class="band{{ " odd" if loop.index0 % 2 }}" x="{{ band.x | round(1) }}" y="{{ top }}"
    width="{{ band.width | round(1) }}" height="{{ bottom - top }}"><title>{{ band.title }}</title></rect>
  {% if band.text %}
  <text{{ ' class=more' if loop.index0 % 2 }} x="{{ (band.x + 3) | round(1) }}" y="{{ top - 5 }}">{{ band.text }}</text>
  {% endif %}
  {% endfor %}
  {% for tick in ticks %}
  <line class="axis" x1="{{ left }}" x2="{{ width }}" y1="{{ tick.y | round(1) }}" y2="{{ tick.y | round(1) }}"/>
  <text class="tick" x="{{ left - 6 }}" y="{{ (tick.y + 4) | round(1) }}" text-anchor="end">{{ tick.text }}</text>
  {% endfor %}
  {% for line in lines %}
  <polyline class="{{ line.kind }}" points="{{ line.points }}"/>
  {% endfor %}
  {% for mark in marks %}
  <path class="{{ mark.kind }}" d="{{ mark.path }}"><title>{{ mark.title }}</title></path>
  {% endfor %}
  {% for date in dates %}
  <text{{ ' class=more' if loop.index0 % 2 }} x="{{ date.x | round(1) }}" y="{{ height - 6 }}"
    text-anchor="middle">{{ date.text }}</text>
  {% endfor %}
</svg>
""")


class _Band(NamedTuple):
    x: float
    width: float
    text: str
    title: str


class _Mark(NamedTuple):
    kind: str
    path: str
    title: str


@dataclass(frozen=True)
class _Scale:
    """Where a time and a loss are in the chart."""

    edges: Sequence[datetime]
    """The ends of the batches, from the last of the first ones."""
    highest: float

    def x(self, place: float) -> float:
        return LEFT + place / max(len(self.edges) - 1, 1) * (WIDTH - LEFT)

    def at(self, time: datetime) -> float:
        """Of a time, evenly within its batch, however long that is."""
        later = next((n for n, edge in enumerate(self.edges) if edge > time), len(self.edges))
        if later in (0, len(self.edges)):
            return self.x(0 if later == 0 else later - 1)
        begin, end = self.edges[later - 1], self.edges[later]
        return self.x(later - 1 + (time - begin) / (end - begin))

    def y(self, loss: float) -> float:
        return BOTTOM - min(loss / self.highest, 1.0) * (BOTTOM - TOP)


def draw_chart(result: Result, timeline: Timeline) -> Markup:
    """The chart of one policy."""
    played, reference = result.played, result.reference
    edges = [batch.end for batch in timeline.batches[played.first - 1 :]]
    values = np.concatenate([played.losses, reference.first, reference.always])
    ticks = ticks_around(0.0, float(np.nanmax(values)) or 1.0, 3)
    scale = _Scale(edges, ticks[-1])
    lines = (("never", reference.first), ("always", reference.always), ("live", played.losses))
    step = max(1, -(-(len(edges) - 1) // DATES))
    svg = _SVG.render(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        top=TOP,
        bottom=BOTTOM,
        title=f"Loss of {played.title} over time",
        bands=list(_bands(result, scale)),
        ticks=[{"y": scale.y(tick), "text": tick_text(tick)} for tick in ticks],
        lines=[{"kind": kind, "points": points} for kind, losses in lines for points in _points(losses, scale)],
        marks=[mark for event in played.events if (mark := _mark(event, scale))],
        dates=[
            {"x": min(scale.x(place + 0.5), WIDTH - DATE), "text": f"{edges[place + 1]:%Y-%m-%d}"}
            for place in range(step // 2, len(edges) - 1, step)
        ],
    )
    return Markup(svg)  # noqa: S704 - the template has escaped every text


def _bands(result: Result, scale: _Scale) -> Iterator[_Band]:
    for span in result.played.spans:
        begin = scale.at(span.since)
        end = scale.at(span.until) if span.until else scale.x(len(scale.edges) - 1)
        name = f"v{span.version.rpartition('-v')[2]}"
        until = f"{span.until:%Y-%m-%d %H:%M}" if span.until else "the end"
        title = f"{span.version} live from {span.since:%Y-%m-%d %H:%M} to {until}"
        yield _Band(begin, max(end - begin, 0.5), name if end - begin >= NARROW else "", title)


def _points(losses: Floats, scale: _Scale) -> Iterator[str]:
    """One line for each stretch of batches that have a loss, through the middle of each batch."""
    stretch: list[str] = []
    for place, loss in enumerate([*losses, np.nan]):
        if np.isfinite(loss):
            stretch.append(f"{scale.x(place + 0.5):.1f},{scale.y(float(loss)):.1f}")
        elif stretch:
            yield " ".join(stretch)
            stretch = []


def _mark(event: Event, scale: _Scale) -> _Mark | None:
    """A triangle for an alarm, empty of a training that was deferred; a disc, a cross or a dot for a version."""
    x = scale.at(event.at)
    reason = f" ({event.reason})" if event.reason else ""
    title = f"{event.at:%Y-%m-%d %H:%M} {event.name}: {event.state}{reason}. {event.message}"
    if event.kind == CHECK and event.state in BREACHED:
        kind = "alarm" if event.state == "Triggered" else "quiet"
        return _Mark(kind, f"M{x - 5:.1f} {MARKS + 4} l5 -9 l5 9 z", title)
    low = MARKS + 18
    if event.state == "Live":
        return _Mark("good", f"M{x - 5:.1f} {low} a5 5 0 1 1 10 0 a5 5 0 1 1 -10 0 z", title)
    if event.state in ("Rejected", "RolledBack", "Failed"):
        return _Mark("bad", f"M{x - 5:.1f} {low - 3} l2 -2 3 3 3 -3 2 2 -3 3 3 3 -2 2 -3 -3 -3 3 -2 -2 3 -3 z", title)
    if event.state == "Training":
        return _Mark("quiet", f"M{x - 2:.1f} {low + 14} a2 2 0 1 1 4 0 a2 2 0 1 1 -4 0 z", title)
    return None
