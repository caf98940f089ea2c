"""A drift report as decisions use it: whole while it is open; once its outcome is final, only what they still need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from operator import attrgetter
from typing import Any, NamedTuple

from perennial_operator.core.api.drift_report import FINAL, OWN_SOURCE, DriftReport, Measurement, NotMeasured, Outcome
from perennial_operator.core.api.meta import Meta
from perennial_operator.core.api.parsing import BadObjectError, parse
from perennial_operator.core.names import NEVER, scheduled_at

MOST_AHEAD = timedelta(days=1)
"""How far ahead of the clock a time in data may be: clocks and time zones differ. A later one decides nothing."""
MICROSECOND = timedelta(microseconds=1)
CLOCKS_DIFFER = timedelta(minutes=10)
"""The operator's clock and the API server's, by which objects are created, may differ by so much."""

COPIES_WITHIN = timedelta(minutes=10)
"""A tool that measures another day may find the same numbers; one that writes a report twice does so at once."""
NOT_YET = datetime.max.replace(tzinfo=UTC)


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
    """Of a final one the cache keeps the values alone, packed: there are thousands of these."""

    name: str
    created_at: datetime
    measured_at: datetime
    """The end of its window, or when it was made if there is no window or it ends later."""
    starts_at: datetime | None
    """The start of its window; None without a window, or if it ends in the future."""
    samples: int
    about: str | None
    """The version that it, or its status, names."""
    outcome: Outcome | None
    message: str | None
    measurement_digest: bytes
    """Two reports with one digest about one version are the same measurement, as far as `same_within` allows."""
    scheduled_at: datetime
    """When the check that made it was due; NEVER if it was not made by a check."""
    extremes: tuple[Extreme, ...]
    """The smallest and the greatest measurement of each metric."""
    not_measured: tuple[NotMeasured, ...] = ()
    """The metrics of thresholds that it was assessed for and that it has no value of."""
    assessed_at: datetime = NOT_YET
    """When its first outcome was recorded; after those of before, whatever the clock says."""
    same_within: timedelta | None = None
    """How long after an earlier report equal numbers mean the same measurement; None without a limit."""
    waiting: int | None = None
    """How many of its rows wait for their label."""
    against: str | None = None
    """The version that was asked for the same rows; such a report says nothing about drift."""
    whole: DriftReport | None = None
    """None once its outcome is final."""


def values_of(report: Report) -> list[Any]:
    """A final report, without its name, as values of JSON and times."""
    return [
        report.created_at,
        report.measured_at,
        report.starts_at,
        report.scheduled_at,
        report.assessed_at,
        report.samples,
        report.about,
        report.outcome,
        report.message,
        report.measurement_digest.hex(),
        [[*extreme] for extreme in report.extremes],
        [[each.metric, each.reason] for each in report.not_measured],
        report.same_within and report.same_within // MICROSECOND,
        report.waiting,
        report.against,
    ]


def of_values(name: str, values: list[Any]) -> Report:
    """The report of this name with these values."""
    times: list[Any] = [each and datetime.fromisoformat(each) for each in values[:5]]
    created, measured, starts, scheduled, assessed = times
    samples, about, outcome, message, digest, extremes, not_measured, same_within, waiting, against = values[5:]
    return Report(
        name,
        created,
        measured,
        starts,
        samples,
        about,
        outcome and Outcome(outcome),
        message,
        bytes.fromhex(digest),
        scheduled,
        tuple([Extreme(*each) for each in extremes]),
        tuple([_not_measured(*each) for each in not_measured]),
        assessed,
        same_within and same_within * MICROSECOND,
        waiting,
        against,
    )


def is_final(body: Mapping[str, Any]) -> bool:
    """Whether the outcome of a DriftReport is final, so that it is not judged again."""
    status = body.get("status")
    outcome = status.get("outcome") if isinstance(status, Mapping) else None
    return isinstance(outcome, str) and outcome in FINAL


def report_of(body: Mapping[str, Any]) -> Report:
    """The DriftReport as a Report; BadObjectError if it is invalid."""
    report = parse(DriftReport, body)
    spec, status, created_at = report.spec, report.status, report.metadata.creation_timestamp
    return Report(
        name=body["metadata"]["name"],
        created_at=created_at,
        measured_at=_measured_at(report),
        starts_at=spec.window.start if spec.window and spec.window.start <= _measured_at(report) else None,
        samples=spec.samples,
        about=report.about or None,
        outcome=status.outcome,
        message=status.message,
        measurement_digest=_measurement_digest(report),
        scheduled_at=scheduled_at(report.metadata.labels),
        extremes=_extremes(spec.metrics),
        not_measured=tuple(status.not_measured or ()),
        same_within=None if spec.rows_digest or spec.window or spec.source == OWN_SOURCE else COPIES_WITHIN,
        assessed_at=_assessed_at(report),
        waiting=spec.waiting,
        against=spec.against.model_version if spec.against else None,
        whole=None if status.outcome in FINAL else report,
    )


def final_report(body: Mapping[str, Any]) -> Report:
    """A report whose outcome is final; of an invalid one little more than the outcome."""
    try:
        return report_of(body)
    except BadObjectError:
        meta = Meta.model_validate(body["metadata"])
        created_at, outcome = meta.creation_timestamp, Outcome(body["status"]["outcome"])
        return Report(meta.name, created_at, created_at, None, 0, None, outcome, None, b"", NEVER, (), (), created_at)


def about_drift(reports: Iterable[Report]) -> list[Report]:
    """Those reports, without the ones that compare a version with another on the rows that it answered."""
    return [report for report in reports if report.against is None]


def in_order(reports: list[Report]) -> tuple[Report, ...]:
    """Sorted by the time that was measured.

    A report that was created later than one that was assessed after it has the time of a clock that was wrong; it
    comes after those that were assessed before it.
    """
    assessed = sorted(reports, key=order_of_assessment)
    ahead, earliest = set[str](), NOT_YET
    for report in reversed(assessed):
        if report.created_at - earliest > CLOCKS_DIFFER:
            ahead.add(report.name)
        earliest = min(earliest, report.created_at)
    measured, last = dict[str, datetime](), NEVER
    for report in assessed:
        measured[report.name] = min(report.measured_at, last) if report.name in ahead else report.measured_at
        last = max(last, measured[report.name])
    return tuple(sorted(assessed, key=lambda report: measured[report.name]))


def order_of_assessment(report: Report) -> tuple[datetime, datetime, str]:
    """The key that sorts reports by their first outcome, and those without one, the newest, by their creation."""
    return report.assessed_at, report.created_at, report.name


def next_assessment(reports: Iterable[Report], now: datetime) -> datetime:
    """The time of a first outcome that is recorded now: after those of all reports, also if a clock was set back."""
    recorded = (each.assessed_at for each in reports if each.assessed_at < NOT_YET)
    last = max(recorded, default=NEVER)
    return now if last < now else last + timedelta(microseconds=1)


def _measured_at(report: DriftReport) -> datetime:
    """No report measures what comes after it: one with a window in the future must not be the newest until then."""
    written, window = report.metadata.creation_timestamp, report.spec.window
    return min(window.end, written) if window else written


def _assessed_at(report: DriftReport) -> datetime:
    """A report that an older release assessed does not say when; it was before any that has no outcome."""
    earliest = report.metadata.creation_timestamp if report.status.outcome else NOT_YET
    return report.status.assessed_at or earliest


def _measurement_digest(report: DriftReport) -> bytes:
    """Of the rows if their digest is known, else of the window and the numbers."""
    window = report.spec.window
    if report.spec.rows_digest:
        against = report.spec.against.model_version if report.spec.against else ""
        return blake2b(f"{against}{report.spec.rows_digest}".encode(), digest_size=16).digest()
    span = window and (window.start.timestamp(), window.end.timestamp())
    metrics = [(m.name, m.feature, m.value, m.standard_error) for m in report.spec.metrics]
    return blake2b(repr((span, report.spec.samples, metrics)).encode(), digest_size=16).digest()


def _extremes(metrics: list[Measurement]) -> tuple[Extreme, ...]:
    by_name: dict[str, list[Measurement]] = {}
    for metric in metrics:
        by_name.setdefault(metric.name, []).append(metric)
    by_value = attrgetter("value")
    ends = [end for each in by_name.values() for end in (min(each, key=by_value), max(each, key=by_value))]
    extremes = [Extreme(m.name, m.feature, m.value, m.standard_error) for m in ends]
    return tuple(dict.fromkeys(extremes))


@lru_cache(maxsize=1024)  # most reports of a model lack the same metrics
def _not_measured(metric: str, reason: str | None) -> NotMeasured:
    return NotMeasured(metric=metric, reason=reason)
