"""A manifest from a file alone: what each column is, an estimator that learns it, and limits from how well it does."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubectl_perennial.errors import CommandError
from kubectl_perennial.simulation.drafting.choice import Measured, choose, cleaned_rows, leaks_in, measure
from kubectl_perennial.simulation.drafting.columns import Kinds, kinds_of
from kubectl_perennial.simulation.drafting.table import TextTable, read_text
from kubectl_perennial.simulation.manifest import Manifest, checked
from kubectl_perennial.simulation.trying.recognised import recognise
from perennial_operator.core.api.values import shown
from perennial_trainer.contract.data import CsvFormat
from perennial_trainer.metrics.computation import Measurement

Spec = dict[str, Any]
FEWEST_ROWS = 100
"""Fewer do not leave 30 rows for the gate and enough for a training."""
USUAL_ROWS = 200
CHANCE = 3
"""Standard errors between what was measured and a limit."""
LARGEST_CHECK = 1000


@dataclass(frozen=True)
class Places:
    """Where the rows and the versions will be in the cluster."""

    training: Mapping[str, Any]
    storage: Mapping[str, Any]
    pod: Mapping[str, Any] | None = None
    """Fields of the pods that mount the rows."""


@dataclass(frozen=True)
class Draft:
    """The manifest, and a sentence for each decision."""

    manifest: Manifest
    notes: tuple[str, ...]


def draft_manifest(uri: str, target: str, name: str, places: Places, now: Any, csv: CsvFormat) -> Draft:
    """The manifest for the rows at the URI; `csv` is their known form. CommandError if they teach nothing."""
    table = read_text(uri, target, csv)
    if table.rows < FEWEST_ROWS:
        raise CommandError(f"{table.rows} rows are too few to prove a model: collect {FEWEST_ROWS} at least")
    kinds = kinds_of(table, target)
    spec = recognise(_first_spec(table, kinds, places), uri, now).spec
    cleaned = cleaned_rows(spec, uri)
    read = spec["model"]["features"]
    for feature, why in leaks_in(cleaned).items():
        _leave_out(spec, kinds, feature, f"it {why}, so it may not be known at prediction")
    if not spec["model"]["features"]:
        raise CommandError(f"each feature alone predicts {target}: give a file with what is known at prediction")
    wanted = _names(spec["model"]["features"])
    spec["model"] = choose(spec, cleaned).in_model(spec["model"])
    for feature in (name for name in wanted if name not in _names(spec["model"]["features"])):
        kinds.left_out[feature] = "the model is not better with it by more than chance"
    if spec["model"]["features"] != read:  # a feature is no longer read
        cleaned = cleaned_rows(spec, uri)
    chosen = measure(spec, cleaned)
    spec["validation"] = {"thresholds": list(_thresholds(spec, chosen))}
    spec["drift"] = _drift(spec, places, chosen)
    spec["storage"] = dict(places.storage)
    ordered = {key: spec[key] for key in ("model", "data", "training", "drift", "validation", "storage") if key in spec}
    body = {"apiVersion": "perennial.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": name}}
    manifest = checked(Manifest({**body, "spec": ordered}), "the draft")
    return Draft(manifest, tuple(_notes(kinds, spec, chosen)))


def _first_spec(table: TextTable, kinds: Kinds, places: Places) -> Spec:
    """All but what is measured."""
    by_kind: Spec = {"numeric": list(kinds.numeric), "categorical": list(kinds.categorical)}
    by_kind |= {"text": [{"column": name} for name in kinds.text], "derived": kinds.time.derived if kinds.time else []}
    features = {kind: names for kind, names in by_kind.items() if names}
    model: Spec = {"estimator": "sklearn.dummy.Dummy", "task": kinds.task, "features": features, "target": kinds.target}
    data: Spec = {"training": dict(places.training)}
    if kinds.time:
        data["timeColumn"] = kinds.time.name
        if kinds.time.time_format:
            data["timeFormat"] = kinds.time.time_format
    form = {"separator": table.csv.separator, "decimal": table.csv.decimal, "thousands": table.csv.thousands}
    if known := {name: sign for name, sign in form.items() if sign}:
        data["csv"] = known
    if table.rows < 2 * USUAL_ROWS:
        data |= {"holdout": 0.3 if table.rows >= USUAL_ROWS else 0.4, "minRows": table.rows * 4 // 5}
    if kinds.most_missing > 0.05:
        data["cleaning"] = {"missing": "impute"}
    if kinds.most_missing > 0.15:
        data["maxMissing"] = min(1.0, math.ceil(kinds.most_missing * 10 + 1) / 10)
    training = {"training": {"pod": dict(places.pod)}} if places.pod else {}
    return {"model": model, "data": data, **training}


def _leave_out(spec: Spec, kinds: Kinds, feature: str, why: str) -> None:
    kinds.left_out[feature] = why
    features = spec["model"]["features"]
    left = {kind: [each for each in features[kind] if _name(each) != feature] for kind in features}
    spec["model"]["features"] = {kind: names for kind, names in left.items() if names}


def _name(feature: str | Mapping[str, Any]) -> str:
    """Of a column, a text or a derived feature."""
    return feature if isinstance(feature, str) else str(feature.get("name") or feature["column"])


def _names(features: Mapping[str, Any]) -> list[str]:
    return [_name(each) for kind in features.values() for each in kind]


def _thresholds(spec: Spec, chosen: Measured) -> Iterator[Spec]:
    """Limits three standard errors below what was measured, which the training of the same rows meets."""
    measured = chosen.measured
    if spec["model"]["task"] == "regression":
        if "r2" in measured and (low := _floor(measured["r2"].value - CHANCE * _error_of_r2(measured))) >= 0:
            yield {"metric": "r2", "min": low}
        return
    for name, rows in (("recall", chosen.positives), ("precision", chosen.positives)):
        if name in measured and spec["model"].get("positiveClass") and rows:
            value = measured[name].value
            if (low := _floor(value - CHANCE * _error_of_share(value, rows))) > 0:
                yield {"metric": name, "min": low}
    if "positiveClass" not in spec["model"]:
        value = measured["accuracy"].value
        low = _floor(value - CHANCE * _error_of_share(value, chosen.holdout_rows))
        if low > chosen.baseline["accuracy"].value:
            yield {"metric": "accuracy", "min": low}


def _error_of_r2(measured: Mapping[str, Measurement]) -> float:
    """As the mean squared error has it, for the same variance of the target."""
    mse = measured["mse"]
    return (mse.standard_error or 0.0) * (1 - measured["r2"].value) / mse.value if mse.value else 0.0


def _error_of_share(share: float, rows: int) -> float:
    """Of a share of so many rows; never nothing, also where all or none were right (after Agresti and Coull, 1998)."""
    adjusted = (share * rows + 2) / (rows + 4)
    return math.sqrt(adjusted * (1 - adjusted) / (rows + 4))


def _floor(value: float) -> float:
    return math.floor(value * 100) / 100


def _drift(spec: Spec, places: Places, chosen: Measured) -> Spec:
    """A daily check of as many of the newest rows as were held back, by the loss that was measured."""
    losses = ("mse",) if spec["model"]["task"] == "regression" else ("log_loss", "accuracy")
    loss = next(each for each in losses if each in chosen.measured)
    rows = min(LARGEST_CHECK, chosen.holdout_rows)
    return {
        "check": {"schedule": "0 3 * * *", "data": dict(places.training), "window": rows},
        "thresholds": [{"metric": loss, "maxIncrease": 0.05, "sigmas": 3}],
        "minSamples": min(USUAL_ROWS, rows),
    }


def _notes(kinds: Kinds, spec: Spec, chosen: Measured) -> Iterator[str]:
    """A sentence for each decision, for the head of the file."""
    yield f"task {kinds.task}: {kinds.why_task}"
    if positive := spec["model"].get("positiveClass"):
        yield f"positive class {positive}: precision and recall are of it; name the other one if you look for that"
    if kinds.time:
        form = kinds.time.time_format or "ISO 8601"
        yield f"time {kinds.time.name}, read as {form}: the newest rows prove the model"
        if kinds.time.ambiguous:
            yield "each day of it could be a month, too: correct data.timeFormat if the month is first"
    else:
        yield "no column of times: random rows prove the model, and a version is not refitted to them"
    name = "r2" if kinds.task == "regression" else "accuracy"
    base = chosen.baseline.get(name)
    beside = f", {shown(base.value)} without features" if base else ""
    estimator = spec["model"]["estimator"].rpartition(".")[2]
    value = shown(chosen.measured[name].value)
    yield f"{estimator}: {name} {value} on {chosen.holdout_rows} rows held back{beside}"
    if not spec["validation"]["thresholds"]:
        yield "no limit: the model is not better than one without features by more than chance; give features that are"
    for each in spec["model"]["features"].get("text", []):
        yield f"text {each['column']}: the words are counted; the rows held back, which are stored, have the texts"
    if kinds.time and (derived := spec["model"]["features"].get("derived")):
        yield f"from {kinds.time.name}, in UTC: {', '.join(map(_name, derived))}; a local clock needs calendar.timeZone"
    for feature, why in kinds.left_out.items():
        yield f"left out {feature}: {why}"


def name_of_file(path: str) -> str:
    """A name of an object from that of a file."""
    stem = path.rstrip("/").rpartition("/")[2].partition(".")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:40].strip("-") or "model"
