"""The manifests that are played: read, changed by settings, checked, and freed of what a backtest cannot know."""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from kubectl_perennial.admission.model_deployment import refusals
from kubectl_perennial.errors import CommandError
from perennial_operator.core.api.model_deployment import ModelDeployment, ModelDeploymentSpec
from perennial_operator.core.api.parsing import BadObjectError, parse
from perennial_operator.core.api.values import as_delta

Body = dict[str, Any]
PLACEHOLDER = {"creationTimestamp": "2026-01-01T00:00:00Z", "uid": "backtest", "generation": 1, "resourceVersion": "1"}
TRAINING, RECENT, STORAGE = "file:///history/training", "file:///history/recent", "file:///backtest"
ROWS, FIRST = "stream/rows-a-batch", "stream/first-batches"
"""Annotations with the default of --every and --first."""
_PART = re.compile(r"([A-Za-z][A-Za-z0-9]*)((?:\[\d+\])*)")


@dataclass(frozen=True)
class Manifest:
    """A ModelDeployment as it was given, and the label of its settings."""

    body: Mapping[str, Any]
    label: str = ""
    text: str = ""
    """The file that it was read from, before any setting."""

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def title(self) -> str:
        return f"{self.name} {self.label}".strip()

    @property
    def spec(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.body["spec"]
        return spec

    def annotation(self, name: str) -> int | None:
        text = str((self.body["metadata"].get("annotations") or {}).get(name, ""))
        return int(text) if text.isdecimal() else None


def read_manifest(file: str) -> Manifest:
    """The one ModelDeployment of the file. CommandError with all findings if it is invalid."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).expanduser().read_text(encoding="utf-8")
        documents = [each for each in yaml.safe_load_all(text) if isinstance(each, dict)]
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise CommandError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    models = [each for each in documents if each.get("kind") == "ModelDeployment"]
    if len(models) != 1:
        raise CommandError(f"{file} has {len(models)} ModelDeployments: give a file with one")
    return checked(Manifest(models[0], text=text), file)


def with_settings(manifest: Manifest, settings: Sequence[str]) -> Manifest:
    """The manifest with these changes of its spec, such as `drift.thresholds[0].maxIncrease=0.1`."""
    body = copy.deepcopy(dict(manifest.body))
    for setting in settings:
        path, separator, text = setting.partition("=")
        if not separator:
            raise CommandError(f"--set {setting} has no value: write a field of spec, = and a value")
        _set(body["spec"], _keys(path.strip().removeprefix("spec.")), yaml.safe_load(text), setting)
    label = " ".join((*filter(None, [manifest.label]), *settings))
    return checked(Manifest(body, label, manifest.text), " ".join(settings))


def _keys(path: str) -> list[str | int]:
    keys: list[str | int] = []
    for part in path.split("."):
        match = _PART.fullmatch(part)
        if match is None:
            raise CommandError(f"--set {path}: {part!r} is not a field; write one such as drift.thresholds[0].max")
        keys += [match[1], *(int(number) for number in re.findall(r"\d+", match[2]))]
    return keys


def _set(value: Any, keys: Sequence[str | int], to: Any, setting: str) -> None:
    """The field has the value; null removes it."""
    for key, following in pairwise(keys):
        if isinstance(key, str) and isinstance(value, dict) and value.get(key) is None:
            value[key] = [] if isinstance(following, int) else {}
        value = _item(value, key, setting)
    last = keys[-1]
    if isinstance(last, int) and isinstance(value, list) and last == len(value):
        value.append(to)
        return
    if not (isinstance(value, dict) and isinstance(last, str)):
        _item(value, last, setting)
    if to is not None:
        value[last] = to
    elif not isinstance(value, dict) or last in value:
        del value[last]


def _item(value: Any, key: str | int, setting: str) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        raise CommandError(f"--set {setting}: there is no {key} in the manifest") from None


def checked(manifest: Manifest, source: str) -> Manifest:
    """The same manifest. CommandError with every finding, if there is one."""
    findings = [*_unknown_fields(ModelDeploymentSpec, manifest.body.get("spec"), "spec")]
    if refused := refusals(manifest.body):
        findings += map(str, refused)
    else:
        findings += _not_parsed(manifest) or _not_playable(manifest)
    if findings:
        count = f"{len(findings)} findings: " if len(findings) > 1 else ""
        raise CommandError(f"{source}: {count}" + "; ".join(findings))
    return manifest


def _not_parsed(manifest: Manifest) -> list[str]:
    """What the operator itself would say of a stored object."""
    try:
        parse(ModelDeployment, _complete(manifest.body))
    except BadObjectError as error:
        return [str(error)]
    return []


def _complete(body: Mapping[str, Any]) -> Body:
    metadata = body.get("metadata")
    return {**body, "metadata": {**(metadata if isinstance(metadata, dict) else {}), **PLACEHOLDER}, "status": {}}


def _unknown_fields(kind: type[BaseModel], value: Any, path: str) -> Iterator[str]:
    """A sentence for each field that the API does not have: the API server would drop it, a person has misspelt it."""
    if not isinstance(value, dict):
        return
    fields = {field.alias or name: field for name, field in kind.model_fields.items()}
    for name, content in value.items():
        field = fields.get(name)
        if field is None:
            yield f"{path}.{name}: there is no such field; the fields are {', '.join(sorted(fields))}"
            continue
        inner = _value_type(field.annotation)
        items = content if isinstance(content, list) else [content]
        for number, item in enumerate(items):
            if inner is None:
                break
            place = f"{path}.{name}[{number}]" if isinstance(content, list) else f"{path}.{name}"
            yield from _unknown_fields(inner, item, place)


def _value_type(annotation: Any) -> type[BaseModel] | None:
    """The API value in a type such as `list[Threshold]` or `DriftSpec | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_value_type, get_args(annotation))), None)


def _not_playable(manifest: Manifest) -> list[str]:
    model = manifest.spec["model"]
    if model.get("framework") == "custom":
        return ["spec.model.framework custom: its image trains, which a backtest cannot run"]
    return []


def playable(manifest: Manifest) -> tuple[Body, list[str]]:
    """The object that is played, and a sentence for each part of the manifest that a backtest cannot know."""
    spec, unknown = copy.deepcopy(dict(manifest.spec)), []
    rollout, training = dict(spec.get("rollout") or {}), dict(spec.get("training") or {})
    if rollout.get("approval") == "manual":
        unknown.append("when a person approves (spec.rollout.approval): each candidate is approved at once")
    if rollout.get("analysis"):
        rollout.setdefault("watch", "1h")
    if dropped := [field for field in ("analysis", "gateway", "shadow") if rollout.pop(field, None) is not None]:
        unknown.append(f"requests, their errors and their latency (spec.rollout: {', '.join(dropped)}): all is well")
    if dropped := [field for field in ("pin", "suspend") if spec.pop(field, None)]:
        unknown.append(f"spec.{' and spec.'.join(dropped)}: left out")
    drift = dict(spec["drift"]) if spec.get("drift") else None
    if drift and drift.get("check"):
        drift["check"] = {**drift["check"], "data": {"uri": RECENT}}
    elif not training.get("schedule"):
        unknown.append("reports of other tools: without spec.drift.check and spec.training.schedule nothing retrains")
    spec |= {
        "data": {name: each for name, each in spec["data"].items() if name != "labels"}
        | {"training": {"uri": TRAINING}},
        "training": {name: value for name, value in training.items() if name not in ("pod", "queue", "engine")},
        "rollout": {**rollout, "approval": "automatic"},
        "serving": {"replicas": 1},
        "storage": {"uri": STORAGE},
        **({"drift": drift} if drift else {}),
    }
    body = {"apiVersion": manifest.body.get("apiVersion"), "kind": "ModelDeployment", "spec": spec}
    return {**body, "metadata": {"name": manifest.name, "annotations": {}, "labels": {}}}, unknown


def span(text: str, option: str) -> int | timedelta:
    """A number (of rows or batches), or a duration such as 7d."""
    if text.isdecimal() and (int(text) > 0 or option != "--every"):
        return int(text)
    if re.fullmatch("[1-9][0-9]{0,5}[smhd]", text):
        return as_delta(text)
    raise CommandError(f"{option} {text}: give a number, or a duration such as 12h or 7d")


def span_text(length: int | timedelta) -> int | str:
    """A number as it is, and a duration as in a manifest, such as 7d."""
    if isinstance(length, int):
        return length
    seconds = int(length.total_seconds())
    unit, size = next(each for each in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if seconds % each[1] == 0)
    return f"{seconds // size}{unit}"
