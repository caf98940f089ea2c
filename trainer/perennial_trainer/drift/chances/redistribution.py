"""How likely a drift statistic is by chance alone: its value is compared with those of redistributed rows.

If the m reference rows and the n recent rows are exchangeable, every choice of n of the m + n rows as the recent ones
is equally likely (Fisher, The Design of Experiments, 1935; Good, Permutation, Parametric and Bootstrap Tests of
Hypotheses, 2005). The chance of a value is the share of choices whose statistic is at least as large. The choices are
drawn as counts: of pooled counts, a multivariate hypergeometric sample. Autocorrelated rows are not exchangeable: see
docs/metrics.md.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Pair = tuple[Counts, Counts]
"""Counts of the reference and of the recent rows in the same bins: draws x bins each."""
Statistic = Callable[[Counts, Counts], Floats]
"""The statistic of each of several pairs of counts, draws x bins each."""

DRAWS = (100, 150, 250, 500, 1000, 2000, 6000, 40_000)  # one step after the other, while the value is rare
FEW_BINS = 20
DRAWS_OF_FEW_BINS = (*DRAWS, 400_000)  # their greatest values come in groups, so they are counted rather than fitted
ENOUGH = 2000  # draws of a value that is clearly rarer than the level, or whose tail is not fitted
SEEN = 2  # so many draws are expected of what is as rare as the level, before a fitted tail is believed
CLEARLY_BELOW = 1e-3  # times the level: a fitted chance may be wrong by some orders of magnitude
CLEARLY_ABOVE = 20  # times the level: so great a share needs no precision
TAIL = 200  # the greatest drawn values, to which a tail is fitted
EXCEEDED = 10  # from so many drawn values that are at least as large on, their share is precise enough
FEW_EXCEEDED = 3  # as EXCEEDED, where the share is clearly above the level
CELLS = 2_000_000  # counts in memory at once
HYPERGEOMETRIC_LIMIT = 900_000_000  # NumPy draws from fewer than 10**9 rows
TOLERANCE = 1e-9  # relative: the statistics of equal counts may differ in their last digits
NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class RareValues:
    """Values of a column that have no bin of their own: `how_many` of them occur in `count` pooled rows each.

    Only a `sampled` share of these values may have been followed.
    """

    count: Counts
    how_many: Counts
    sampled: float = 1.0


def chance_of(statistic: Statistic, before: Counts, after: Counts, redrawn: Iterable[Pair], level: float) -> float:
    """The chance, 0 < chance <= 1, of a statistic at least as large as that of these counts."""
    observed = float(statistic(before[None], after[None])[0])
    enough = max(ENOUGH, min(math.ceil(SEEN / level), CELLS // len(before)))
    return tail_share(observed, (statistic(*pair) for pair in redrawn), level, enough=enough)


def tail_share(
    observed: float, steps: Iterable[Floats], level: float, fitted: bool = True, enough: int = ENOUGH
) -> float:
    """The share of drawn values that are at least `observed`, or, unless not `fitted`, its estimate from a fitted tail.

    The observed value counts as one of the drawn (Phipson and Smyth, Statistical Applications in Genetics and Molecular
    Biology 9, 2010). The values are drawn in steps until 10 are as large (Besag and Clifford, Biometrika 78, 1991), or
    until it is clear on which side of `level` the chance is.
    Where few are as large, a generalized Pareto distribution is fitted to the greatest 200 (Knijnenburg et al.,
    Bioinformatics 25, 2009), since a level corrected for a thousand features would need millions of draws; few draws
    tell little of a tail far beyond them, so there are more of them until the value is clearly rare, and at least
    `enough`: where psi jumps because a bin has none of 100 rows, draws without such a bin do not show that it happens
    once in 4,000 times. Its shape is never negative: the tail has no end, and the chance is too great rather than too
    small. Nor is the estimate below the share that was drawn, for statistics of few different values have no smooth
    tail.
    """
    drawn, reached, share = np.empty(0), 0, 1.0
    for step in steps:
        drawn = np.concatenate([drawn, step])
        reached += int((step >= observed - TOLERANCE * abs(observed)).sum())
        share = (reached + 1) / (len(drawn) + 1)
        if reached >= EXCEEDED or (reached >= FEW_EXCEEDED and share > CLEARLY_ABOVE * level):
            break
        if fitted and len(drawn) > TAIL:
            share = _fitted_share(observed, drawn, reached, share)
        expected = len(drawn) * level  # as large, if the chance were the level
        is_below = (reached < expected - 4 * expected**0.5 and share <= level) or share < CLEARLY_BELOW * level
        if len(drawn) >= enough and (not fitted or is_below):
            break
    return share


def _fitted_share(observed: float, drawn: Floats, reached: int, counted: float) -> float:
    """The estimate from the fitted tail; the counted share if all values of the tail are equal."""
    ascending = np.sort(drawn)
    start = float(ascending[-TAIL - 1] + ascending[-TAIL]) / 2
    excess = ascending[-TAIL:] - start
    if not excess.mean() > 0:
        return counted
    scale, shape = _generalized_pareto(excess)
    distance = (observed - start) / scale
    survival = np.exp(-distance) if shape == 0 else (1 + shape * distance) ** (-1 / shape)
    return float(max(TAIL / len(drawn) * survival, reached / len(drawn), np.finfo(np.float64).tiny))


def _generalized_pareto(excess: Floats) -> tuple[float, float]:
    """Scale and shape by probability-weighted moments: Hosking and Wallis, Technometrics 29 (1987)."""
    n = len(excess)
    mean = float(excess.mean())
    weighted = float((excess * (n - np.arange(1, n + 1) + 0.35) / n).mean())
    shape = 2 - mean / (mean - 2 * weighted)
    if not 0 < shape < 1:
        return mean, 0.0  # the exponential distribution
    return mean * (1 - shape), shape


def redistributed(before: Counts, after: Counts, seed: int = 0) -> Iterator[Pair]:
    """The counts of both sides after the pooled rows have been dealt again, in steps of draws x bins each."""
    pooled, recent = before + after, int(after.sum())
    generator = _generator(pooled, recent, seed, 0)
    at_once = max(1, CELLS // len(pooled))
    steps = DRAWS_OF_FEW_BINS if len(pooled) <= FEW_BINS else DRAWS
    # One deals row by row, the other bin by bin, which takes about six times as long for each.
    by_row = pooled.sum() <= CELLS and min(recent, pooled.sum() - recent) < 6 * len(pooled)
    method: Literal["count", "marginals"] = "count" if by_row else "marginals"
    for size in (min(at_once, draws - start) for draws in steps for start in range(0, draws, at_once)):
        if pooled.sum() < HYPERGEOMETRIC_LIMIT:
            redrawn = generator.multivariate_hypergeometric(pooled, recent, size=size, method=method)
        else:  # of so many rows the bins are as good as independent
            redrawn = generator.binomial(pooled, recent / pooled.sum(), size=(size, len(pooled)))
        yield pooled - redrawn, redrawn


# In quotes, since the import of numpy.random takes 5 ms, and most checks draw nothing.
def _generator(counts: Counts, recent: int, seed: int, stream: int) -> "np.random.Generator":
    """A generator that is the same for the same counts.

    With one for all counts, the error of the drawn tail would be the same in all checks, and not cancel out over them.
    """
    return np.random.default_rng([seed, stream, recent, crc32(np.asarray(counts, dtype="<i8").tobytes())])


def redistributed_numbers(
    before: Counts, after: Counts, single_valued: tuple[bool, bool], seed: int = 0
) -> Iterator[Pair]:
    """`redistributed` for the bins of a numeric column: below the reference, its own bins, above it, missing.

    The outer bins depend on the outermost values of the reference, so they are made again in each draw: beyond the
    outermost reference row lie X recent rows, and X is geometric. `single_valued` says of the lowest and of the highest
    bin whether it holds one value only; then none of its rows lies beyond another.
    """
    high = len(before) - 2
    generator = _generator(before, int(after.sum()), seed, 1)
    for redrawn_before, redrawn_after in redistributed(_without_outer(before), _without_outer(after), seed):
        dealt_before = np.insert(redrawn_before, [0, high - 1], 0, axis=1)
        dealt_after = np.insert(redrawn_after, [0, high - 1], 0, axis=1)
        for outer, neighbour, single in ((0, 1, single_valued[0]), (high, high - 1, single_valued[1])):
            own = dealt_after[:, neighbour]
            share = own / np.maximum(own + dealt_before[:, neighbour], 1)
            with np.errstate(divide="ignore", invalid="ignore"):
                steps = np.floor(np.log(generator.random(len(share))) / np.log(share))
            steps = np.where(share >= 1, np.inf, np.where(share <= 0, 0.0, steps))
            moved = np.minimum(steps, np.minimum(own, after[outer]) if single else own).astype(np.int64)
            dealt_after[:, outer] = moved
            dealt_after[:, neighbour] -= moved
        yield dealt_before, dealt_after


def _without_outer(counts: Counts) -> Counts:
    """The outer bins have been added to their neighbours."""
    low, inner, high, missing = counts[:1], counts[1:-2].copy(), counts[-2:-1], counts[-1:]
    inner[:1] += low
    inner[-1:] += high
    return np.concatenate([inner, missing])


def redistributed_categories(
    before: Counts, after: Counts, rare: RareValues, most: int, seed: int = 0
) -> Iterator[Pair]:
    """`redistributed` for a categorical column: counts of values, then of rarer known values, new ones and the missing.

    The `most` values that are the most frequent ones of the reference have a bin each, and which these are, and which
    values are new, depends on the reference: both are decided again in each draw. A rare value is new if all its rows
    are recent ones. Each pair has a bin for each of these values, others, new ones and the missing.
    """
    total, recent = int((before + after).sum()), int(after.sum())
    generator = _generator(before, recent, seed, 1)
    new = _all_recent(rare.count, total, recent)
    likely = new > NEGLIGIBLE
    count, how_many, new = rare.count[likely], rare.how_many[likely], new[likely]
    for redrawn_before, redrawn_after in redistributed(_lumped(before), _lumped(after), seed):
        values_before, values_after = redrawn_before[:, :-2], redrawn_after[:, :-2]
        rare_before, rare_after = redrawn_before[:, -2], redrawn_after[:, -2]
        drawn = generator.binomial(how_many, new, size=(len(rare_after), len(count))) @ count / rare.sampled
        new_rare = np.minimum(rare_after, np.rint(drawn)).astype(np.int64)
        new_rows = new_rare + np.where(values_before == 0, values_after, 0).sum(axis=1)
        values_after = np.where(values_before == 0, 0, values_after)
        if values_before.shape[1] > most:
            frequent = np.argpartition(-values_before, most - 1, axis=1)[:, :most]
            rare_before = rare_before + values_before.sum(axis=1)
            rare_after = rare_after + values_after.sum(axis=1)
            values_before = np.take_along_axis(values_before, frequent, axis=1)
            values_after = np.take_along_axis(values_after, frequent, axis=1)
            rare_before = rare_before - values_before.sum(axis=1)
            rare_after = rare_after - values_after.sum(axis=1)
        nothing = np.zeros_like(new_rows)
        yield (
            np.column_stack([values_before, rare_before, nothing, redrawn_before[:, -1]]),
            np.column_stack([values_after, rare_after - new_rare, new_rows, redrawn_after[:, -1]]),
        )


def _lumped(counts: Counts) -> Counts:
    """Rarer known values and new ones in one bin."""
    return np.concatenate([counts[:-3], counts[-3:-2] + counts[-2:-1], counts[-1:]])


def _all_recent(count: Counts, total: int, recent: int) -> Floats:
    """The probability that all rows of a value that occurs so often are among the recent ones."""
    most = int(count.max(initial=0))
    steps = np.arange(min(most, 10_000))
    probability = np.cumprod(np.maximum(recent - steps, 0) / np.maximum(total - steps, 1))
    padded = np.concatenate([[1.0], probability])
    return np.asarray(padded[np.minimum(count, len(padded) - 1)])


def holm(chances: Sequence[float], tests: int) -> list[float]:
    """Each chance, in the order given, corrected for `tests` tests: the chance that any of them is as small.

    `tests` may be greater than the number of chances: the others count as 1. Holm, Scandinavian Journal of Statistics 6
    (1979).
    """
    corrected = [1.0] * len(chances)
    greatest = 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=lambda place: chances[place])):
        greatest = max(greatest, min(1.0, chances[place] * (tests - rank)))
        corrected[place] = greatest
    return corrected


def simes(chances: Sequence[float]) -> float:
    """The chance that the step-up procedure of Benjamini and Hochberg rejects anything, from all p-values of a family.

    Simes, Biometrika 73 (1986).
    """
    ascending = sorted(chances)
    return min((len(ascending) * p / rank for rank, p in enumerate(ascending, 1)), default=1.0)
