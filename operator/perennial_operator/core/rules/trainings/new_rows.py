"""Which rows have arrived since a time, by the reports that have measured them?"""

from __future__ import annotations

from datetime import datetime, timedelta

from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import UNSUCCESSFUL, ModelVersion, Trigger
from perennial_operator.core.drift_reports import about_drift
from perennial_operator.core.names import NEVER
from perennial_operator.core.rules.phases import FILES_UNCHANGED, NO_NEW_ROWS
from perennial_operator.core.world import World, plausible, unless_ahead

NO_ROWS = frozenset({Outcome.INVALID, Outcome.BAD_DATA})
"""Outcomes of reports whose rows are not worth a training."""
FEWEST_CHECKS = 2
"""A single check may have been wider than usual; where labels are late, waiting for another makes a model older."""
LATE = 1.5
"""Labels are late if they are so many times as old as the rows of a check: its rows may all have the time of a day."""
DAY = timedelta(days=1)
"""What the rows of a check take to come if they all have one time: it is most often the time of a day."""
SHARE_IF_LATE = 0.2
"""Of the growth: a model is as old as the labels and the time to the next training together."""


def rows_since(world: World, since: datetime) -> int:
    """How many rows newer than that the reports have measured; no row is counted twice."""
    return sum(_samples_since(world, since))


def growth_of(world: World) -> Trigger | None:
    """Why the rows have grown so much since the live version that a training is worth it, or None.

    Its weights may know newer rows than its models do; one check of rows that are new to both has to prove a fit.
    Versions of a trainer that does not report its history have no growth.
    """
    live, growth = world.live, world.spec.training.growth
    data = live.status.data if live else None
    if live is None or data is None or not growth or not data.history_rows:
        return None
    late = labels_are_late(world)
    growth, fewest = (growth * SHARE_IF_LATE, 1) if late else (growth, FEWEST_CHECKS)
    end = plausible(world, data.fitted_until or data.end)
    samples = _samples_since(world, max(end, _last_read(world, live, late))) if end else []
    if len(samples) < fewest or sum(samples) < growth * data.history_rows:
        return None
    refused = _newest_fit(world, live)
    if refused.spec.trigger.reason == "Drift" and _was_refused(refused) and len(_rows_after(world, refused)) < fewest:
        return None  # a candidate of growth proves less, and the alarm still asks for one of drift
    weighed, made = plausible(world, data.end), unless_ahead(world, live.metadata.creation_timestamp)
    if weighed and not rows_since(world, max(weighed, made)):
        return None
    message = (
        f"checks have measured {sum(samples)} rows newer than those of {live.name}, which was made from "
        f"{data.history_rows}; spec.training.growth is {world.spec.training.growth:g}"
        f"{f', and {growth:g} where labels come late' if late else ''}"
    )
    return Trigger(reason="Growth", message=message)


def labels_are_late(world: World) -> bool:
    """Whether the newest labels were older, when the live version was made, than the rows of a check take to come.

    Beside the newest rows that a check had measured by then, and not by the clock alone: a history may have ended long
    ago. Of the first version the clock and the rows after which the first check begins have to say so.
    """
    live = world.live
    end = plausible(world, live.status.data.end) if live and live.status.data else None
    if live is None or end is None:
        return False
    made = unless_ahead(world, live.metadata.creation_timestamp)
    checks = [
        (each, each.starts_at)
        for each in about_drift(world.reports)
        if each.scheduled_at > NEVER and each.outcome not in NO_ROWS and each.starts_at
    ]
    before = [each for each in checks if each[0].created_at <= made]
    if not checks:
        return False
    check, begin = before[-1] if before else checks[0]
    newest = check.measured_at if before else min(begin, made)
    return newest - end > LATE * (check.measured_at - begin or DAY)


def _last_read(world: World, live: ModelVersion, late: bool) -> datetime:
    """When a training last read the rows to fit a version that is, was or might have been live, if it could.

    Where labels come late, checks measure rows that no training knows yet; they do not ask for one twice, and those
    that came before a candidate was refused do not ask for another one: it would read the same rows.
    """
    fitted = _newest_fit(world, live, refused=late)
    read = (each for each in world.versions if each is fitted or each.status.reason in (NO_NEW_ROWS, FILES_UNCHANGED))
    return max(unless_ahead(world, each.metadata.creation_timestamp) for each in read)


def _newest_fit(world: World, live: ModelVersion, refused: bool = True) -> ModelVersion:
    """The newest version for which models were or might have been fitted that went live, or was refused."""
    asked = (each for each in reversed(world.versions) if each.asks_for_fits or each.has_fits)
    return next((each for each in asked if each.status.live_since or (refused and _was_refused(each))), live)


def _was_refused(version: ModelVersion) -> bool:
    """Whether it failed for what it is, and not by its surroundings."""
    return version.phase in UNSUCCESSFUL and version.status.surroundings is None


def _rows_after(world: World, version: ModelVersion) -> list[int]:
    """The rows of each report that has measured only rows that came after the version was made."""
    return _samples_since(world, unless_ahead(world, version.metadata.creation_timestamp))


def newest_check_rows(world: World) -> int | None:
    """How many rows the newest usable report of an own check has, about whichever version.

    A report that starts a training has no outcome yet when that begins, and is the first about a version that has just
    gone live.
    """
    started = {version.spec.trigger.drift_report for version in world.versions}
    usable = (
        each.samples
        for each in reversed(about_drift(world.reports))
        if each.scheduled_at > NEVER and each.outcome not in NO_ROWS and (each.outcome or each.name in started)
    )
    return next(usable, None)


def _samples_since(world: World, since: datetime) -> list[int]:
    """The rows of each report that has measured only newer ones than the reports before it.

    Where all rows of a check have the time of a day, the next check may measure the same ones.
    """
    samples = []
    for report in sorted(about_drift(world.reports), key=lambda each: (each.measured_at, -each.samples)):
        begin, end = report.starts_at, report.measured_at
        if begin and begin >= since and end > since and report.outcome not in NO_ROWS:
            samples.append(report.samples)
            since = end
    return samples
