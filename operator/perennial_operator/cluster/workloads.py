"""How do a Job and a Deployment stand, by what they and their pods say?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from perennial_operator.cluster.cache_entry import Body
from perennial_operator.cluster.pod_status import answer, trouble
from perennial_operator.core.manifests.jobs import REFUSED_EXIT_CODE
from perennial_operator.core.names import MODEL_VERSION, PREDICTOR, ROLE
from perennial_operator.core.world import Job, JobState, Serving

INFERENCE, REVISION = "serving.kserve.io/inferenceservice", "serving.knative.dev/revision"
"""Labels that KServe and Knative put on pods."""
POD_PATIENCE = timedelta(seconds=10)
"""A running Job that has had no pod for so long is in trouble: a quota, or what pods may do, is in its way."""


def job_of(body: Body, pods: Iterable[Body], now: datetime) -> Job:
    """The Job, with the word that counts of those its pods left: a good one where it succeeded, else the newest."""
    state, reason = _ended(body)
    own = _pods_of(body, pods)
    answers = [said for pod in own if (said := answer(pod)) is not None]
    good = [said for said in answers if said.get("outcome") == "Succeeded"]
    running = next((pod for pod in own if _runs(pod)), None)
    return Job(
        name=body["metadata"]["name"],
        state=state,
        labels=body["metadata"].get("labels") or {},
        queued=bool(body.get("spec", {}).get("suspend")),
        reason=reason,
        trouble=next((found for pod in own if (found := trouble(pod))), "") or _podless(body, own, now),
        answer=next(iter(good if state is JobState.SUCCEEDED else answers), None),
        pod=running["metadata"]["name"] if running else "",
        address=running["status"]["podIP"] if running else "",
    )


def lacks_pod(job: Body, pods: Iterable[Body]) -> bool:
    """Whether the Job runs and has no pod yet, so that it has to be looked at again without an event."""
    return _began(job) is not None and not _pods_of(job, pods)


def _ended(job: Body) -> tuple[JobState, str]:
    """How the Job ended, if it has, and Kubernetes's reason where it failed."""
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition.get("status") == "True" and condition["type"] == "Complete":
            return JobState.SUCCEEDED, ""
        if condition.get("status") == "True" and condition["type"] == "Failed":
            return JobState.FAILED, condition.get("reason", "")
    return JobState.RUNNING, ""


def _pods_of(job: Body, pods: Iterable[Body]) -> list[Body]:
    """The Job's pods, newest first; not those of an earlier Job of its name."""
    uid = job["metadata"].get("uid")
    own = [pod for pod in pods if uid in [owner["uid"] for owner in pod["metadata"].get("ownerReferences") or []]]
    return sorted(own, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)


def _runs(pod: Body) -> bool:
    """Whether the pod runs, and can be reached."""
    status = pod.get("status") or {}
    return status.get("phase") == "Running" and "podIP" in status and not pod["metadata"].get("deletionTimestamp")


def _began(job: Body) -> datetime | None:
    """Since when the Job should have a pod; None where it has ended or waits in a queue."""
    began = (job.get("status") or {}).get("startTime")
    waits = bool(job.get("spec", {}).get("suspend")) or _ended(job)[0] is not JobState.RUNNING
    return datetime.fromisoformat(began) if began and not waits else None


def _podless(job: Body, own: Sequence[Body], now: datetime) -> str:
    began = _began(job)
    if own or began is None or now - began < POD_PATIENCE:
        return ""
    name = job["metadata"]["name"]
    return f"it has no pod, as a quota or the namespace's rules may forbid; kubectl describe job {name} says why"


