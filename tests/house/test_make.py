"""What `make` passes on, and what it needs of a cluster."""

from __future__ import annotations

import subprocess
from typing import Any

from tests.current_cluster import DEFAULT, missing
from tests.stage import ROOT

DEFAULT_CLASS = {"metadata": {"name": "standard", "annotations": {DEFAULT: "true"}}}


def an_operator(replicas: int = 2, **variables: str) -> dict[str, Any]:
    env = [
        {"name": name, "value": value} for name, value in ({"PERENNIAL_TRAINER_IMAGE": "trainer"} | variables).items()
    ]
    return {
        "metadata": {"name": "perennial-operator", "namespace": "perennial-system"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"env": env}]}}},
    }


def commands(target: str, *variables: str) -> str:
    """What the target would run."""
    make = ["make", "--dry-run", "-o", ".venv/ready", target, *variables]
    return subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_images_are_built_with_the_build_flags() -> None:
    flags = "--secret id=pip.conf,src=pip.conf"
    for target in ("images", "image-keras"):
        assert f"docker build {flags} --build-arg VERSION=" in commands(target, f"BUILD_FLAGS={flags}")
        assert "docker build  --build-arg VERSION=" in commands(target)


def test_e2e_on_the_current_cluster_says_what_it_needs() -> None:
    assert missing([DEFAULT_CLASS], []) == []
    assert missing([DEFAULT_CLASS], [an_operator(0), an_operator(PERENNIAL_NAMESPACES="team-a")]) == []
    (storage,) = missing([{"metadata": {"name": "slow"}}], [])
    assert storage.startswith("no StorageClass is the default one")
    (other,) = missing([DEFAULT_CLASS], [an_operator()])
    assert other.startswith("Deployment perennial-operator in namespace perennial-system is an operator for all")
