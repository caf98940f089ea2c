"""A backtest as plain fields."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

from kubectl_perennial.simulation.backtest import Backtest, Result
from kubectl_perennial.simulation.manifest import span_text
from kubectl_perennial.simulation.played import CHECK, Event, Floats, Span
from perennial_operator.core.api.values import as_text

Body = dict[str, Any]
NOT_KNOWN = (
    "what served at that time, and whether its predictions changed what happened next",
    "how the data looked at that time, if rows were corrected or came later",
    "how long Jobs and pods would have taken: here they end and are ready at once",
)


def backtest_fields(backtest: Backtest) -> Body:
    """All that the table and the page show."""
    timeline, plan = backtest.timeline, backtest.plan
    unknown = [*NOT_KNOWN, *dict.fromkeys(each for result in backtest.results for each in result.played.unknown)]
    return {
        "rows": len(timeline.history),
        "batches": len(timeline.batches),
        "every": span_text(plan.every),
        "first": backtest.first,
        "labelsLate": span_text(plan.labels_late),
        "start": as_text(timeline.batches[0].end),
        "end": as_text(timeline.batches[-1].end),
        "metric": backtest.results[0].played.metric,
        "reading": list(timeline.history.notes),
        "policies": [_policy(result) for result in backtest.results],
        "unknown": unknown,
    }


def _policy(result: Result) -> Body:
    played, reference = result.played, result.reference
    known = [delay for delay in result.delays if delay is not None]
    return {
        "title": played.title,
        "loss": _number(played.loss),
        "firstLoss": _number(result.first_loss),
        "alwaysLoss": _number(result.always_loss),
        "alwaysWindow": reference.always_window,
        "hindsightLoss": _number(reference.hindsight()),
        "hindsightLossSameTrainings": _number(reference.hindsight(played.trainings)),
        "recovery": _number(result.recovery),
        "trainings": played.trainings,
        "reweighings": played.reweighings,
        "promotions": played.promotions,
        "rejections": played.rejections,
        "alarms": len(played.alarms),
        "alarmsShuffled": len(result.shuffled.alarms) if result.shuffled else None,
        "checks": played.runs.get("check", 0),
        "drifts": len(result.delays),
        "driftsWithoutAlarm": len(result.delays) - len(known),
        "delay": median(known) if known else None,
        "stalledSince": None if played.stalled_at is None else played.stalled_at + 1,
        "cpuSeconds": {kind: round(seconds, 3) for kind, seconds in sorted(played.cpu.items())},
        "alwaysCpuSeconds": round(reference.always_cpu, 3),
        "losses": [
            {"batch": played.first + number + 1, "loss": live, "first": first, "always": always}
            for number, (live, first, always) in enumerate(
                zip(*map(_list, (played.losses, reference.first, reference.always)), strict=True)
            )
        ],
        "versions": [_version(span) for span in played.spans],
        "timeline": [_event(event) for event in played.events],
    }


def _version(span: Span) -> Body:
    until = {"until": as_text(span.until)} if span.until else {}
    return {"name": span.version, "since": as_text(span.since), **until}


def _event(event: Event) -> Body:
    return {
        "time": as_text(event.at),
        "batch": event.batch + 1,
        "kind": "DriftReport" if event.kind == CHECK else "ModelVersion",
        "name": event.name,
        "state": event.state,
        **({"reason": event.reason} if event.reason else {}),
        "message": event.message,
    }


def _list(losses: Floats) -> list[float | None]:
    return [_number(float(loss)) for loss in losses]


def _number(value: float | None) -> float | None:
    """Null without a finite value: JSON has no NaN."""
    return None if value is None or not math.isfinite(value) else value
