"""Checks of a version by the rows that it answered, in its roll-out and the watch after it: is one due, and when?

The rows are those that were captured, whose labels count once they are `data.labels.mature` old. The time from then to
the end of roll-out and watch, as spec plans it, is divided into ten parts; a check is made at the end of each but the
last. All rows since the roll-out began are measured, so each check has more of them than the one before.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from perennial_operator.core import names
from perennial_operator.core.api.conditions import find
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.rollout import RolloutSpec
from perennial_operator.core.api.values import as_delta
from perennial_operator.core.manifests.check_job import CONTRACT, VERSION_CHECK
from perennial_operator.core.manifests.jobs import follows_contract
from perennial_operator.core.traffic.predecessor import compared_versions, watch_left, watch_of
from perennial_operator.core.traffic.traffic_split import is_analysed
from perennial_operator.core.world import Job, JobState, World, not_in_future

PARTS, SECOND = 10, timedelta(seconds=1)


def wants_version_checks(world: World) -> bool:
    """Whether labels of captured rows come, and a version that they show to be worse would go back."""
    capture, rollout = world.spec.serving.capture, world.spec.rollout
    labels = world.spec.data.labels is not None and capture is not None and capture.share > 0
    return labels and world.spec.drift is not None and (rollout.analysis is not None or bool(rollout.watched))


def reason_without(world: World) -> tuple[str, str] | None:
    """Why no check can be made although it is wanted, as a reason and a message; None if one can."""
    labels, capture = world.spec.data.labels, world.spec.serving.capture
    assert labels and capture
    if capture.exclude:
        message = (
            f"captured rows lack {', '.join(capture.exclude[:5])} (serving.capture.exclude), so no other version can "
            "be asked for them, and no version is judged by the rows that it answered"
        )
        return "InputsExcluded", message
    span = planned_span(world.spec.rollout)
    if as_delta(labels.mature) < span:
        return None
    message = (
        f"labels count {labels.mature} after the request (data.labels.mature); a roll-out and the watch after it take "
        f"{int(span.total_seconds())} seconds, so no version is judged by the rows that it answered: if one should be, "
        f"give rollout.watch more than {labels.mature}"
    )
    return "LabelsTooLate", message


def planned_span(rollout: RolloutSpec) -> timedelta:
    """How long a roll-out and the watch after it take at least."""
    holds = [rollout.shadow, *(step.hold for step in rollout.steps)]
    return sum((as_delta(hold) for hold in holds if hold), rollout.watched)


def next_version_check(world: World) -> datetime | None:
    """When the next one is due; that may be in the past. None while there is no version to check, or one runs."""
    pair = checked_pair(world)
    if pair is None or any(job.state is JobState.RUNNING for job in version_check_jobs(world)):
        return None
    labels, began = world.spec.data.labels, began_at(world, pair[0])
    assert labels
    first = began + as_delta(labels.mature)
    # Of whole seconds, as the names of Jobs have them.
    part = timedelta(seconds=max(1, (planned_span(world.spec.rollout) - as_delta(labels.mature)) // SECOND // PARTS))
    latest = first + part * max(1, (world.now - first) // part)
    last = last_version_check(world, pair[0])
    due = latest if last is None or last < latest else latest + part
    watch = None if pair[0].status.rollout else watch_of(world)
    ends = watch.since + watch_left(world, watch) if watch and watch.since else None
    return None if ends and due + part > ends else due  # what a check says after the end is of no use


def checked_pair(world: World) -> tuple[ModelVersion, ModelVersion] | None:
    """The version that answers requests and may go back, and the one that it replaces; None while none is checked."""
    if not wants_version_checks(world) or reason_without(world) or world.automation_paused:
        return None
    pair, watch = compared_versions(world), watch_of(world)
    if pair is None or not world.spec.serving.replicas or not follows_contract(world, pair[0], CONTRACT):
        return None
    if state := pair[0].status.rollout:
        return pair if state.ready_at and is_analysed(world, state.weight) else None
    return pair if watch and watch.since and not watch.reason else None


def began_at(world: World, version: ModelVersion) -> datetime:
    """When its roll-out began, or when it was made if that is not known; of what a wrong clock wrote the latter."""
    made, approved = version.metadata.creation_timestamp, find(version.status.conditions, "Approved")
    times = not_in_future(world, approved.last_transition_time if approved else None)
    return min(world.now, max((made, *times)))


def version_check_jobs(world: World) -> list[Job]:
    """Their Jobs."""
    return [job for job in world.jobs.values() if job.labels.get(names.ROLE) == VERSION_CHECK]


def last_version_check(world: World, version: ModelVersion) -> datetime | None:
    """When the newest one of the version was due, by Jobs and reports. None before the first."""
    jobs = (job for job in version_check_jobs(world) if job.labels.get(names.MODEL_VERSION) == version.name)
    reports = (report for report in world.reports if report.against and report.about == version.name)
    due = [*(names.scheduled_at(job.labels) for job in jobs), *(report.scheduled_at for report in reports)]
    newest = max(not_in_future(world, *due), default=names.NEVER)
    return newest if newest > names.NEVER else None
