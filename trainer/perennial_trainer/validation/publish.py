"""The files of a validation: `validation.json` with its result and details, and the version's `validation.html`."""

import json
from typing import Any

import msgspec

from perennial_trainer.artifacts import metadata
from perennial_trainer.artifacts.metadata import Metadata
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.result import ValidateResult
from perennial_trainer.contract.task import ValidateTask, Version
from perennial_trainer.storage import store
from perennial_trainer.storage.digest import read_verified
from perennial_trainer.validation.details import Details
from perennial_trainer.validation.validation_page import draw_validation

METRICS = "metrics.json"


def validation_files(task: ValidateTask, result: ValidateResult, details: Details) -> dict[str, bytes]:
    """`validation.json` and `validation.html`. Raises a RejectedTask: ArtifactMissing, DigestMismatch."""
    extra = {"metric": details.metric, "groups": details.slices, "importances": details.importances}
    content = msgspec.to_builtins(result) | msgspec.to_builtins(extra)
    record = metadata.load_metadata(task.candidate)
    return {
        "validation.json": msgspec.json.format(msgspec.json.encode(content), indent=2),
        "validation.html": draw_validation(task, result, details, record, _stored_metrics(task.candidate, record)),
    }


def _stored_metrics(version: Version, record: Metadata) -> dict[str, Any]:
    """The version's metrics.json, whose digest was checked."""
    uri = store.sibling_uri(version.uri, METRICS)
    try:
        content = read_verified(uri, record.files[METRICS].sha256)
    except (FileNotFoundError, KeyError) as error:
        raise RejectedTask(
            "ArtifactMissing", f"{uri} does not exist, so version {version.name} is incomplete"
        ) from error
    metrics: dict[str, Any] = json.loads(content)
    return metrics
