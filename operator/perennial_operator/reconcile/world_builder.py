"""What the cache knows of one ModelDeployment → its World."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Body, Key, read
from perennial_operator.cluster.workloads import job_of, lacks_pod, revisions_of, served_by, serving_of
from perennial_operator.core import names
from perennial_operator.core.api.model_deployment import ModelDeployment
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.parsing import BadObjectError, parse
from perennial_operator.core.drift_reports import Report, in_order, report_of
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.world import Fleet, JobState, Policy, RoutingObject, World


def observe(
    cache: Cache,
    key: Key,
    now: datetime,
    policy: Policy,
    reserved: Collection[Key] = (),
    routing: RoutingObject | None = None,
) -> World | None:
    """Everything one pass looks at; None if there is no ModelDeployment of the name.

    BadObjectError if it, or one of its versions, cannot be read: a version that cannot be read is no version that is
    not there, and to decide without it could replace a good model. A report that cannot be read is left out;
    `unreadable_reports` tells why.
    """
    body = cache.get(key, "ModelDeployment", key.name)
    if body is None:
        return None
    pods = cache.objects(key, "Pod")
    versions = [_value(ModelVersion, text) for text in cache.contents(key, "ModelVersion")]
    reports = [
        known if isinstance(known, Report) else _report(known)[1] for known in cache.contents(key, "DriftReport")
    ]
    owners = {body["metadata"].get("uid"), *(version.metadata.uid for version in versions)}
    jobs = [job_of(job, pods, now) for job in _owned(cache, key, "Job", owners)]
    deployment = _value(ModelDeployment, cache.contents(key, "ModelDeployment")[0])
    if routing and not runtime_of(deployment.spec).makes_deployments:
        serving = served_by(routing.body, pods) if routing.body and _belongs(routing.body, owners) else {}
        routing = replace(routing, revisions=revisions_of(pods))
    else:
        held = [serving_of(held, pods) for held in _owned(cache, key, "Deployment", owners)]
        serving = {each.name: each for each in held}
    return World(
        now=now,
        deployment=deployment,
        versions=tuple(sorted(versions, key=lambda v: v.spec.number)),
        reports=in_order([report for report in reports if report]),
        jobs={job.name: job for job in jobs},
        serving=serving,
        service=cache.get(key, "Service", key.name),
        candidate_service=cache.get(key, "Service", names.candidate_service(key.name)),
        routing=routing,
        fleet=_fleet(cache, key, reserved),
        policy=policy,
    )


def unreadable_reports(cache: Cache, key: Key) -> dict[str, str]:
    """Name → why the report cannot be read, for those that have not been told so yet."""
    there = [_report(known) for known in cache.contents(key, "DriftReport") if not isinstance(known, Report)]
    return {name: error for name, report, error in there if report is None}


def jobs_without_word(world: World) -> list[str]:
    """Jobs that ended and whose pod's last word has not been seen: the watch of pods may be behind that of Jobs."""
    return [job.name for job in world.jobs.values() if job.state is not JobState.RUNNING and job.answer is None]


def jobs_without_pod(cache: Cache, key: Key) -> bool:
    """Whether a Job should have a pod and has none, of which no event would tell."""
    pods = cache.objects(key, "Pod")
    return any(lacks_pod(job, pods) for job in cache.objects(key, "Job"))


@lru_cache(maxsize=64)  # the steps of a pass see the same again
def _value(kind: Any, text: bytes) -> Any:
    body = read(text)
    try:
        return parse(kind, body)
    except BadObjectError as error:
        raise type(error)(f"{kind.__name__} {body['metadata']['name']}: {error}") from error


@lru_cache(maxsize=64)
def _report(text: bytes) -> tuple[str, Report | None, str]:
    """The name of an open report, and what it is or why it cannot be read."""
    body = read(text)
    try:
        return body["metadata"]["name"], report_of(body), ""
    except BadObjectError as error:
        return body["metadata"]["name"], None, str(error)


def _owned(cache: Cache, key: Key, kind: str, owners: set[str]) -> list[Body]:
    """Without what only carries our labels, as somebody's copy does: it is theirs and says nothing of ours."""
    return [body for body in cache.objects(key, kind) if _belongs(body, owners)]


def _belongs(body: Body, owners: set[str]) -> bool:
    return any(owner["uid"] in owners for owner in body["metadata"].get("ownerReferences") or [])


def _fleet(cache: Cache, key: Key, reserved: Collection[Key]) -> Fleet:
    queue = cache.queued()
    ahead = queue.index(key) if key in queue else len(queue)
    return Fleet(trainings=cache.count_trainings(reserved, but=key), ahead=ahead)
