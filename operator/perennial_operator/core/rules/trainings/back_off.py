"""From when may the next training start, why not before, and what ends the pause sooner?

| the newest candidate | pause | ends sooner |
| --- | --- | --- |
| went live or was superseded | the cool-down | by a person or another spec |
| failed or was rejected | the longer of cool-down and check interval, doubled each time | also by new rows |
| was refused for its files before a version is live | a minute, doubled each time, to the cool-down | by a person |
| was stopped by its surroundings | the cool-down, doubled each time | also by repaired surroundings |

New rows are as many as a holdout has, newer than those of the failed candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from perennial_operator.core import names
from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.drift import DriftSpec
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.values import as_delta, first_fire_after, last_fire_by
from perennial_operator.core.rules.trainings.failures import (
    STORE,
    rejected_in_a_row,
    stopped_by_surroundings,
    surroundings_of,
)
from perennial_operator.core.rules.trainings.new_rows import rows_since
from perennial_operator.core.rules.trainings.recipes import is_made_from_spec
from perennial_operator.core.rules.trainings.refused_files import next_look, refused_version
from perennial_operator.core.world import World, is_ahead, plausible, unless_ahead

DEFAULT_COOLDOWN: str = DriftSpec.model_fields["cooldown"].default
MOST_TIMES = 8
"""A pause is at most so many times as long as the first one."""
LONGEST = timedelta(days=7)
COUNTED = MOST_TIMES.bit_length()
"""So many failures in a row give the longest pause: more need not be remembered."""
TO_RETRAIN = (
    f"annotate the ModelDeployment with {names.RETRAIN}=<time>, or change spec.model, spec.data or spec.training"
)
"""What a person does to start a training."""


@dataclass(frozen=True, slots=True)
class Pause:
    """No new candidate before that time."""

    until: datetime
    message: str
    lengthened: bool = True
    """Whether it is longer than the cool-down."""


def pause_of(world: World) -> Pause | None:
    """The pause that goes on now, or None. A person's request is not subject to it."""
    if refused := refused_version(world):
        return _until_next_look(world, refused)
    pauses = (_cool_down(world), _after_rejections(world), _after_surroundings(world))
    # The cool-down, if it ends as late as another one.
    return max((each for each in pauses if each and each.until > world.now), key=lambda each: each.until, default=None)


def cooldown(world: World) -> timedelta:
    return as_delta(world.spec.drift.cooldown if world.spec.drift else DEFAULT_COOLDOWN)


def _until_next_look(world: World, refused: ModelVersion) -> Pause | None:
    until = next_look(world, refused, cooldown(world))
    if until <= world.now or until - world.now > cooldown(world):  # the latter by a wrong clock
        return None
    message = f"a training looks at {until:%Y-%m-%d %H:%M:%S} UTC whether its files have changed; {_at_once(world)}"
    return Pause(until, message, lengthened=False)


def _cool_down(world: World) -> Pause | None:
    last = world.newest
    ended = _ended(world, last)
    if last is None or ended is None or not is_made_from_spec(last, world.spec):
        # A spec that no candidate has tried yet has no cool-down.
        return None
    if last.status.surroundings not in (None, surroundings_of(world.spec)):
        return None  # a person has repaired them
    until = ended + cooldown(world)
    message = f"{last.name} ended at {ended:%H:%M:%S}; {_not_before(until)}; {_at_once(world)}"
    return Pause(until, message, lengthened=False)


def _after_rejections(world: World) -> Pause | None:
    """The pause after candidates whose cause of failure lies in them: more of the same rows would give the same."""
    failed = rejected_in_a_row(world)
    ended = _ended(world, failed[0]) if failed else None
    if ended is None:
        return None
    last, wanted = failed[0], _holdout_rows(world, failed[0])
    since = plausible(world, last.status.data.end if last.status.data else None) or last.metadata.creation_timestamp
    if rows_since(world, since) >= wanted:
        return None
    until = ended + _doubled(world, max(cooldown(world), check_interval(world, ended)), len(failed))
    several = f"{len(failed)} consecutive candidates failed or were rejected, the last {last.name}"
    count = several if len(failed) > 1 else f"{last.name} failed or was rejected"
    rows = f"unless reports cover {wanted} rows newer than {since:%Y-%m-%d %H:%M:%S}"
    message = f"{count} at {ended:%H:%M:%S}; {_not_before(until)}, {rows}; {_at_once(world)}"
    return Pause(until, message)


def _after_surroundings(world: World) -> Pause | None:
    """The pause after candidates that their surroundings stopped: it is tried again, whatever the rows are."""
    stopped = stopped_by_surroundings(world)
    ended = _ended(world, stopped[0]) if stopped else None
    if ended is None or _store_has_answered(world, stopped[0], ended):
        return None
    last, until = stopped[0], ended + _doubled(world, cooldown(world), len(stopped))
    count = f"{len(stopped)} consecutive candidates, the last {last.name}," if len(stopped) > 1 else last.name
    store = "a check or an entry of the ledger succeeds, or " if last.status.reason in STORE else ""
    message = (
        f"{count} failed because of its surroundings ({last.status.reason}) at {ended:%H:%M:%S}; {_not_before(until)}, "
        f"unless {store}spec.serving or spec.storage changes; {_at_once(world)}"
    )
    return Pause(until, message)


def _not_before(until: datetime) -> str:
    return f"no new candidate before {until:%Y-%m-%d %H:%M:%S} UTC"


def _at_once(world: World) -> str:
    return f"to start one at once, run kubectl perennial retrain {world.name}, or {TO_RETRAIN}"


def _ended(world: World, version: ModelVersion | None) -> datetime | None:
    """When the version ended or went live; None if it did not, or if a wrong clock says so.

    After a clock was set back, liveSince stays later than that of the version before; the condition has the time.
    """
    if version is None:
        return None
    status, rolled_out = version.status, find(version.status.conditions, "RolledOut")
    times = status.ended_at, status.live_since, rolled_out and status.live_since and rolled_out.last_transition_time
    return next((at for at in times if at and not is_ahead(world, at)), None)


def _doubled(world: World, first: timedelta, count: int) -> timedelta:
    """The pause after so many failures in a row."""
    times: int = min(2 ** (count - 1), MOST_TIMES)
    return max(cooldown(world), min(first * times, LONGEST))


def check_interval(world: World, at: datetime) -> timedelta:
    """The time between two of the operator's own checks, around that time; nothing if it makes none."""
    check = world.spec.drift.check if world.spec.drift else None
    if check is None:
        return timedelta()
    schedule, zone = check.schedule, check.time_zone
    return first_fire_after(schedule, at, zone) - last_fire_by(schedule, at, zone)


def _holdout_rows(world: World, failed: ModelVersion) -> int:
    """How many rows are a holdout's worth."""
    data, live = failed.status.data, world.live.status.data if world.live else None
    known = (data or live).holdout_rows if data or live else 0  # type: ignore[union-attr]
    return known or ceil(failed.spec.data.min_rows * failed.spec.data.holdout)


def _store_has_answered(world: World, failed: ModelVersion, ended: datetime) -> bool:
    """Whether another Job has shown since that the store can be used again."""
    reason, conditions = failed.status.reason, [find(each.status.conditions, "Recorded") for each in world.versions]
    recorded = (each.last_transition_time for each in conditions if each and each.status == "True")
    checked = (each.created_at for each in world.reports if each.scheduled_at > names.NEVER)
    answered = [*recorded, *(checked if reason != "StorageNotWritable" else ())]
    return reason in STORE and any(unless_ahead(world, at) > ended for at in answered)
