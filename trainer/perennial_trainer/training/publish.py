"""The files and the result of a training."""

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET
from sklearn.pipeline import Pipeline

from perennial_trainer.artifacts import metadata
from perennial_trainer.artifacts.adopted import MAY_FLATTER, adopted_model
from perennial_trainer.artifacts.fitted_model import model_file_name, model_files
from perennial_trainer.artifacts.metadata import DataRecord, Metadata
from perennial_trainer.contract import result
from perennial_trainer.contract.task import Model, TrainTask
from perennial_trainer.data.categories import NO_CLASS
from perennial_trainer.data.holdout import independent_rows
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.rows import Rows
from perennial_trainer.data.window import time_range
from perennial_trainer.metrics.computation import Measurement
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.models.frameworks.entry_points import packages_of
from perennial_trainer.models.frameworks.registry import framework_of
from perennial_trainer.models.seed import SEED
from perennial_trainer.profiling.build import build_profile
from perennial_trainer.profiling.profile import ProfileMetric, encode_profile
from perennial_trainer.profiling.quality import describe_findings
from perennial_trainer.storage import store as storage
from perennial_trainer.storage.digest import sha256_digest
from perennial_trainer.storage.listing import display_uri
from perennial_trainer.storage.version_files import METADATA, REFIT, StoredFile
from perennial_trainer.training.blending.blend import Blend, history_of
from perennial_trainer.training.blending.outcome import blend_facts, blend_result, what_was_made
from perennial_trainer.training.refit import Refitted, added_digests, reference_rows
from perennial_trainer.training.row_sets import RowSets
from perennial_trainer.training.search import SearchResult
from perennial_trainer.training.training_page import draw_training
from perennial_trainer.training.version_folder import create_folder

HOLDOUT = "holdout.parquet"
MODEL = "model"  # the name of the file without its format
MOST_FINDINGS, MAX_FINDING = 20, 240  # in the result; characters of each
MOST_IN_MESSAGE = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """A finished training that is not stored yet; `scored`, `measurements` and `baseline` are of the holdout."""

    task: TrainTask
    rows: RowSets
    search: SearchResult | None
    parameters: dict[str, Any]
    pipeline: Pipeline
    scored: ScoredRows
    measurements: dict[str, Measurement]
    baseline: dict[str, Measurement]
    notes: Notes
    refit: Refitted | None = None
    blend: Blend | None = None

    @property
    def learned(self) -> Rows:
        """The rows that the model may know: an adopted one may have learned those of its holdout, too."""
        return self.rows.cleaned.rows if self.task.adopt else self.rows.training


def store_training(training: Training) -> result.TrainResult:
    """Stores all files of the version, `metadata.json` last: the same bytes for the same data and task."""
    task, rows = training.task, training.rows
    files = _files(training)
    record = _record(training, files)
    create_folder(task)
    storage.remove_file(storage.child_uri(task.storage, METADATA))  # while files change, the version is incomplete
    encoded = metadata.encode_metadata(record)
    storage.write_files(task.storage, files | {METADATA: encoded})
    log.info("stored %s files, %s bytes, in %s", len(files) + 1, sum(map(len, files.values())), task.storage)
    findings = [each[:MAX_FINDING] for each in describe_findings(rows.findings)]
    sentences = [MAY_FLATTER, *findings] if task.adopt else findings

    def artifact(name: str) -> result.Artifact:
        file = record.files[model_file_name(task.model, name)]
        uri = storage.child_uri(task.storage, model_file_name(task.model, name))
        return result.Artifact(uri=uri, sha256=file.sha256, bytes=file.bytes, metadata_sha256=sha256_digest(encoded))

    return result.TrainResult(
        message=f"{what_was_made(task, rows, training.blend)}, scored on {len(rows.holdout)} rows of the holdout"
        + "".join(f"; {each}" for each in findings[:MOST_IN_MESSAGE])
        + training.notes.suffix(),
        artifact=artifact(MODEL),
        data=_facts(training, record),
        metrics={name: measurement.value for name, measurement in training.measurements.items()},
        parameters=training.parameters,
        findings=sentences[:MOST_FINDINGS] or UNSET,
        refit=_refit_result(training.refit, artifact) if training.refit else UNSET,
        blend=blend_result(task, rows, training.blend) or UNSET,
    )


def _facts(training: Training, record: Metadata) -> result.Data:
    data, known = record.data, history_of(training.rows, training.blend)
    return result.Data(
        rows=data.rows,
        holdout_rows=data.holdout_rows,
        history_rows=known.rows,
        fitted_until=(known.end or UNSET) if training.blend else UNSET,
        sha256=data.sha256,
        holdout_uri=storage.child_uri(training.task.storage, HOLDOUT),
        holdout_sha256=record.files[HOLDOUT].sha256,
        start=data.start or UNSET,
        end=data.end or UNSET,
        snapshot=training.notes.snapshot or UNSET,
        future_rows=training.notes.future_rows or UNSET,
    )


