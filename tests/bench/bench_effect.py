"""What the loop recovers on streams that drift, and costs on streams that do not: `python -m tests.bench.bench_effect`.

Each stream is played by `kubectl perennial backtest`'s code, with its manifest as it is, once with all labels known and
once with those of the newest three batches unknown. Beside it: the first version kept (never), refitted after each batch
(always), after every fifth batch, after a PSI above 0.2, and after an alarm of ADWIN on the loss. `recovery` is the share
of what `always` wins over `never`; with late labels, of what it wins when they are not late.

The last line is JSON. Mean and minimum are over the streams without `ctl-` in which `always` wins at least 5 %; so are
trainings (as a share of the batches), late labels and CPU. `false_alarms` are trainings because of drift in controls,
`control_loss` is the worst loss of a control over that of `never`, minus 1. `cpu_over_always` is about the CPU seconds
of fits alone: of candidates, windows, searches, refits and challengers. Each stream is played in an empty cache, so that
no fit is left out.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from kubectl_perennial.simulation.backtest import Result
from kubectl_perennial.simulation.history import Timeline, cut
from kubectl_perennial.simulation.loop import play
from kubectl_perennial.simulation.played import VERSION, Played
from kubectl_perennial.simulation.reference import Reference, reference_of, refits_of
from perennial_operator import __version__
from tests.bench.alarm_peers import environment
from tests.bench.bench_drift import machine
from tests.bench.effect_peers import Adwin, History, above_psi, best, every_fifth
from tests.bench.effect_streams import Stream, read_streams, write_shipped, write_synthetic

LATE = 3
"""Batches until a label is known, in the second play."""
LEAST_GAIN = 0.05
DRIFT = "Drift"
"""Why a training began."""


@dataclass(frozen=True)
class Row:
    """One policy on one stream; `trainings` is a share of the batches."""

    policy: str
    loss: float
    recovery: float | None
    trainings: float


@dataclass(frozen=True)
class Effect:
    """One stream."""

    name: str
    is_control: bool
    batches: int
    gain: float
    """What always-retraining wins, as a share of the loss of the first version."""
    rows: tuple[Row, ...]
    late_minus_always: float | None
    false_alarms: int
    excess: float
    """The loss over that of the first version, minus 1."""
    cpu: float
    always_cpu: float
    stalled_at: tuple[int | None, int | None]
    """Without and with late labels."""

    @property
    def ours(self) -> Row:
        return self.rows[0]

    @property
    def counts(self) -> bool:
        """Whether there is something to recover."""
        return not self.is_control and self.gain >= LEAST_GAIN


class FitClock:
    """The CPU seconds of fits."""

    seconds = 0.0


@contextmanager
def fit_clock() -> Iterator[FitClock]:
    """All fits of pipelines in this process are measured, those of a search among them; one inside another once."""
    clock, original, running = FitClock(), Pipeline.fit, False

    @functools.wraps(original)
    def measured(self: Pipeline, *arguments: Any, **options: Any) -> Any:
        nonlocal running
        if running:
            return original(self, *arguments, **options)
        running, began = True, time.process_time()
        try:
            return original(self, *arguments, **options)
        finally:
            clock.seconds += time.process_time() - began
            running = False

    Pipeline.fit = measured
    try:
        yield clock
    finally:
        Pipeline.fit = original


def measure(stream: Stream, river: str | None = None) -> Effect:
    """All policies on the stream; `river` is the Python that has it."""
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name)
        with fit_clock() as clock:
            played = _play(stream, 0, cache)
        result, late = (
            Result(each, _reference(stream, batches, cache), None)
            for batches, each in ((0, played), (LATE, _play(stream, LATE, cache)))
        )
    never, gain, count = result.first_loss, result.first_loss - result.always_loss, len(played.losses)

    def row(policy: str, loss: float, trainings: float) -> Row:
        return Row(policy, loss, (never - loss) / gain if gain > 0 else None, trainings / count)

    return Effect(
        name=stream.name,
        is_control=stream.is_control,
        batches=count,
        gain=gain / never,
        rows=(
            row("perennial", played.loss, played.trainings),
            row("never", never, 0),
            row("always", result.always_loss, count),
            *(row(policy, *result_of) for policy, result_of in _peers(stream, result.reference, river).items()),
            row(f"perennial, {LATE} late", late.played.loss, late.played.trainings),
            row(f"always, {LATE} late", late.always_loss, count),
        ),
        late_minus_always=(late.always_loss - late.played.loss) / gain if gain > 0 else None,
        false_alarms=len(_trained_by_drift(played)) if stream.is_control else 0,
        excess=played.loss / never - 1,
        cpu=clock.seconds,
        always_cpu=result.reference.always_cpu,
        stalled_at=(played.stalled_at, late.played.stalled_at),
    )


def _timeline(stream: Stream, late: int) -> Timeline:
    return cut(stream.history, stream.every, late)


def _play(stream: Stream, late: int, cache: Path) -> Played:
    return play(stream.manifest, _timeline(stream, late), stream.first, cache)


def _reference(stream: Stream, late: int, cache: Path) -> Reference:
    return reference_of(stream.manifest, _timeline(stream, late), stream.first, cache)


def _peers(stream: Stream, reference: Reference, river: str | None) -> dict[str, tuple[float, int]]:
    """Simple policy → its loss and its trainings."""
    timeline = _timeline(stream, 0)
    history = History(timeline, reference, refits_of(stream.manifest, timeline, stream.first))
    results = {"every fifth batch": best(every_fifth, history), "PSI > 0.2": best(above_psi, history)}
    if river:
        with Adwin(river) as adwin:
            results["ADWIN on the loss"] = best(adwin, history)
    return results


def _trained_by_drift(played: Played) -> set[str]:
    versions = [event for event in played.events if event.kind == VERSION and event.state == "Training"]
    return {event.name for event in versions if event.reason == DRIFT}


def summary(effects: Sequence[Effect]) -> dict[str, float | int | None]:
    """The last line; a value is None if there is no stream that it is about."""
    drifting = [each for each in effects if each.counts]
    controls = [each for each in effects if each.is_control]
    recoveries = [each.ours.recovery for each in drifting if each.ours.recovery is not None]
    late = [each.late_minus_always for each in drifting if each.late_minus_always is not None]
    cpu, always = sum(each.cpu for each in drifting), sum(each.always_cpu for each in drifting)
    values = {
        "mean_recovery": np.mean(recoveries) if recoveries else None,
        "min_recovery": min(recoveries, default=None),
        "mean_trainings": np.mean([each.ours.trainings for each in drifting]) if drifting else None,
        "false_alarms": sum(each.false_alarms for each in controls) if controls else None,
        "late_minus_always": np.mean(late) if late else None,
        "control_loss": max((each.excess for each in controls), default=None),
        "cpu_over_always": cpu / always if always else None,
        "streams": len(effects),
    }
    return {
        name: value if value is None or isinstance(value, int) else round(float(value), 4)
        for name, value in values.items()
    }


def lines(effect: Effect) -> Iterator[str]:
    """A row per policy."""
    for row in effect.rows:
        recovery = "" if row.recovery is None else f"{row.recovery:9.1%}"
        yield f"{effect.name:16} {row.policy:18} {row.loss:12.5g} {recovery:>9} {row.trainings:9.1%}"
    notes = [f"{effect.batches} batches, gain {effect.gain:.1%}"]
    notes.append(f"fits {effect.cpu:.2f} CPU s, those of always {effect.always_cpu:.2f}")
    if effect.is_control:
        notes.append(f"control, {effect.false_alarms} trainings because of drift")
    labels = ("", f" with labels {LATE} batches late")
    notes += [
        f"stalled at batch {at}{text}" for at, text in zip(effect.stalled_at, labels, strict=True) if at is not None
    ]
    yield f"{effect.name:16} {'; '.join(notes)}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--streams", type=Path, help="a folder with NAME.yaml beside NAME.parquet; default: those shipped"
    )
    parser.add_argument("--only", nargs="*", help="names of streams")
    parser.add_argument("--seed", type=int, default=0, help="of the synthetic streams")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--quick", action="store_true", help="one small synthetic stream, without ADWIN")
    options = parser.parse_args()
    print(f"perennial {__version__}; ", end="")
    machine(None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        streams = chosen(options, folder)
        river = None if options.quick else environment("river", folder)
        if river:
            with Adwin(river) as adwin:
                print(f"river {adwin.version}")
        print(f"{'stream':16} {'policy':18} {'loss':>12} {'recovery':>9} {'trainings':>9}", flush=True)
        print(json.dumps(summary(list(shown(streams, river, options.jobs)))))


def chosen(options: argparse.Namespace, folder: Path) -> list[Stream]:
    if options.quick:
        write_synthetic(folder, "abrupt", options.seed, batches=18, rows=100)
    elif options.streams is None:
        write_shipped(folder, options.seed)
    streams = read_streams(options.streams or folder)
    return [each for each in streams if not options.only or each.name in options.only]


def shown(streams: Sequence[Stream], river: str | None, jobs: int) -> Iterator[Effect]:
    """Each stream is printed when it is measured; each in a process, so that CPU seconds are its own."""
    with multiprocessing.Pool(min(jobs, len(streams)), maxtasksperchild=1) as pool:
        for effect in pool.imap(functools.partial(measure, river=river), streams, chunksize=1):
            print("\n".join(lines(effect)), flush=True)
            yield effect


if __name__ == "__main__":
    main()
