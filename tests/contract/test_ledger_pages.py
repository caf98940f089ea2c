"""A page of the ledger that the operator refuses, the trainer refuses too: an older good one is taken then."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from perennial_operator.core.manifests.ledger_jobs import record_manifest
from perennial_operator.core.rules.job_results import Recovered, job_result
from perennial_operator.core.stages.recovered_version import without_untrusted
from perennial_operator.core.world import Job, JobState
from perennial_trainer.contract.ledger_entry import LedgerEntry, restorable
from tests.builders import a_version, a_world, task_of
from tests.contract.test_tasks_of_the_operator import ARTIFACT, DATA, RECOVERED

Json = dict[str, Any]
OURS = "s3://models/perennial/default/bike/bike-v2"
MODEL = ARTIFACT | {"uri": f"{OURS}/model.joblib", "metadataSha256": "b" * 64}
TIMES = {"start": "2026-01-01T00:00:00Z", "end": "2026-11-22T23:00:00Z", "fittedUntil": "2026-11-22T23:00:00Z"}
STATUS = {
    "image": "trainer:1",
    "artifact": MODEL,
    "refit": {
        "serves": True,
        "message": "fitted to all rows",
        "rows": 1000,
        "artifact": MODEL,
        "proven": MODEL,
        "quality": [{"name": "new_share", "feature": "city", "value": 0.1}],
    },
    "blend": {"models": 3, "fits": 1, "message": "3 models"},
    "data": {**DATA, **TIMES, "holdoutUri": f"{OURS}/holdout.parquet", "historyRows": 5000, "snapshot": "version 12"},
    "parameters": {"alpha": 0.1, "layers": [8, 8]},
    "metrics": {"candidate": {"mse": 1.5}, "live": {"mse": 2}, "standardErrors": {"mse": 0.1}},
    "metric": "mse 1.5 (live 2)",
    "liveSince": "2026-11-23T12:00:00Z",
    "reason": "WorseThanLive",
    "endedAt": "2026-11-23T13:00:00Z",
    "message": "worse",
}
TRIGGER = {"reason": "Drift", "message": "psi is 0.3", "driftReport": "october", "request": "now"}
DEEP: Any = []
for _ in range(40):
    DEEP = [DEEP]
VALUES = [
    *(None, True, -1, 0.5, 2**63, -(2**63), [], [None], {}, {"": 2**64}, DEEP, [DEEP[0]] * 200),
    *("", "yesterday", "0.5", "-", "\x1b[2J", "x" * 64, "x" * 5000, "UPPER", "Training", "Live", "RolledBack"),
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00", "2026-11-23T23:59:60Z"),
    *("2026-11-23", "2026-11-23t12:00:00z", "20261123T120000Z", "+10000-01-01T00:00:00Z"),
]


def an_entry(phase: str) -> Json:
    """What the operator records of a version that has everything a status can have."""
    version = a_version(2, phase, {"trigger": TRIGGER, "parent": "bike-v1"}, STATUS)
    return dict(task_of(record_manifest(a_world(versions=(version,)), version))["entry"])


def changed(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The value with each of its parts replaced, and then missing."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        for other in VALUES:
            yield (*path, key, other), {**value, key: other} if isinstance(value, dict) else [other]
        if isinstance(value, dict):
            yield (*path, key, "missing"), {name: each for name, each in value.items() if name != key}
        for where, inner in changed(value[key], (*path, key)):
            whole = deepcopy(value)
            whole[key] = inner
            yield where, whole


def read_by_trainer(entry: Json) -> Json | None:
    """The version that it reports, or None if it refuses the page."""
    try:
        page = restorable(msgspec.convert(msgspec.json.decode(msgspec.json.encode(entry)), LedgerEntry))
    except ValueError:
        return None
    reported = {"number": 2, "entry": page.name, "trigger": page.trigger, "status": page.status}
    return reported | ({"parent": page.parent} if page.parent else {})


def is_restored(version: Json) -> bool:
    """Whether the operator takes what the trainer reports, and without a word."""
    job = Job("bike-recover", JobState.SUCCEEDED, answer=RECOVERED | {"versions": [version]})
    result = job_result(job, Recovered)
    return isinstance(result, Recovered) and not without_untrusted(a_world(), result).passed_over


@pytest.mark.parametrize("phase", ["Live", "Rejected", "RolledBack"])
def test_pages_of_the_operator_are_read(phase: str) -> None:
    entry = an_entry(phase)
    version = read_by_trainer(entry)
    assert version
    assert version["status"] == entry["status"]
    assert is_restored(version)


@pytest.mark.parametrize("phase", ["Live", "Rejected"])
def test_page_that_the_operator_refuses_is_replaced(phase: str) -> None:
    entry = an_entry(phase)
    parts = {key: entry[key] for key in ("trigger", "status", "parent")}
    read = [(where, version) for where, each in changed(parts) if (version := read_by_trainer(entry | each))]
    assert len(read) > 100
    assert [where for where, version in read if not is_restored(version)] == []


def test_fields_that_are_not_restored_refuse_no_page() -> None:
    entry = an_entry("Live")
    more = {"conditions": 5, "rollout": "x", "of a later release": 2**70}
    version = read_by_trainer(entry | {"status": entry["status"] | more})
    assert version
    assert version["status"] == entry["status"]
