"""The policies that `--suggest` tries: the manifest as it is, and a handful of changes of when it retrains."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from kubectl_perennial.simulation.history import START, Timeline
from kubectl_perennial.simulation.manifest import Body, Manifest, checked, span_text
from perennial_operator.core.api.metric_table import METRICS_BY_NAME
from perennial_operator.core.api.values import first_fire_after

AS_IT_IS = "as it is"
LOSS = {"regression": "mse", "classification": "log_loss"}
INCREASE, SIGMAS = 0.05, 3
MOST = 100
"""What the API allows of maxIncrease, sigmas and growth."""
BATCHES = 5
"""How many batches a schedule waits."""
SCHEDULES = ("* * * * *", "0 * * * *", "0 */6 * * *", "0 0 * * *", "0 0 * * 0", "0 0 1 * *", "0 0 1 */3 *")


def candidates_of(manifest: Manifest, timeline: Timeline, every: int | timedelta) -> list[Manifest]:
    """The policies, the manifest itself first; none is there twice."""
    policies = [replace(manifest, label=AS_IT_IS)]
    for label, spec in _changes(manifest, timeline, every):
        if not spec["training"] and "training" not in manifest.spec:
            del spec["training"]
        body = {**manifest.body, "spec": spec}
        if all(body != policy.body for policy in policies):
            policies.append(checked(Manifest(body, label, manifest.text), label))
    return policies


def _changes(manifest: Manifest, timeline: Timeline, every: int | timedelta) -> Iterator[tuple[str, Body]]:
    """A label and a spec each."""
    drift, timed = _by_loss(manifest, timeline, every), "timeColumn" in manifest.spec["data"]
    yield "by its loss", dict(drift)
    yield "sensitive", _scaled(drift, Sensitivity(0.5, 2 / 3, 0.5, 0.4))
    yield "less sensitive", _scaled(drift, Sensitivity(2, 4 / 3, 2, 2))
    if timed and drift["training"].get("growth") != 0:
        yield "without growth", _with(drift, training={"growth": 0})
    if timed:
        refit = drift["training"].get("refit", True)
        yield "without refit" if refit else "with refit", _with(drift, training={"refit": not refit})
    quiet = {**manifest.spec, "training": {**drift["training"], **({"growth": 0} if timed else {})}}
    if "drift" in quiet:
        quiet = _with(quiet, drift={"mode": "Report"})
    schedule = nearest_schedule(_lasts(timeline) * BATCHES)
    yield "also by schedule", _with(drift, training={"schedule": schedule})
    yield "by schedule alone", _with(quiet, training={"schedule": schedule})
    yield "never", quiet


@dataclass(frozen=True)
class Sensitivity:
    """By how much each limit changes."""

    increase: float
    sigmas: float
    regret: float
    growth: float


def _scaled(spec: Body, by: Sensitivity) -> Body:
    spec = copy.deepcopy(spec)
    for threshold in spec["drift"]["thresholds"]:
        for field, factor in (("maxIncrease", by.increase), ("sigmas", by.sigmas)):
            if field in threshold:
                threshold[field] = _plain(min(threshold[field] * factor, MOST))
    if "timeColumn" in spec["data"]:
        challenger = dict(spec["drift"].get("challenger") or {})
        if challenger.get("enabled", True):
            challenger["maxRegret"] = _plain(min(challenger.get("maxRegret", 0.4) * by.regret, MOST))
            spec["drift"]["challenger"] = challenger
        if growth := spec["training"].get("growth", 0.25):
            spec["training"]["growth"] = _plain(min(growth * by.growth, MOST))
    return spec


def _plain(number: float) -> float | int:
    """With three digits, as a person would write it."""
    rounded = float(f"{number:.3g}")
    return int(rounded) if rounded == int(rounded) else rounded


def _by_loss(manifest: Manifest, timeline: Timeline, every: int | timedelta) -> Body:
    """The spec with a drift check and with limits on the model's quality alone: neither on features nor a schedule."""
    spec: Body = copy.deepcopy(dict(manifest.spec))
    drift = dict(spec.get("drift") or {})
    given = drift.get("thresholds") or ()
    quality = [each for each in given if each["metric"] in METRICS_BY_NAME and _is_quality(each["metric"])]
    loss = {"metric": LOSS[spec["model"].get("task", "regression")], "maxIncrease": INCREASE, "sigmas": SIGMAS}
    drift["thresholds"] = quality or [loss]
    if not drift.get("check"):
        schedule = nearest_schedule(_lasts(timeline))
        drift["check"] = {
            "schedule": schedule,
            "data": copy.deepcopy(spec["data"]["training"]),
            "window": span_text(every),
        }
    if drift.get("mode") == "Report":
        drift["mode"] = "Train"
    training = {name: value for name, value in (spec.get("training") or {}).items() if name != "schedule"}
    return {**spec, "drift": drift, "training": training}


def _is_quality(metric: str) -> bool:
    return METRICS_BY_NAME[metric].kind == "quality"


def _with(spec: Body, **sections: Mapping[str, Any]) -> Body:
    return {**spec, **{name: {**spec[name], **fields} for name, fields in sections.items()}}


def _lasts(timeline: Timeline) -> timedelta:
    """How long a batch lasts, on the average."""
    first, last = timeline.batches[0], timeline.batches[-1]
    return (last.end - first.end) / (len(timeline.batches) - 1)


def nearest_schedule(interval: timedelta) -> str:
    """The cron schedule whose interval is the nearest, as a ratio."""

    def distance(schedule: str) -> float:
        fire = first_fire_after(schedule, START)
        return abs(math.log((first_fire_after(schedule, fire) - fire) / max(interval, timedelta(seconds=1))))

    return min(SCHEDULES, key=distance)
