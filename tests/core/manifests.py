"""One manifest of every kind that the operator creates, of a ModelDeployment that uses every field.

`python -m tests.core.manifests` writes them to golden/.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from perennial_operator.core.manifests.check_job import check_manifest, version_check_manifest
from perennial_operator.core.manifests.inference_service import inference_manifest
from perennial_operator.core.manifests.ledger_jobs import record_manifest, recover_manifest
from perennial_operator.core.manifests.serving import deployment_manifest, service_manifest
from perennial_operator.core.manifests.train_job import train_manifest
from perennial_operator.core.manifests.upkeep_job import upkeep_manifest
from perennial_operator.core.manifests.validate_job import validate_manifest
from perennial_operator.core.manifests.worker_job import workers_manifest
from perennial_operator.core.world import Job, JobState, Policy, World
from tests.builders import NOON, a_deployment, a_version, a_world

GOLDEN = Path(__file__).parent / "golden"

POD_NAME = "bike-v2-train-x7k2p"
POD = {
    "imagePullSecrets": [{"name": "registry"}],
    "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "2Gi"}},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "env": [{"name": "AWS_REGION", "value": "eu-west-1"}],
    "volumes": [{"name": "extra", "configMap": {"name": "extra"}}],
    "volumeMounts": [{"name": "extra", "mountPath": "/extra", "readOnly": True}],
    "labels": {"team": "a", "perennial.dev/role": "nobody's business"},
    "annotations": {"sidecar.istio.io/inject": "false"},
}
DATA = {
    "training": {"uri": None, "persistentVolumeClaim": {"claimName": "rides", "path": "2026/*.parquet"}},
    "timeColumn": "hour",
    "window": "90d",
}
TRAINING = {
    "search": {"method": "random", "space": {"alpha": [0.1, 1.0]}, "scoring": "r2"},
    "engine": {"dask": {"workers": 4}},
    "timeout": "2h",
    "retries": 2,
    "queue": "team-a",
    "pod": POD,
}
SPEC = {
    "data": DATA,
    "training": TRAINING,
    "drift": {
        "thresholds": [{"metric": "psi", "max": 0.2}],
        "check": {
            "schedule": "*/15 * * * *",
            "data": {"uri": "s3://bikes/live/*.parquet", "secretRef": {"name": "live-keys"}},
            "window": "24h",
        },
    },
    "validation": {"slices": [{"column": "feature1", "metric": "mse", "maxRatio": 1.5}]},
    "serving": {"pod": POD | {"image": "registry.example/serve:2"}},
    "storage": {"uri": "s3://models/perennial/", "secretRef": {"name": "model-keys"}},
}
CAPTURE = {"share": 0.2, "key": "ride", "exclude": ["feature1"], "secretRef": {"name": "capture-keys"}}


def a_full_world() -> World:
    asked = {"data": DATA, "training": TRAINING}
    versions = (a_version(1, "Live", asked, {"image": "trainer:1", "contract": 3}), a_version(2, "Validating", asked))
    policy = Policy(trainer_image="trainer:2", service_account="trainer")
    return a_world(deployment=a_deployment(spec=SPEC), versions=versions, policy=policy)


def a_capturing_world() -> World:
    """Version 1 is live, and the roll-out mirrors requests."""
    spec = {
        "serving": {"capture": CAPTURE},
        "storage": {"uri": "s3://models/perennial/", "secretRef": {"name": "model-keys"}},
        "rollout": {"gateway": {"httpRoute": "bike"}, "shadow": "30m", "analysis": {}},
    }
    return a_world(deployment=a_deployment(spec=spec), versions=(a_version(1),))


def a_labelled_world() -> World:
    """The live version has replaced another one and is watched; labels of what it answered come."""
    labels = {"uri": "s3://bikes/labels/*.csv", "key": "ride", "mature": "6h", "secretRef": {"name": "label-keys"}}
    spec = {
        "data": {"labels": labels, "timeColumn": "perennial.time", "training": {"uri": None, "captured": True}},
        "drift": {"thresholds": [{"metric": "psi", "max": 0.2}, {"metric": "mse", "maxIncrease": 0.05, "sigmas": 3}]},
        "serving": {"capture": {"key": "ride", "secretRef": {"name": "capture-keys"}}},
        "rollout": {"watch": "2d"},
        "storage": {"uri": "s3://models/perennial/", "secretRef": {"name": "model-keys"}},
    }
    return a_world(deployment=a_deployment(spec=spec), versions=(a_version(1, "Superseded"), a_version(2)))


def manifests() -> dict[str, dict[str, Any]]:
    """Name → manifest."""
    world = a_full_world()
    live, candidate = world.versions
    capturing, labelled = a_capturing_world(), a_labelled_world()
    return {
        "train": train_manifest(world, candidate),
        "workers": workers_manifest(
            world, candidate, Job("bike-v2-train", JobState.RUNNING, pod=POD_NAME, address="10.0.0.7")
        ),
        "validate": validate_manifest(world, candidate),
        "check": check_manifest(world, live, NOON),
        "version-check": version_check_manifest(labelled, labelled.versions[1], labelled.versions[0], NOON, NOON),
        "record": record_manifest(world, live),
        "recover": recover_manifest(world, "bike-v9"),
        "serve": deployment_manifest(world, live, 2),
        "upkeep": upkeep_manifest(capturing),
        "serve-and-capture": deployment_manifest(capturing, capturing.versions[0], 2),
        "inference": inference_manifest(world, live, 20),
        "service": service_manifest(world, "bike", None),
        "candidate-service": service_manifest(world, "bike-candidate", candidate),
    }


def as_yaml(manifest: Mapping[str, Any]) -> str:
    return yaml.safe_dump(json.loads(json.dumps(manifest)), sort_keys=False, width=120)


if __name__ == "__main__":
    for name, body in manifests().items():
        (GOLDEN / f"{name}.yaml").write_text(as_yaml(body), encoding="utf-8")
