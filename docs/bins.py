"""The picture of the bins in docs/metrics.md: `python docs/bins.py` writes docs/bins.svg."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from perennial_trainer.profiling.columns import profile_numbers
from perennial_trainer.profiling.profile import NumericProfile

PICTURE = Path(__file__).parent / "bins.svg"
WIDTH, HEIGHT, LEFT, BOTTOM = 860, 300, 60, 220
LAST = 6.0  # the greatest value that the picture shows
BARS = 120


def picture() -> str:
    """A column with a third of zeros, and its bins."""
    generator = np.random.default_rng(0)
    values = np.where(generator.random(10_000) < 0.35, 0.0, 0.3 + generator.gamma(2.5, 0.6, size=10_000))
    values = values[values < LAST - 0.5]
    profile = profile_numbers(values, 1000)
    label = (
        "Bins of a numeric column: a bin of its own for the frequent value zero, deciles of the other values, "
        "and one empty bin beyond the range of the reference at either end"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="13" role="img" aria-label="{label}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="12" fill="#ffffff"/>',
        *bins(profile),
        *bars(values),
        *labels(profile),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def at(value: float) -> float:
    return LEFT + (value + 0.5) / (LAST + 0.5) * (WIDTH - LEFT - 30)


def bins(profile: NumericProfile) -> Iterator[str]:
    """Every second bin has a background; the outer ones are red, and the frequent value's is green."""
    edges = [-0.5, *profile.edges, LAST]
    for number, (low, high) in enumerate(pairwise(edges)):
        outer = number in (0, len(edges) - 2)
        colour = "#fee2e2" if outer else "#f1f5f9" if number % 2 else "#e2e8f0"
        yield bar(at(low), at(high) - at(low), BOTTOM - 60, colour)
    yield from (
        f'<line x1="{at(edge):.1f}" y1="60" x2="{at(edge):.1f}" y2="{BOTTOM}" stroke="#94a3b8"/>'
        for edge in profile.edges
    )


def bars(values: np.ndarray) -> Iterator[str]:
    counts, marks = np.histogram(values[values > 0], bins=BARS, range=(0, LAST))
    tall = (BOTTOM - 90) / counts.max()
    for count, low, high in zip(counts, marks[:-1], marks[1:], strict=True):
        if count:
            yield bar(at(low), at(high) - at(low), count * tall, "#2563eb")
    yield bar(at(0) - 3, 6, BOTTOM - 90, "#15803d")


def bar(left: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{left:.1f}" y="{BOTTOM - height:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def labels(profile: NumericProfile) -> Iterator[str]:
    highest = profile.edges[-1]
    yield f'<text x="{LEFT}" y="28" fill="#0f172a" font-weight="bold">The bins of a column of which a third is 0</text>'
    yield text(at(0), "35 % are 0: a bin of its own", "#15803d", 48)
    yield text(at(1.8), "deciles of the other values: about as many rows in each", "#2563eb", 242)
    yield text((at(-0.5) + at(0)) / 2, "below", "#b91c1c", 242)
    yield text((at(highest) + at(LAST)) / 2, "above", "#b91c1c", 242)
    yield text(
        (at(-0.5) + at(LAST)) / 2,
        "outer bins (red): no row of the reference, so a few recent rows count much",
        "#b91c1c",
        268,
    )
    yield text(at(LAST) - 120, "and one more bin for missing values", "#475569", 48)


def text(x: float, words: str, colour: str, y: float) -> str:
    return f'<text x="{x:.1f}" y="{y}" text-anchor="middle" fill="{colour}">{words}</text>'


if __name__ == "__main__":
    PICTURE.write_text(picture())
