"""How a Job ends, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.cluster.controllers.job_counting import outcome, total, uncounted
from tests.cluster.objects import Obj, condition, is_true, moment, name, namespace, stamp, with_condition

Verdict = tuple[str, str, str]  # condition, reason, message
SUCCESS = ("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods")
FAILURE = "FailureTarget"
ENDS = {SUCCESS[0]: "Complete", FAILURE: "Failed"}


def verdict(job: Obj, status: Obj, pods: Sequence[Obj], now: datetime) -> Verdict | None:
    """How the Job ends, if it does; a verdict once written stands."""
    for kind in ENDS:
        if is_true(job, kind) and (written := condition(job, kind)):
            return kind, written["reason"], written["message"]
    for pod in pods:
        if outcome(pod, job) == "failed" and (rule := failure_rule(job, pod))[0] == "FailJob":
            return FAILURE, "PodFailurePolicy", rule[1]
    spec = job["spec"]
    limit = spec.get("backoffLimit", 6)
    if total(status, "failed") > limit:
        return FAILURE, "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    if seconds_left(job, status, now) <= 0:
        return FAILURE, "DeadlineExceeded", "Job was active longer than specified deadline"
    return SUCCESS if total(status, "succeeded") >= spec.get("completions", 1) else None


def failure_rule(job: Obj, pod: Obj) -> tuple[str, str]:
    """The action of the first podFailurePolicy rule that a failed pod meets, and a sentence; `Count` without one."""
    for index, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or []):
        if met := _met(rule, pod):
            return rule["action"], f"{met} matching {rule['action']} rule at index {index}"
    return "Count", ""


def _met(rule: Obj, pod: Obj) -> str:
    if codes := rule.get("onExitCodes"):
        for result in _terminated(pod):
            code = result["state"]["terminated"]["exitCode"]
            meant = codes.get("containerName") in (None, result["name"])
            if meant and code and (code in codes["values"]) == (codes["operator"] == "In"):
                return f"Container {result['name']} for pod {namespace(pod)}/{name(pod)} failed with exit code {code}"
    for pattern in rule.get("onPodConditions") or []:
        reported = condition(pod, pattern["type"])
        if reported and reported["status"] == pattern.get("status", "True"):
            return f"Pod {namespace(pod)}/{name(pod)} has condition {pattern['type']}"
    return ""


def _terminated(pod: Obj) -> list[Obj]:
    containers = pod.get("status", {}).get("containerStatuses") or []
    return [container for container in containers if "terminated" in container.get("state", {})]


def seconds_left(job: Obj, status: Obj, now: datetime) -> float:
    """Until the deadline; endless without one."""
    deadline = job["spec"].get("activeDeadlineSeconds")
    if deadline is None or "startTime" not in status:
        return math.inf
    return (moment(status["startTime"]) + timedelta(seconds=deadline) - now).total_seconds()


def conclude(status: Obj, verdict: Verdict, now: datetime) -> None:
    """The verdict is written; the end too, once no pod runs and all are counted."""
    kind, reason, message = verdict
    new = {"type": kind, "status": "True", "reason": reason, "message": message}
    status["conditions"] = with_condition(status.get("conditions") or [], new, now)
    if status["active"] or status["terminating"] or uncounted(status):
        return
    status["conditions"] = with_condition(status["conditions"], {**new, "type": ENDS[kind]}, now)
    if kind == SUCCESS[0]:
        status["completionTime"] = stamp(now)
