"""What a Job needs next: a pod, the end of some, a verdict.

Not known here: Indexed Jobs, work queues, suspended Jobs, restarts in place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.cluster.controllers.job_counting import TRACKING, counted, outcome, phase, released, total, uncounted
from tests.cluster.controllers.job_verdict import ENDS, conclude, failure_rule, seconds_left, verdict
from tests.cluster.controllers.step import Step
from tests.cluster.objects import (
    Obj,
    deleting,
    finalizers,
    from_template,
    is_true,
    name,
    stamp,
    uid,
)

LONGEST_BACKOFF = 60  # times the first, as 10 min are of 10 s


def step(
    job: Obj, pods: Sequence[Obj], now: datetime, failed_at: datetime | None = None, backoff: float = 10.0
) -> Step:
    """The pass for one Job and the pods that it controls.

    `failed_at` is when the newest failure was noticed (the API's times are whole seconds); `backoff` the seconds before
    the first retry, doubled for each further failure.
    """
    tracked = [pod for pod in pods if TRACKING in finalizers(pod)]
    if deleting(job) or any(is_true(job, end) for end in ENDS.values()):
        return Step(patches=released(tracked))
    ignored = [pod for pod in tracked if outcome(pod, job) == "failed" and failure_rule(job, pod)[0] == "Ignore"]
    active = [pod for pod in pods if not outcome(pod, job) and not deleting(pod)]
    status = counted(job, [pod for pod in tracked if pod not in ignored]) | {
        "active": len(active),
        "ready": sum(is_true(pod, "Ready") for pod in active),
        "terminating": sum(deleting(pod) and phase(pod) not in ("Succeeded", "Failed") for pod in pods),
    }
    status.setdefault("startTime", stamp(now))
    release = released([*ignored, *(pod for pod in tracked if uid(pod) in uncounted(status))])
    if ends := verdict(job, status, pods, now):
        conclude(status, ends, now)
        return Step(status, release, tuple(active))
    wait = _wait(status, now, failed_at, backoff)
    missing = _wanted(job, status) - len(active)
    return Step(
        status,
        release,
        deletes=tuple(active[:-missing] if missing < 0 else ()),
        creates=(_pod(job),) * missing if wait <= 0 else (),
        again=min([s for s in (wait, seconds_left(job, status, now)) if 0 < s < math.inf], default=None),
    )


def _pod(job: Obj) -> Obj:
    """A pod with the labels that a Job's are found by, under the old names and the new ones."""
    own = {"controller-uid": uid(job), "job-name": name(job)}
    labels = {**own, **{f"batch.kubernetes.io/{key}": value for key, value in own.items()}}
    return from_template(job["spec"]["template"], job, labels, [TRACKING])


def _wanted(job: Obj, status: Obj) -> int:
    spec = job["spec"]
    return min(int(spec.get("parallelism", 1)), int(spec.get("completions", 1)) - total(status, "succeeded"))


def _wait(status: Obj, now: datetime, failed_at: datetime | None, backoff: float) -> float:
    """Seconds until the next pod may be made."""
    failed = total(status, "failed")
    if not failed or failed_at is None:
        return 0.0
    pause = backoff * min(2.0 ** min(failed - 1, 100), LONGEST_BACKOFF)
    return (failed_at + timedelta(seconds=pause) - now).total_seconds()
