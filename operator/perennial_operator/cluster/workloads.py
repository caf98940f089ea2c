"""The state of Jobs, Deployments and InferenceServices, from their own status and that of their pods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from perennial_operator.cluster.cache_entry import Body
from perennial_operator.cluster.pod_status import (
    cannot_start,
    exit_code_beside_others,
    is_out_of_memory,
    pod_problem,
    termination_result,
)
from perennial_operator.core.manifests.jobs import REFUSED_EXIT_CODE
from perennial_operator.core.names import MODEL_VERSION, PREDICTOR, ROLE
from perennial_operator.core.world import Job, JobState, Serving

INFERENCE, REVISION = "serving.kserve.io/inferenceservice", "serving.knative.dev/revision"
"""Pod labels that KServe and Knative set."""
POD_CREATION_TIMEOUT = timedelta(seconds=10)
"""After this time without a pod, a quota or an admission policy probably rejects the pods of a running Job."""


def job_of(body: Body, pods: Iterable[Body], now: datetime) -> Job:
    """The Job with the result of its pods: a successful one if the Job succeeded, else the newest."""
    own = _pods_of(body, pods)
    (state, reason), code = _state(body), exit_code_beside_others(own[0]) if own else None
    lingers = state is JobState.RUNNING and code is not None
    if lingers:
        state = JobState.FAILED if code else JobState.SUCCEEDED
    results = [result for pod in own if (result := termination_result(pod)) is not None]
    successful = [result for result in results if result.get("outcome") == "Succeeded"]
    running = next((pod for pod in own if _is_reachable(pod)), None)
    missing = _missing_pod(body, own, now)
    return Job(
        name=body["metadata"]["name"],
        state=state,
        labels=body["metadata"].get("labels") or {},
        queued=bool(body.get("spec", {}).get("suspend")),
        reason=reason,
        trouble=_first_problem(own) or missing,
        blocked=state is JobState.RUNNING and (bool(missing) or any(map(cannot_start, own))),
        lingers=lingers,
        out_of_memory=any(map(is_out_of_memory, own)),
        memory_limit=_memory_limit(body),
        answer=next(iter(successful if state is JobState.SUCCEEDED else results), None),
        pod=running["metadata"]["name"] if running else "",
        address=running["status"]["podIP"] if running else "",
    )


def lacks_pod(job: Body, pods: Iterable[Body]) -> bool:
    """Whether the Job runs and has no pod yet, so that a later pass must check it without an event."""
    return _running_since(job) is not None and not _pods_of(job, pods)


def _memory_limit(job: Body) -> str:
    containers = job.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or [{}]
    return str(((containers[0].get("resources") or {}).get("limits") or {}).get("memory", ""))


def _state(job: Body) -> tuple[JobState, str]:
    """The Job's state, and the reason in its condition if it failed."""
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition.get("status") == "True" and condition["type"] == "Complete":
            return JobState.SUCCEEDED, ""
        if condition.get("status") == "True" and condition["type"] == "Failed":
            return JobState.FAILED, condition.get("reason", "")
    return JobState.RUNNING, ""


def _pods_of(job: Body, pods: Iterable[Body]) -> list[Body]:
    """The Job's pods, newest first, without those of an earlier Job of the name."""
    uid = job["metadata"].get("uid")
    own = [pod for pod in pods if uid in [owner["uid"] for owner in pod["metadata"].get("ownerReferences") or []]]
    return sorted(own, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)


def _is_reachable(pod: Body) -> bool:
    """Whether the pod runs and has an address."""
    status = pod.get("status") or {}
    return status.get("phase") == "Running" and "podIP" in status and not pod["metadata"].get("deletionTimestamp")


def _running_since(job: Body) -> datetime | None:
    """Since when the Job should have a pod; None if it has ended or waits in a queue."""
    started = (job.get("status") or {}).get("startTime")
    needs_pod = not job.get("spec", {}).get("suspend") and _state(job)[0] is JobState.RUNNING
    return datetime.fromisoformat(started) if started and needs_pod else None


def _missing_pod(job: Body, own: Sequence[Body], now: datetime) -> str:
    since = _running_since(job)
    if own or since is None or now - since < POD_CREATION_TIMEOUT:
        return ""
    name = job["metadata"]["name"]
    return f"it has no pod; a quota or an admission policy may reject it, see kubectl describe job {name}"


