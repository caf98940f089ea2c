"""How often a drift check alarms without drift, and how often it sees a shift: `python -m tests.bench.bench_alarms`.

A cell is a kind of column, a number of recent rows and a number of features that are all compared by one statistic; each
of its draws is a reference and recent rows of one distribution. An alarm is a feature whose statistic exceeds its limit
and whose corrected chance is at most 0.5 %, as the operator judges it. Each statistic is tried with its customary limit
and with `max: 0`, where the chance alone decides. Of the equal features of a draw, the two with the greatest statistic are
asked for their chance: Holm's first step is about the smallest chance, and theirs are the smallest. A reference serves one
draw of one feature, 2 of 10 features, and 4 of 100: draws that share a reference depend on each other.

Beside it, in the same run, the defaults of Evidently and NannyML on equal draws, each in an environment of its own. Where
they alarm in more than 1 % of the draws without drift, their limit is raised until they do not, and then they are asked for
shifts. `--draws N` makes it shorter; fewer than 2,000 draws do not measure 1 %. `--features` leaves cells out.

Of some hundred shares of 0.5 % that 2,000 draws measure, some are 1 % by chance: a cell with more than 0.8 % gets twice as
many further draws, and all of them count. `--resume FILE` takes what an interrupted run of the same code has printed there.
"""

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from scipy.signal import lfilter

from perennial_trainer.contract.metric_table import CHANCE_LEVEL
from perennial_trainer.drift.chances.column import chance_of_value
from perennial_trainer.drift.column_drift import column_statistics
from perennial_trainer.drift.histogram import Histogram, NumericHistogram
from perennial_trainer.drift.judged import chance_of_significant
from perennial_trainer.drift.statistics import significant_share
from perennial_trainer.profiling.columns import profile_numbers
from tests.bench.alarm_cells import Cell, Shares, line_start, printed, shown
from tests.bench.alarm_columns import Categories, Drawn, Kind, Numbers
from tests.bench.alarm_peers import alarms_of_peers

SIZES = (100, 1000, 10_000, 100_000)
FEATURES = (1, 10, 100)
DRAWS_OF_REFERENCE = {1: 1, 10: 2, 100: 4}
SHIFTS = (0.1, 0.25, 0.5)
LIMITS = {
    "psi": 0.2, "js": 0.1, "ks": 0.1, "wasserstein": 0.1, "ks_p": 0.05, "chi2_p": 0.05, "new_share": 0.01,
    "significant_share": 0.5, "drifted_share": 0.5, "prediction_psi": 0.2,
}  # fmt: skip
SMALL = {"ks_p", "chi2_p"}  # the smaller, the more drift: `max: 0` is `min: 1`
KINDS: dict[str, Kind] = {
    "normal": Numbers(stats.norm()),
    "heavy-tailed": Numbers(stats.lognorm(1.5)),
    "whole numbers": Numbers(stats.poisson(3)),
    **{f"{n} categories": Categories(n) for n in (5, 50, 200)},
}
OF_SEVERAL = ("normal", "heavy-tailed", "5 categories", "200 categories")  # the extremes, since these draws take long
OF_SEVERAL_SIZES = (100, 1000, 100_000)
STREAMS = ("autocorrelated", "seasonal")
HOLDOUTS = (40, 200, 2000)  # rows whose predictions are the reference of prediction_psi
DETECTED = ("normal", 1000, 0.25)
DOUBTFUL = 0.008  # false alarms, from which on a cell is drawn further


def measured(task: tuple[Cell, Shares | None]) -> tuple[Shares, int]:
    """The shares of a cell, some of whose draws may be known, and of how many draws they are."""
    cell, known = task
    shares = known or alarms(cell)
    if cell.kind not in KINDS or cell.shift or max(shares.values()) <= DOUBTFUL:
        return shares, cell.draws
    further = alarms(cell._replace(draws=2 * cell.draws), 1)  # other draws than the first ones
    return {key: (shares[key] + 2 * further[key]) / 3 for key in shares}, 3 * cell.draws


def alarms(cell: Cell, *seed_of_part: int) -> Shares:
    """By statistic and limit, the share of the draws that alarm."""
    seed = [*map(ord, cell.kind), cell.rows, cell.features, int(cell.shift * 100), cell.reference, *seed_of_part]
    generator = np.random.default_rng(seed)
    if cell.kind in STREAMS:
        raised = [judged([Stream(generator, cell)], 0) for _ in range(cell.draws)]
    else:
        kind, each = KINDS[cell.kind], DRAWS_OF_REFERENCE[cell.features]
        raised = []
        for start in range(0, cell.draws, each):
            samples = min(each, cell.draws - start)
            features = [
                kind.drawn(generator, cell.reference, cell.rows, samples, cell.shift) for _ in range(cell.features)
            ]
            raised += [judged(features, sample) for sample in range(samples)]
    return {key: float(np.mean([each[key] for each in raised])) for key in raised[0]}


class Check:
    """One check: several features, of each the recent rows and the reference."""

    def __init__(self, features: list[Drawn], sample: int) -> None:
        self.features, self.sample = features, sample
        self._histograms: dict[int, Histogram] = {}
        self._values: dict[int, dict[str, float]] = {}

    def greatest(self, name: str) -> list[int]:
        """The two features of the greatest statistic."""
        values = [each.statistics[name][self.sample] for each in self.features]
        return sorted(range(len(values)), key=lambda place: values[place], reverse=True)[:2]

    def value(self, name: str, place: int) -> float | None:
        if place not in self._values:
            self._histograms[place] = self.features[place].histogram(self.sample)
            self._values[place] = column_statistics(self._histograms[place], 0)
        return self._values[place].get(name)

    def chance_of_significant(self, p_values: list[float]) -> float:
        name = "ks_p" if "ks_p" in self.features[0].statistics else "chi2_p"
        rare = [place for place, p_value in enumerate(p_values) if name == "chi2_p" and p_value <= CHANCE_LEVEL]
        columns = {str(place): self.features[place].histogram(self.sample) for place in rare}
        return chance_of_significant({str(place): {name: each} for place, each in enumerate(p_values)}, columns, 0)

    def chance(self, name: str, value: float, place: int) -> float | None:
        return chance_of_value(name, value, self._histograms[place], 0, CHANCE_LEVEL / len(self.features))


