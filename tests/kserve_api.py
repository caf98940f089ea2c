"""The API of KServe: the schema in its SDK on PyPI, and the CRD in the file $KSERVE_CRD, or a small one for the tests."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float), "datetime": str, "ResourceQuantity": (str, int)}
FREE = ("object", "IntstrIntOrString")


@cache
def _models() -> types.ModuleType:
    """Only the SDK's models: the whole SDK needs another version of pandas."""
    spec = importlib.util.find_spec("kserve")
    assert spec and spec.submodule_search_locations
    package = types.ModuleType("kserve")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules.setdefault("kserve", package)
    return importlib.import_module("kserve.models")


def schema_errors(value: Any, kind: str = "V1beta1InferenceService", at: str = "") -> Iterator[str]:
    """Fields that KServe's API does not have, which an API server would drop, and values of another type."""
    if kind in FREE:
        return
    if kind in PLAIN:
        if not isinstance(value, PLAIN[kind]) or (isinstance(value, bool) and kind != "bool"):
            yield f"{at} is {value!r}, not of type {kind}"
    elif inner := re.fullmatch(r"[lL]ist\[(.+)\]", kind):
        for i, item in enumerate(value):
            yield from schema_errors(item, inner[1], f"{at}[{i}]")
    elif inner := re.fullmatch(r"[dD]ict[\[(]str, (.+)[\])]", kind):
        for key, item in value.items():
            yield from schema_errors(item, inner[1], f"{at}.{key}")
    else:
        model = getattr(_models(), kind, None) or getattr(client, kind)
        known = {model.attribute_map[name]: of for name, of in model.openapi_types.items()}
        for key, item in value.items():
            if key in known:
                yield from schema_errors(item, known[key], f"{at}.{key}")
            else:
                yield f"{at}.{key} is not a field of {kind}"


def own_definition() -> dict[str, Any] | None:
    """KServe's own CRD of InferenceServices, where $KSERVE_CRD names its file."""
    file = os.environ.get("KSERVE_CRD")
    if not file:
        return None
    definition: dict[str, Any] = yaml.safe_load(Path(file).read_text())
    # Its conversion webhook does not run here; there is only one version.
    definition["spec"].pop("conversion", None)
    return definition


def _small_definition() -> dict[str, Any]:
    """The part of the kind that the tests use."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    predictor = {
        **anything,
        "required": ["containers"],
        "properties": {
            "canaryTrafficPercent": {"type": "integer", "format": "int64"},
            "minReplicas": {"type": "integer", "format": "int32"},
        },
    }
    spec = {"type": "object", "required": ["predictor"], "properties": {"predictor": predictor}}
    schema = {"type": "object", "properties": {"spec": spec, "status": anything}}
    version = {"name": "v1beta1", "served": True, "storage": True, "subresources": {"status": {}}}
    names = {"kind": "InferenceService", "plural": "inferenceservices", "singular": "inferenceservice"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "inferenceservices.serving.kserve.io"},
        "spec": {
            "group": "serving.kserve.io",
            "scope": "Namespaced",
            "names": {**names, "listKind": "InferenceServiceList"},
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def definition() -> dict[str, Any]:
    return own_definition() or _small_definition()
