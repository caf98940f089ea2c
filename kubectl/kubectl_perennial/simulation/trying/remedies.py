"""Which field of the manifest fixes each problem and each finding of the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from perennial_trainer.contract.errors import TaskError
from perennial_trainer.profiling.quality import Findings, describe_findings

FEATURES, ROWS, MISSING = "model.features", "data.training", "data.maxMissing"
FIELDS = {
    "AdoptedDoesNotFit": "adopt.uri",
    "AdoptedFileMissing": "adopt.uri",
    "AllMissingColumn": FEATURES,
    "CodeNotAllowed": "adopt.format",
    "ConstantFeatures": FEATURES,
    "ConstantTarget": "model.target",
    "DataTooLarge": "data.window",
    "DataUnreachable": ROWS,
    "DigestMismatch": "adopt.sha256",
    "DuplicateColumn": ROWS,
    "EmptyData": ROWS,
    "EngineOfOtherVersion": "training.engine",
    "EngineUnreachable": "training.engine.dask.address",
    "EstimatorOfOtherTask": "model.estimator",
    "FitFailed": "model.parameters",
    "FrameworkNotInstalled": "model.framework",
    "FutureTimes": "data.timeFormat",
    "HoldoutTooSmall": "data.holdout",
    "InfiniteValues": ROWS,
    "InvalidParameter": "model.parameters",
    "LibraryMismatch": "training.pod.image",
    "LibraryNotInstalled": "training.pod.image",
    "LeakingColumn": "data.allowLeaks",
    "MissingColumn": FEATURES,
    "MissingValues": "data.cleaning.missing",
    "MetricUndefined": "model.estimator",
    "NestedColumn": FEATURES,
    "NoFilesMatched": ROWS,
    "NotADeltaTable": f"{ROWS}.delta.uri",
    "NotAnIcebergTable": f"{ROWS}.iceberg.uri",
    "NonNumericFeature": f"{FEATURES}.categorical",
    "NonNumericTarget": "model.task",
    "PackageNotAllowed": "model",
    "PositiveClassNeeded": "model.positiveClass",
    "PredictFailed": "model.parameters",
    "QueryRefused": f"{ROWS}.sql.query",
    "SearchFailed": "training.search",
    "SingleClass": "model.target",
    "StoreNotConfigured": f"{ROWS}.secretRef",
    "TableOfVersions": ROWS,
    "TextNotSupported": "model.estimator",
    "TooFewRows": "data.minRows",
    "TooFewToCalibrate": "training.calibration",
    "TooManyClasses": "model.task",
    "TooManyMissing": MISSING,
    "UnknownEstimator": "model.estimator",
    "UnknownTransformer": "model.features.transformers",
    "UnknownMetric": "validation",
    "UnknownPositiveClass": "model.positiveClass",
    "UnknownScheme": ROWS,
    "UnknownScoring": "training.search.scoring",
    "UnreadableArtifact": "adopt.format",
    "UnreadableFile": "data.csv",
    "UnreadableTime": "data.timeFormat",
    "UntrustedArtifact": "adopt.format",
    "WindowNeedsTimeColumn": "data.timeColumn",
    "WorseThanBaseline": FEATURES,
}
"""Reason → the field that fixes it."""
OF_FINDINGS = {
    "leaks": FEATURES,
    "not_known": "model.target",
    "wide": f"{FEATURES}.categorical",
    "constant": FEATURES,
    "rare_classes": "model.target",
    "commonest_target_share": "validation.thresholds",
    "contradicting": FEATURES,
}
OF_SENTENCES = {
    "repeat another one": "data.cleaning.duplicates",
    "class beside two": "model.target",
    "time column": "data.timeFormat",
    "have no time": "data.timeFormat",
    "in the future": "data.timeFormat",
    "not numbers": "data.csv.nullValues",
    "cannot be used": "data.csv.nullValues",
    "is missing in": "data.maxMissing",
}
"""A part of a sentence about the cleaning or the reading → the field."""
NONE = Findings(constant=[], distinct_targets=0, commonest_target_share=0.0, rare_classes={}, contradicting=0)


class Remedy(NamedTuple):
    """What is wrong or unusual, in a sentence, and the field that fixes it."""

    field: str
    sentence: str
    reason: str = ""


def remedies_of(problems: Sequence[TaskError], target: str) -> list[Remedy]:
    """One for each problem for which a training was refused."""
    fields = {
        "data.csv.separator": "data.csv.separator",
        f"column {target} is missing": "model.target",
        f"{target} is missing;": "model.target",
    }
    return [
        Remedy(
            next((field for part, field in fields.items() if part in each.message), FIELDS.get(each.reason, "")),
            each.message,
            each.reason,
        )
        for each in problems
    ]


def remedies_of_findings(metrics: Mapping[str, Any], reading: Sequence[str]) -> Iterator[Remedy]:
    """One for each finding in a version's metrics.json, and for each note about the reading but the form of csv."""
    if stored := metrics.get("findings"):
        findings = msgspec.convert(stored, Findings)
        yield from (Remedy(_field_of(sentence), sentence) for sentence in findings.cleaning)
        for name, place in OF_FINDINGS.items():
            alone = msgspec.structs.replace(NONE, **{name: getattr(findings, name)})
            yield from (Remedy(place, sentence) for sentence in describe_findings(alone))
    yield from (Remedy(_field_of(note), note) for note in reading if "csv files have" not in note)


def _field_of(sentence: str) -> str:
    """Of a sentence about the cleaning or the reading, which has no other sign."""
    return next((field for part, field in OF_SENTENCES.items() if part in sentence), ROWS)
