"""Curves over time as one SVG, without a plotting library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP = 720, 110, 70, 30


def picture(
    title: str, times: Sequence[float], curves: Mapping[str, Sequence[float]], verdicts: Mapping[str, str]
) -> str:
    """The curves below each other, each from 0 to its greatest value, with its verdict."""
    parts = [
        _panel(at, name, times, values, verdicts.get(name, "")) for at, (name, values) in enumerate(curves.items())
    ]
    height = TOP + len(parts) * (HEIGHT + TOP) + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="{LEFT}" y="18" font-size="14">{escape(title)}</text>{"".join(parts)}</svg>\n'
    )


def _panel(at: int, name: str, times: Sequence[float], values: Sequence[float], verdict: str) -> str:
    top, most = TOP + at * (HEIGHT + TOP) + 15, max(values) or 1.0
    first, span = times[0], (times[-1] - times[0]) or 1.0
    points = " ".join(
        f"{LEFT + (time - first) / span * WIDTH:.1f},{top + HEIGHT - value / most * (HEIGHT - 10):.1f}"
        for time, value in zip(times, values, strict=True)
    )
    return (
        f'<text x="{LEFT}" y="{top - 3}">{escape(name)}: {escape(verdict)}</text>'
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ccc"/>'
        f'<text x="{LEFT - 6}" y="{top + 14}" text-anchor="end">{most:.5g}</text>'
        f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>'
        f'<text x="{LEFT + WIDTH}" y="{top + HEIGHT + 13}" text-anchor="end">{span:.0f} s</text>'
        f'<polyline points="{points}" fill="none" stroke="#2563eb" stroke-width="1.5"/>'
    )
