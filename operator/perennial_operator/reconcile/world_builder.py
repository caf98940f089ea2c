"""The cached objects of one ModelDeployment as a World."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Body, Key, read
from perennial_operator.cluster.workloads import job_of, lacks_pod, revisions_of, served_by, serving_of
from perennial_operator.core import names
from perennial_operator.core.api.allowed_in_pods import check_pod
from perennial_operator.core.api.model_deployment import ModelDeployment
from perennial_operator.core.api.model_version import IN_FLIGHT, ModelVersion
from perennial_operator.core.api.own_packages import check_packages
from perennial_operator.core.api.parsing import BadObjectError, parse
from perennial_operator.core.drift_reports import Report, in_order, report_of
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.world import Fleet, Job, JobState, Orphan, Policy, RoutingObject, Serving, World
from perennial_operator.reconcile.orphans import is_orphan, orphaned_version


def build_world(
    cache: Cache,
    key: Key,
    now: datetime,
    policy: Policy,
    reserved: Collection[Key] = (),
    routing: RoutingObject | None = None,
) -> World | None:
    """All input of one pass; None if the ModelDeployment does not exist.

    BadObjectError if the ModelDeployment or one of its versions is invalid, or may not have the pods that it describes:
    to ignore an invalid version could replace a good model. Invalid reports are left out; `invalid_reports` lists them.
    """
    texts = cache.contents(key, "ModelDeployment")
    if not texts:
        return None
    deployment = _parsed(ModelDeployment, texts[0])
    versions, orphans = _versions(cache, key)
    _check_allowed(deployment, versions, policy)
    owners, pods = {deployment.metadata.uid, *(each.metadata.uid for each in versions)}, cache.objects(key, "Pod")
    jobs = _jobs(cache, key, owners, now)
    if routing and not runtime_of(deployment.spec).makes_deployments:
        routing = replace(routing, revisions=revisions_of(pods))
        serving = served_by(routing.body, pods) if routing.body and _is_owned(routing.body, owners) else {}
    else:
        serving = _served_by_deployments(cache, key, pods, owners)
    return World(
        now=now,
        deployment=deployment,
        versions=versions,
        orphans=orphans,
        reports=_reports(cache, key),
        jobs={job.name: job for job in jobs},
        serving=serving,
        service=cache.get(key, "Service", key.name),
        candidate_service=cache.get(key, "Service", names.candidate_service(key.name)),
        routing=routing,
        fleet=_fleet(cache, key, reserved, now, policy),
        policy=policy,
    )


def _versions(cache: Cache, key: Key) -> tuple[tuple[ModelVersion, ...], tuple[Orphan, ...]]:
    """The owned ModelVersions by number, and those without an owner."""
    records = {text: orphaned_version(read(text)) for text in cache.contents(key, "ModelVersion")}
    versions = [_parsed(ModelVersion, text) for text, orphan in records.items() if orphan is None]
    orphans = tuple(orphan for orphan in records.values() if orphan)
    return tuple(sorted(versions, key=lambda version: version.spec.number)), orphans


def _check_allowed(deployment: ModelDeployment, versions: Sequence[ModelVersion], policy: Policy) -> None:
    """PodFieldError or PackageError if a pod could be made that is not allowed; Jobs are of a version in flight."""
    allowed = policy.allowed_in_pods
    spec, name = deployment.spec, f"ModelDeployment {deployment.name}: spec"
    check_pod(spec.training.pod, f"{name}.training.pod", allowed)
    check_pod(spec.serving.pod, f"{name}.serving.pod", allowed)
    check_packages(spec.model, name, policy.allowed_packages)
    for version in versions:
        if version.phase in IN_FLIGHT:
            name = f"ModelVersion {version.name}: spec"
            try:
                check_pod(version.spec.training.pod, f"{name}.training.pod", allowed)
                check_packages(version.spec.model, name, policy.allowed_packages)
            except BadObjectError as error:
                # A changed spec alone does not end the version: nothing is decided before all is allowed.
                name = version.name
                fix = f"a version keeps its spec: change that of the ModelDeployment and delete ModelVersion {name}"
                raise type(error)(f"{error}; {fix}") from error


def _served_by_deployments(cache: Cache, key: Key, pods: Sequence[Body], owners: set[str]) -> dict[str, Serving]:
    bodies = [body for body in cache.objects(key, "Deployment") if _is_owned(body, owners) or is_orphan(body, key.name)]
    deployments = [serving_of(body, pods) for body in bodies]
    return {serving.name: serving for serving in deployments}


def _reports(cache: Cache, key: Key) -> tuple[Report, ...]:
    contents = cache.contents(key, "DriftReport")
    reports = [each if isinstance(each, Report) else _parsed_report(each)[1] for each in contents]
    return in_order([report for report in reports if report])


def invalid_reports(cache: Cache, key: Key) -> dict[str, str]:
    """Name → why the report is invalid, for those that have no outcome yet."""
    contents = cache.contents(key, "DriftReport")
    parsed = [_parsed_report(each) for each in contents if not isinstance(each, Report)]
    return {name: error for name, report, error in parsed if report is None}


def jobs_without_result(world: World) -> list[str]:
    """Ended Jobs whose pods have reported no result: the watch of pods may be behind that of Jobs."""
    return [job.name for job in world.jobs.values() if job.state is not JobState.RUNNING and job.answer is None]


def has_job_without_pod(cache: Cache, key: Key) -> bool:
    """Whether a Job should have a pod and has none, which no event reports."""
    pods = cache.objects(key, "Pod")
    return any(lacks_pod(job, pods) for job in cache.objects(key, "Job"))


@lru_cache(maxsize=64)  # the steps of a pass parse the same text several times
def _parsed(kind: Any, text: bytes) -> Any:
    body = read(text)
    try:
        return parse(kind, body)
    except BadObjectError as error:
        raise type(error)(f"{kind.__name__} {body['metadata']['name']}: {error}") from error


@lru_cache(maxsize=64)
def _parsed_report(text: bytes) -> tuple[str, Report | None, str]:
    """The name of an open report, and either its value or why it is invalid."""
    body = read(text)
    try:
        return body["metadata"]["name"], report_of(body), ""
    except BadObjectError as error:
        return body["metadata"]["name"], None, str(error)


def _jobs(cache: Cache, key: Key, owners: set[str], now: datetime) -> list[Job]:
    """Jobs that have one of these owners; without those that only carry our labels, such as a person's copy."""
    pods: defaultdict[str, list[bytes]] = defaultdict(list)
    for text in cache.texts(key, "Pod"):
        for owner in read(text)["metadata"].get("ownerReferences") or []:
            pods[owner["uid"]].append(text)
    owned = [text for text in cache.texts(key, "Job") if _is_owned(read(text), owners)]
    own = {text: tuple(pods[str(read(text)["metadata"].get("uid"))]) for text in owned}
    return [_job_with_pods(text, own[text]) if own[text] else job_of(read(text), (), now) for text in owned]


@lru_cache(maxsize=256)
def _job_with_pods(text: bytes, pods: tuple[bytes, ...]) -> Job:
    """The Job, which is the same at any time: only how long one waits for its first pod depends on the time."""
    return job_of(read(text), map(read, pods), names.NEVER)


def _is_owned(body: Body, owners: set[str]) -> bool:
    return any(owner["uid"] in owners for owner in body["metadata"].get("ownerReferences") or [])


def _fleet(cache: Cache, key: Key, reserved: Collection[Key], now: datetime, policy: Policy) -> Fleet:
    trainings, others = cache.trainings, [each for each in reserved if each != key]
    beginning = [now for each in others if each.namespace == key.namespace]
    begun, budget = [*trainings.begun(key.namespace, now), *beginning], policy.trainings_per_day
    return Fleet(
        trainings=trainings.places_taken(reserved, but=key),
        ahead=trainings.ahead(key, others, policy.max_trainings),
        blocked=trainings.blocked(key.namespace, but=key),
        begun=len(begun),
        oldest_begun=begun[max(0, len(begun) - budget)] if begun else None,
    )
