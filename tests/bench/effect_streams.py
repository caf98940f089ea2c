"""The streams of `bench_effect`: those that the project ships, written as a folder such as STREAMS gives.

A stream is NAME.yaml, a ModelDeployment with the annotations `stream/rows-a-batch` and `stream/first-batches`, beside
NAME.parquet. A stream whose name begins with `ctl-` is a control: nothing in it needs a training.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from kubectl_perennial.simulation.history import History, columns_of, read_history
from kubectl_perennial.simulation.manifest import FIRST, ROWS, Manifest, checked, read_manifest

Floats = NDArray[np.float64]
DEMO = Path(__file__).parents[1] / "demo"
WEEK = 168  # hours
CONTROL = "ctl-"
NAMES = [f"x{number}" for number in range(5)]
WEIGHTS: Floats = np.array([[3.0, -2.0, 1.0, 0.5, 0.0], [-1.0, 2.0, 2.0, -0.5, 1.0], [1.0, 1.0, -3.0, 0.0, -2.0]])
"""Of the features, by regime."""
NOISE = 0.5


@dataclass(frozen=True)
class Stream:
    """One history with its manifest."""

    manifest: Manifest
    history: History

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def is_control(self) -> bool:
        return self.name.startswith(CONTROL)

    @property
    def every(self) -> int:
        return self._annotation(ROWS)

    @property
    def first(self) -> int:
        return self._annotation(FIRST)

    def _annotation(self, name: str) -> int:
        value = self.manifest.annotation(name)
        if value is None:
            raise SystemExit(f"{self.name}.yaml has no annotation {name}: give a number")
        return value


def read_streams(folder: Path) -> list[Stream]:
    """All streams of the folder, by name."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise SystemExit(f"{folder} has no stream: give a folder with NAME.yaml beside NAME.parquet")
    manifests = [read_manifest(str(file)) for file in files]
    rows = [str(file.with_suffix(".parquet")) for file in files]
    return [
        Stream(each, read_history([path], columns_of(each.spec))) for each, path in zip(manifests, rows, strict=True)
    ]


def write_shipped(folder: Path, seed: int) -> None:
    """The folder has the demo's year and a stream of each kind of drift."""
    _write_bike(folder)
    for number, kind in enumerate(KINDS):
        write_synthetic(folder, kind, seed + number)


def _write_bike(folder: Path) -> None:
    """Weeks of the demo, with the limit on the loss alone: the two on the weather alarm in every week."""
    rows = pd.concat([pd.read_parquet(file) for file in sorted((DEMO / "data").glob("*.parquet"))])
    body = copy.deepcopy(dict(read_manifest(str(DEMO / "bike-demand.yaml")).body))
    del body["spec"]["drift"]["thresholds"][1:]
    body["metadata"]["annotations"] = {ROWS: str(WEEK), FIRST: "6"}
    _write(folder, "bike", body, rows)


def write_synthetic(folder: Path, kind: str, seed: int, batches: int = 48, rows: int = 200) -> None:
    """The folder has a stream of the kind: a linear relation, a batch a day, a drift by chance of the seed alone."""
    generator, count = np.random.default_rng(seed), batches * rows
    progress = np.arange(count) / count
    features = generator.normal(size=(count, len(NAMES)))
    if kind == "ctl-covariate":
        features += np.where(progress < 0.5, 0.0, 1.5)[:, None]
    target = (features * KINDS[kind](progress)).sum(axis=1) + generator.normal(size=count) * NOISE
    classes = kind == "gradual"
    at = pd.Timestamp("2026-01-01") + pd.to_timedelta((np.arange(count) + 0.5) / rows, unit="D")
    table = pd.DataFrame(features, columns=NAMES)
    table = table.assign(y=np.where(target > 0, "yes", "no") if classes else target, at=at.astype("datetime64[us]"))
    _write(folder, kind, _manifest(rows, max(6, batches // 6), classes), table)


def _sudden(*regimes: int) -> Callable[[Floats], Floats]:
    """The regimes one after the other, for equal times."""
    return lambda progress: WEIGHTS[np.take(regimes, (progress * len(regimes)).astype(int))]


def _gradual(progress: Floats) -> Floats:
    """From the first regime to the second, in the middle two thirds of the time."""
    share = np.clip(progress * 1.5 - 0.25, 0.0, 1.0)[:, None]
    weights: Floats = (1 - share) * WEIGHTS[0] + share * WEIGHTS[1]
    return weights


KINDS: dict[str, Callable[[Floats], Floats]] = {
    "abrupt": _sudden(0, 1, 2),
    "gradual": _gradual,
    "recurring": _sudden(0, 1, 0, 1, 0, 1),
    "ctl-covariate": _sudden(0),
    "ctl-none": _sudden(0),
}
"""Stream → the weights of the features at each row."""


def _manifest(rows: int, first: int, classes: bool) -> dict[str, Any]:
    uri = {"uri": "file:///data/rows.parquet"}
    estimator = "LogisticRegression" if classes else "LinearRegression"
    check = {"schedule": "0 0 * * *", "data": uri, "window": rows}
    return {
        "apiVersion": "perennial.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"annotations": {ROWS: str(rows), FIRST: str(first)}},
        "spec": {
            "model": {
                "estimator": f"sklearn.linear_model.{estimator}",
                "task": "classification" if classes else "regression",
                "features": {"numeric": NAMES},
                "target": "y",
            },
            "data": {"training": uri, "timeColumn": "at"},
            "drift": {
                "check": check,
                "minSamples": min(200, rows),
                "thresholds": [{"metric": "log_loss" if classes else "mse", "maxIncrease": 0.05, "sigmas": 3}],
            },
            "storage": {"persistentVolumeClaim": {"claimName": "models"}},
        },
    }


def _write(folder: Path, name: str, body: dict[str, Any], rows: pd.DataFrame) -> None:
    body["metadata"]["name"] = name
    checked(Manifest(body), name)
    rows.to_parquet(folder / f"{name}.parquet", index=False)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(body, sort_keys=False))
