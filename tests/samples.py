"""The samples, and the ConfigMap with the rows of the first one as `kubectl create configmap` makes it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.kubectl import Body, Kubectl
from tests.stage import ROOT

FOLDER = ROOT / "manifests" / "samples"
FIRST = FOLDER / "01-linear-regression.yaml"
JANUARY, FEBRUARY = sorted((FOLDER / "rows").glob("*.csv"))


def first_rows(*files: Path) -> Body:
    name, data = "linear-regression-rows", {file.name: file.read_text() for file in files}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def apply_first(kubectl: Kubectl) -> None:
    """The first sample with the rows of January."""
    kubectl.apply(first_rows(JANUARY))
    kubectl.apply(FIRST)


def request(sample: str) -> Body:
    """The body of the sample's request."""
    body: Body = json.loads((FOLDER / "requests" / f"{sample}.json").read_text())
    return body