def serving_of(body: Body, pods: Iterable[Body]) -> Serving:
    """The Deployment of one version, with the reason why its pods are not ready."""
    metadata, spec, status = body["metadata"], body.get("spec", {}), body.get("status") or {}
    version = (metadata.get("labels") or {}).get(MODEL_VERSION)
    own = [pod for pod in pods if _label(pod, MODEL_VERSION) == version and _label(pod, ROLE) == "serving"]
    current = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    answering, total, updated = (status.get(field, 0) for field in ("readyReplicas", "replicas", "updatedReplicas"))
    return Serving(
        name=metadata["name"],
        manifest=body,
        desired=spec.get("replicas", 1),
        ready=max(0, answering - (total - updated)) if current else 0,
        answering=answering,
        total=total,
        settled=current and updated == total,
        trouble=_first_problem(own) or _replica_failure(status),
        refusal=_refusal(own),
        addresses=_addresses(spec, own),
    )


def served_by(inference: Body, pods: Iterable[Body]) -> dict[str, Serving]:
    """Version → its pods of the InferenceService; of the version in its spec, only current pods count as ready."""
    predictor = inference["spec"]["predictor"]
    in_spec, digest = _label({"metadata": predictor}, MODEL_VERSION), _annotation({"metadata": predictor}, PREDICTOR)
    pods_by_version: dict[str, list[Body]] = {in_spec: []} if in_spec else {}
    for pod in pods:
        if (version := _label(pod, MODEL_VERSION)) and _label(pod, INFERENCE) == inference["metadata"]["name"]:
            pods_by_version.setdefault(version, []).append(pod)
    serving = {}
    for version, own in pods_by_version.items():
        remaining = [pod for pod in own if not pod["metadata"].get("deletionTimestamp")]
        current = [pod for pod in remaining if version != in_spec or _annotation(pod, PREDICTOR) == digest]
        serving[version] = Serving(
            name=version,
            manifest=inference,
            desired=predictor.get("minReplicas", 1),
            ready=sum(map(_is_ready, current)),
            answering=sum(map(_is_ready, remaining)),
            total=len(remaining),
            settled=len(current) == len(remaining),
            trouble=_first_problem(own) or (_unready(inference) if version == in_spec else ""),
            refusal=_refusal(own),
            addresses=_addresses({"template": {"spec": predictor}}, remaining),
        )
    return serving


def revisions_of(pods: Iterable[Body]) -> dict[str, str]:
    """Knative revision → the version of its pods."""
    labels = [(_label(pod, REVISION), _label(pod, MODEL_VERSION)) for pod in pods]
    return {revision: version for revision, version in labels if revision and version}


def _unready(inference: Body) -> str:
    """The problem that KServe reports, or an empty text."""
    name, status = inference["metadata"]["name"], inference.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PredictorReady" and condition.get("status") == "False":
            message = condition.get("message") or condition.get("reason")
            return f"InferenceService {name} is not ready: {message}" if message else ""
    created = ((status.get("components") or {}).get("predictor") or {}).get("latestCreatedRevision")
    if status.get("deploymentMode") and not created:
        return f"KServe has created no revision; is Knative installed? See kubectl describe inferenceservice {name}"
    return ""


def _addresses(spec: Mapping[str, Any], pods: Iterable[Body]) -> dict[str, str]:
    """Pod → host and port, of ready pods that are not being deleted."""
    containers = spec.get("template", {}).get("spec", {}).get("containers") or [{}]
    port = next((port["containerPort"] for port in containers[0].get("ports") or []), None)
    ready = [pod for pod in pods if _is_ready(pod) and not pod["metadata"].get("deletionTimestamp")]
    ips = {pod["metadata"]["name"]: str((pod.get("status") or {}).get("podIP") or "") for pod in ready}
    return {name: f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for name, ip in ips.items() if ip and port}


def _is_ready(pod: Body) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _replica_failure(status: Mapping[str, Any]) -> str:
    """Why the Deployment's pods could not be created, such as an exhausted quota; or an empty text."""
    failures = (c for c in status.get("conditions") or [] if c["type"] == "ReplicaFailure" and c["status"] == "True")
    return next((str(condition.get("message", "")) for condition in failures), "")


def _first_problem(pods: Iterable[Body]) -> str:
    return next((problem for pod in pods if (problem := pod_problem(pod))), "")


def _refusal(pods: Iterable[Body]) -> Mapping[str, Any] | None:
    """The result of a pod that refused to serve its artifact."""
    results = [result for pod in pods if (result := termination_result(pod, exit_code=REFUSED_EXIT_CODE))]
    return next((result for result in results if result.get("outcome") == "Refused"), None)


def _label(body: Body, name: str) -> str | None:
    return (body["metadata"].get("labels") or {}).get(name)


def _annotation(body: Body, name: str) -> str | None:
    return (body["metadata"].get("annotations") or {}).get(name)
