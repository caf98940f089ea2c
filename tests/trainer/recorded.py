"""Versions in a model's folder, and the tasks that record and find them."""

import json
from typing import Any

from perennial_trainer.storage import store
from perennial_trainer.storage.digest import sha256_digest
from tests.trainer.tasks import Json, a_model, changed

DEPLOYMENT = "progression"
FILES = ("model.joblib", "holdout.parquet", "profile.json", "rows.npy", "metrics.json", "report.html")


def stored_version(storage: str, number: int, phase: str = "Live", day: int | None = None) -> Json:
    """A version of this number is stored; what is to be recorded of it."""
    name, at = f"{DEPLOYMENT}-v{number}", f"2026-11-{day or number:02}T12:00:00Z"
    folder, files = f"{storage}/{name}", {each: f"{each} of {name}".encode() for each in FILES}
    listed = {each: {"sha256": sha256_digest(content), "bytes": len(content)} for each, content in files.items()}
    store.write_files(folder, {**files, "metadata.json": json.dumps({"files": listed, "seed": 0}).encode()})
    model, holdout = "model.joblib", "holdout.parquet"
    return {
        "task": "record",
        "namespace": "clinic",
        "modelDeployment": DEPLOYMENT,
        "version": name,
        "storage": storage,
        "entry": {
            "name": f"202611{day or number:02}T120000Z-v{number}-{phase}",
            "trigger": {"reason": "Drift", "message": "psi of bmi is 0.3"},
            "recipe": {"model": a_model(), "data": {"window": "all"}},
            "status": {
                "phase": phase,
                **({"liveSince": at} if phase == "Live" else {"endedAt": at, "reason": "WorseThanLive"}),
                "image": "trainer:1",
                "artifact": {"uri": f"{folder}/{model}", **listed[model]},
                "data": {
                    "rows": 1,
                    "holdoutRows": 1,
                    "sha256": "0" * 64,
                    "holdoutUri": f"{folder}/{holdout}",
                    "holdoutSha256": listed[holdout]["sha256"],
                },
            },
        },
    }


def sought(record: Json, **changes: Any) -> Json:
    """The task to find what is live, asked for by the recipe of this record."""
    kept = {key: record[key] for key in ("namespace", "modelDeployment", "storage")}
    return changed({"task": "recover", **kept, "recipe": record["entry"]["recipe"]}, **changes)
