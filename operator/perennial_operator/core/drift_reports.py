"""What is known of a drift report? All while it is open; once its outcome stands, what later decisions rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from operator import attrgetter
from sys import intern
from typing import Any, NamedTuple

from perennial_operator.core.api.drift_report import FINAL, DriftReport, Measurement, Outcome
from perennial_operator.core.api.meta import Meta
from perennial_operator.core.api.parsing import BadObjectError, parse
from perennial_operator.core.names import NEVER, scheduled_at


class Extreme(NamedTuple):
    """The smallest or the greatest measurement of a metric."""

    name: str
    feature: str | None
    value: float
    standard_error: float | None

    @property
    def measurement(self) -> Measurement:
        return Measurement(**self._asdict())


@dataclass(frozen=True, slots=True)
class Report:
    """A drift report as decisions see it. Thousands of them are kept: each is a few hundred bytes."""

    name: str
    made_at: datetime
    measured_at: datetime
    """The end of its window, or else when it was made."""
    about: str | None
    """The version that it, or its status, names."""
    outcome: Outcome | None
    message: str | None
    mark: bytes
    """Digest of what was measured; two reports of one mark about one version are the same measurement."""
    scheduled_at: datetime
    """When the check was due that made it; NEVER if none did."""
    extremes: tuple[Extreme, ...]
    """The smallest and the greatest measurement of each metric."""
    whole: DriftReport | None = None
    """None once its outcome stands."""


def is_judged(body: Mapping[str, Any]) -> bool:
    """Whether the outcome of a DriftReport stands; it is not looked at again."""
    status = body.get("status")
    outcome = status.get("outcome") if isinstance(status, Mapping) else None
    return isinstance(outcome, str) and outcome in FINAL


def report_of(body: Mapping[str, Any]) -> Report:
    """The report that a DriftReport is; BadObjectError if it cannot be read."""
    report = parse(DriftReport, body)
    spec, status, made_at = report.spec, report.status, report.metadata.creation_timestamp
    return Report(
        name=report.name,
        made_at=made_at,
        measured_at=spec.window.end if spec.window else made_at,
        about=intern(report.about) if report.about else None,
        outcome=status.outcome,
        message=status.message,
        mark=_mark(report),
        scheduled_at=scheduled_at(report.metadata.labels),
        extremes=_extremes(spec.metrics),
        whole=None if status.outcome in FINAL else report,
    )


def judged(body: Mapping[str, Any]) -> Report:
    """A report whose outcome stands; of one that could not be read little more than that."""
    try:
        return report_of(body)
    except BadObjectError:
        meta = Meta.model_validate(body["metadata"])
        made_at, outcome = meta.creation_timestamp, Outcome(body["status"]["outcome"])
        return Report(meta.name, made_at, made_at, None, outcome, None, b"", NEVER, ())


def in_order(reports: list[Report]) -> tuple[Report, ...]:
    """By the time that was measured."""
    return tuple(sorted(reports, key=lambda report: (report.measured_at, report.made_at, report.name)))


def _mark(report: DriftReport) -> bytes:
    window = report.spec.window
    span = window and (window.start.timestamp(), window.end.timestamp())
    metrics = [(m.name, m.feature, m.value, m.standard_error) for m in report.spec.metrics]
    return blake2b(repr((span, report.spec.samples, metrics)).encode(), digest_size=16).digest()


def _extremes(metrics: list[Measurement]) -> tuple[Extreme, ...]:
    by_name: dict[str, list[Measurement]] = {}
    for metric in metrics:
        by_name.setdefault(metric.name, []).append(metric)
    by_value = attrgetter("value")
    ends = [end for each in by_name.values() for end in (min(each, key=by_value), max(each, key=by_value))]
    extremes = [Extreme(intern(m.name), m.feature, m.value, m.standard_error) for m in ends]
    return tuple(dict.fromkeys(extremes))