def serving_of(body: Body, pods: Iterable[Body]) -> Serving:
    """The Deployment of one version, with the reason why its pods are not ready."""
    metadata, spec, status = body["metadata"], body.get("spec", {}), body.get("status") or {}
    version = (metadata.get("labels") or {}).get(MODEL_VERSION)
    own = [pod for pod in pods if _label(pod, MODEL_VERSION) == version and _label(pod, ROLE) == "serving"]
    seen = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    answering, total, updated = (status.get(field, 0) for field in ("readyReplicas", "replicas", "updatedReplicas"))
    refusals = [said for pod in own if (said := answer(pod, code=REFUSED_EXIT_CODE))]
    return Serving(
        name=metadata["name"],
        manifest=body,
        desired=spec.get("replicas", 1),
        ready=max(0, answering - (total - updated)) if seen else 0,
        answering=answering,
        total=total,
        settled=seen and updated == total,
        trouble=next((found for pod in own if (found := trouble(pod))), "") or _unmade(status),
        refusal=next((said for said in refusals if said.get("outcome") == "Refused"), None),
        addresses=_addresses(spec, own),
    )


def served_by(inference: Body, pods: Iterable[Body]) -> dict[str, Serving]:
    """Version → its pods of the InferenceService; where that holds the version, only its present pods are ready."""
    predictor = inference["spec"]["predictor"]
    holds, made_from = _label({"metadata": predictor}, MODEL_VERSION), _annotation({"metadata": predictor}, PREDICTOR)
    found: dict[str, list[Body]] = {holds: []} if holds else {}
    for pod in pods:
        if (version := _label(pod, MODEL_VERSION)) and _label(pod, INFERENCE) == inference["metadata"]["name"]:
            found.setdefault(version, []).append(pod)
    serving = {}
    for version, own in found.items():
        there = [pod for pod in own if not pod["metadata"].get("deletionTimestamp")]
        current = [pod for pod in there if version != holds or _annotation(pod, PREDICTOR) == made_from]
        refusals = [said for pod in own if (said := answer(pod, code=REFUSED_EXIT_CODE))]
        serving[version] = Serving(
            name=version,
            manifest=inference,
            desired=predictor.get("minReplicas", 1),
            ready=sum(map(_is_ready, current)),
            answering=sum(map(_is_ready, there)),
            total=len(there),
            settled=len(current) == len(there),
            trouble=next((told for pod in own if (told := trouble(pod))), "")
            or (_unready(inference) if version == holds else ""),
            refusal=next((said for said in refusals if said.get("outcome") == "Refused"), None),
            addresses=_addresses({"template": {"spec": predictor}}, there),
        )
    return serving


def revisions_of(pods: Iterable[Body]) -> dict[str, str]:
    """Knative's revision → the version of its pods."""
    labels = [(_label(pod, REVISION), _label(pod, MODEL_VERSION)) for pod in pods]
    return {revision: version for revision, version in labels if revision and version}


def _unready(inference: Body) -> str:
    """What KServe says is wrong, or nothing."""
    name, status = inference["metadata"]["name"], inference.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PredictorReady" and condition.get("status") == "False":
            said = condition.get("message") or condition.get("reason")
            return f"InferenceService {name} says: {said}" if said else ""
    made = ((status.get("components") or {}).get("predictor") or {}).get("latestCreatedRevision")
    if status.get("deploymentMode") and not made:
        return f"KServe has made no revision; is there Knative? kubectl describe inferenceservice {name} says why"
    return ""


def _addresses(spec: Mapping[str, Any], pods: Iterable[Body]) -> dict[str, str]:
    """Pod → host and port of those that are ready and not about to go."""
    containers = spec.get("template", {}).get("spec", {}).get("containers") or [{}]
    port = next((port["containerPort"] for port in containers[0].get("ports") or []), None)
    ready = [pod for pod in pods if _is_ready(pod) and not pod["metadata"].get("deletionTimestamp")]
    found = {pod["metadata"]["name"]: str((pod.get("status") or {}).get("podIP") or "") for pod in ready}
    return {name: f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for name, ip in found.items() if ip and port}


def _is_ready(pod: Body) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _unmade(status: Mapping[str, Any]) -> str:
    """Why the Deployment's pods could not even be made, such as a quota that is used up; or nothing."""
    failures = (c for c in status.get("conditions") or [] if c["type"] == "ReplicaFailure" and c["status"] == "True")
    return next((str(condition.get("message", "")) for condition in failures), "")


def _label(body: Body, name: str) -> str | None:
    return (body["metadata"].get("labels") or {}).get(name)


def _annotation(body: Body, name: str) -> str | None:
    return (body["metadata"].get("annotations") or {}).get(name)