def judged(features: list[Drawn], sample: int) -> dict[tuple[str, str], bool]:
    """Whether each statistic alarms, by either limit."""
    check, raised = Check(features, sample), {}
    for name in features[0].statistics:
        customary, zero = _alarms(check, name)
        raised |= {(name, "customary"): customary, (name, "0"): zero}
    p_values = [float(each.p_values[sample]) for each in features]
    share, is_rare = significant_share(p_values), check.chance_of_significant(p_values) <= CHANCE_LEVEL
    raised |= {
        ("significant_share", "customary"): share > LIMITS["significant_share"] and is_rare,
        ("significant_share", "0"): share > 0 and is_rare,
        ("drifted_share", "0"): raised["psi", "customary"],  # some feature is beyond 0.2 and is_rare chance
    }
    return raised


def _alarms(check: Check, name: str) -> tuple[bool, bool]:
    """Whether the statistic alarms with its customary limit, and with `max: 0`."""
    customary = zero = False
    for place in check.greatest(name):
        value = check.value(name, place)
        if value is None or not (value < 1 if name in SMALL else value > 0):
            continue
        chance = check.chance(name, value, place)
        corrected = 0.0 if chance is None else chance * len(check.features)
        if corrected <= CHANCE_LEVEL:
            zero = True
            customary |= value < LIMITS[name] if name in SMALL else value > LIMITS[name]
        if corrected > 10 * CHANCE_LEVEL or customary:
            break  # the second will hardly be rarer
    return customary, zero


class Stream:
    """A series whose neighbouring rows depend on each other, so that reference and recent rows are not exchangeable."""

    def __init__(self, generator: np.random.Generator, cell: Cell) -> None:
        self._profile = profile_numbers(self._values(generator, cell.kind, cell.reference), 1000)
        self._recent = NumericHistogram(self._profile)
        self._recent.add(self._values(generator, cell.kind, cell.rows))
        values = column_statistics(self._recent, 0)
        self.statistics = {name: np.array([values[name]]) for name in ("psi", "js", "ks", "ks_p", "wasserstein")}
        self.p_values = np.array([values["ks_p"]])

    @staticmethod
    def _values(generator: np.random.Generator, kind: str, size: int) -> Any:
        """A sine plus noise, or an autoregression whose n rows tell as much as n / 19 exchangeable ones."""
        if kind == "seasonal":
            return np.sin(generator.uniform(0, 2 * np.pi) + np.arange(size) / 200) + generator.normal(size=size)
        noise = generator.normal(size=size + 200) * np.sqrt(1 - 0.9**2)
        return lfilter([1.0], [1.0, -0.9], noise)[200:]

    def histogram(self, sample: int) -> Histogram:
        return self._recent


def cells(draws: int, features: tuple[int, ...]) -> Iterator[Cell]:
    """Without drift: every kind, the predictions against small holdouts, and streams; then shifts; then more features."""
    yield from (Cell(kind, rows, 1, draws) for kind in KINDS for rows in SIZES)
    yield from (Cell("normal", rows, 1, draws, 0.0, holdout) for holdout in HOLDOUTS for rows in SIZES[:3])
    fewer = max(100, draws // 20)
    yield from (Cell(kind, rows, 1, fewer) for kind in STREAMS for rows in SIZES)
    yield from (Cell(kind, rows, 1, fewer, shift) for kind in KINDS for rows in SIZES for shift in SHIFTS)
    several = [each for each in features if each > 1]
    yield from (Cell(kind, rows, each, draws) for each in several for kind in OF_SEVERAL for rows in OF_SEVERAL_SIZES)


def machine() -> None:
    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pandas"))
    print(
        f"{models[0] if models else platform.processor()} x {os.cpu_count()}, Python {platform.python_version()}, {libraries}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--features", type=int, nargs="*", default=FEATURES, choices=FEATURES)
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--resume", type=Path)
    options = parser.parse_args()
    machine()
    started, worst, detected = time.monotonic(), 0.0, None
    print(
        f"{'column':16} {'reference':>9} {'rows':>8} {'features':>8} {'shift':>6}  share of draws with an alarm: customary limit, max: 0"
    )
    asked = list(cells(options.draws, tuple(options.features)))
    known = printed(options.resume.read_text()) if options.resume else {}
    with multiprocessing.Pool(2) as pool:
        tasks = [(cell, known.get(line_start(cell))) for cell in asked]
        for cell, (shares, draws) in zip(asked, pool.imap(measured, tasks), strict=True):
            print(shown(cell, shares) + (f" ({draws:,} draws)" if draws > cell.draws else ""), flush=True)
            if cell.kind in KINDS and not cell.shift:
                worst = max(worst, *shares.values())
            if cell[:2] + cell[4:5] == DETECTED:
                detected = shares["ks", "0"]
    summary: dict[str, Any] = {"false_alarms_worst": worst, "draws": options.draws, "detected_025_at_1000": detected}
    if options.peers:
        with tempfile.TemporaryDirectory() as folder:
            summary |= alarms_of_peers(Path(folder), options.draws)
    print(f"{time.monotonic() - started:.0f} s")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