def _refit_result(refit: Refitted, artifact: Callable[[str], result.Artifact]) -> result.Refit:
    if refit.pipeline is None:
        return result.Refit(message=refit.message)
    return result.Refit(
        message=refit.message, artifact=artifact(REFIT), rows=refit.rows or UNSET, quality=list(refit.quality) or UNSET
    )


def _files(training: Training) -> dict[str, bytes]:
    rows = training.rows
    metrics = msgspec.json.format(msgspec.json.encode(_metrics(training)), indent=2)
    learned = training.learned
    reference, digests = rows.reference, {"rows.npy": np.sort(learned.units)}
    if learned.group is not None:
        digests["groups.npy"] = np.unique(learned.group)
    models = {MODEL: training.pipeline}
    if training.refit and training.refit.pipeline:
        models[REFIT] = training.refit.pipeline
        reference, digests = reference_rows(rows), digests | added_digests(rows)
    profile = build_profile(
        reference, training.scored, _profile_metrics(training.measurements), independent_rows(rows.holdout)
    )
    return {
        **{
            file: content
            for name, pipeline in models.items()
            for file, content in model_files(training.task.model, name, pipeline, rows.holdout).items()
        },
        **{name: _npy(each) for name, each in digests.items()},
        HOLDOUT: _parquet(rows.holdout),
        "profile.json": encode_profile(profile),
        "metrics.json": metrics,
        "report.html": _page(training, metrics),
    }


def _record(training: Training, files: dict[str, bytes]) -> Metadata:
    task, rows = training.task, training.rows
    fitted_range, range_of_all = time_range(rows.fitted), time_range(rows.cleaned.rows)
    return Metadata(
        namespace=task.namespace,
        model_deployment=task.model_deployment,
        version=task.version,
        model=task.model,
        parameters=training.parameters,
        source=msgspec.structs.replace(task.data, uri=display_uri(task.data.uri)) if task.data.uri else task.data,
        search=task.search,
        calibration=task.calibration,
        adopted=adopted_model(task, training.pipeline),
        data=DataRecord(
            sha256=rows.cleaned.rows.fingerprint,
            roles=rows.training.roles(),
            rows=len(rows.fitted),
            holdout_rows=len(rows.holdout),
            start=fitted_range.get("start"),
            end=range_of_all.get("end"),
            trained_until=time_range(training.learned).get("end"),
            span=rows.span.name,
            counts=rows.cleaned.counts,
            history=history_of(rows, training.blend),
            snapshot=training.notes.snapshot or None,
        ),
        seed=SEED,
        python=metadata.python_version(),
        libraries=metadata.library_versions(_libraries(task.model)),
        files={name: StoredFile(sha256=sha256_digest(each), bytes=len(each)) for name, each in files.items()},
    )


def _libraries(model: Model) -> tuple[str, ...]:
    """Those of the framework, and the packages of estimators that are not the trainer's own."""
    return *framework_of(model).LIBRARIES, *sorted(set(packages_of(msgspec.to_builtins(model))))


def _metrics(training: Training) -> dict[str, Any]:
    """All measurements, which are more than fit into the result."""
    return {
        "metrics": _profile_metrics(training.measurements),
        "baseline": _profile_metrics(training.baseline),
        "average": _average(training.scored),
        "search": training.search,
        "spans": training.rows.span.tried,
        "outliers": training.rows.outliers,
        "missing": training.rows.cleaned.missing,
        "findings": training.rows.findings,
        "refit": training.refit.facts if training.refit else None,
        "blend": blend_facts(training.task, training.rows, training.blend),
        "reading": training.notes.sentences(),
        "trigger": training.task.trigger,
    }


def _average(scored: ScoredRows) -> str | None:
    """Which class f1, precision and recall are of; None if they are not measured."""
    if scored.positive is None:
        return "macro" if len(scored.classes) > 2 else None
    return None if scored.positive == NO_CLASS else f"of class {scored.classes[scored.positive]}"


def _profile_metrics(measurements: dict[str, Measurement]) -> dict[str, ProfileMetric]:
    return {name: ProfileMetric(value=m.value, standard_error=m.standard_error) for name, m in measurements.items()}


def _page(training: Training, metrics: bytes) -> bytes:
    task = training.task
    return draw_training(
        task,
        _record(training, {}),
        metrics,
        training.scored,
        training.measurements,
        training.baseline,
        what_was_made(task, training.rows, training.blend),
    )


def _parquet(rows: Rows) -> bytes:
    buffer = io.BytesIO()
    rows.table_with_others().to_parquet(buffer, index=False)
    return buffer.getvalue()


def _npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
