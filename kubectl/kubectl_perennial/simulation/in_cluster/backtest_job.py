"""A backtest as a Job of the cluster, for rows that only pods can reach: its log is the answer.

The Job has the manifests in a ConfigMap, mounts the claim of data.training or has the Secret that opens it, and nothing
else: neither a token of the cluster nor the storage of the models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from kubectl_perennial.errors import UsageError
from kubectl_perennial.simulation.manifest import Manifest
from kubectl_perennial.simulation.suggesting.manifest_text import model_text
from perennial_operator import __version__
from perennial_operator.core.api.model_deployment import ModelDeploymentSpec
from perennial_operator.core.api.pod import PodSpec
from perennial_operator.core.manifests.pods import TRAINER, Mounts, pod_template
from perennial_operator.core.world import Policy

Body = dict[str, Any]
IMAGE = f"perennial-backtest:{__version__}"
FOLDER = "/etc/perennial/backtest"
PROGRAM = ("python", "-m", "kubectl_perennial", "backtest")
CONTAINER = "backtest"
WEEK, LONGEST = 7 * 24 * 3600, 4 * 3600
"""Seconds: how long the Job and its log stay, and how long it may run."""
LABEL = "perennial.dev/backtest"


def job_manifests(
    manifests: Sequence[Manifest], words: Sequence[str], policy: Policy, data: Sequence[str] = (), namespace: str = ""
) -> list[Body]:
    """The ConfigMap and the Job; `words` are the options, `data` replaces the rows of the first manifest's training.

    Of the policy, image and service account count.
    """
    first = manifests[0]
    spec, mounts = ModelDeploymentSpec.model_validate(first.spec), Mounts()
    training = spec.data.training
    is_table = bool(training.sql or training.delta or training.iceberg)
    if is_table and not data:
        raise UsageError("a backtest reads files, and data.training is a query or a table: give its rows with --data")
    rows = "" if is_table else mounts.uri(training)
    files = {f"{number}-{each.name}.yaml": model_text(each.text) for number, each in enumerate(manifests, start=1)}
    options = ["--data", *(data or [rows]), *words, "-o", "json", "--html", "-"]
    content = json.dumps([files, options, policy.trainer_image, policy.service_account], sort_keys=True)
    name = f"{first.name}-backtest-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    labels = {"app.kubernetes.io/name": "perennial", LABEL: first.name}
    wanted = namespace or first.body["metadata"].get("namespace")
    metadata = {"name": name, **({"namespace": wanted} if wanted else {}), "labels": labels}
    arguments = [*(f"{FOLDER}/{file}" for file in files), *options]
    job = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": LONGEST,
        "ttlSecondsAfterFinished": WEEK,
        "template": _template(spec.training.pod, policy, labels, mounts, name, arguments),
    }
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files},
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job},
    ]


def _template(
    pod: PodSpec, policy: Policy, labels: dict[str, str], mounts: Mounts, name: str, arguments: list[str]
) -> Body:
    """The pod of a training, with another program."""
    template = pod_template(policy, pod, policy.trainer_image, labels, {}, mounts)
    spec = template["spec"]
    (container,) = (each for each in spec["containers"] if each["name"] == TRAINER)
    for field in ("terminationMessagePath", "terminationMessagePolicy"):
        del container[field]
    container |= {
        "name": CONTAINER,
        "command": list(PROGRAM),
        "args": arguments,
        "env": [each for each in container["env"] if each["name"] not in ("PERENNIAL_TASK", "PERENNIAL_RESULT")],
    }
    container["volumeMounts"].append({"name": "manifests", "mountPath": FOLDER, "readOnly": True})
    spec["volumes"].append({"name": "manifests", "configMap": {"name": name}})
    spec["restartPolicy"] = "Never"
    return template
