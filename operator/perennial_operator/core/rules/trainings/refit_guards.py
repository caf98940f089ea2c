"""Does the refit serve in place of the model that was validated?

The refit has learned the holdout, so its metrics there prove nothing by themselves. What is proven is the recipe; these
guards find a refit that went wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from perennial_operator.core.api.artifacts import Refit
from perennial_operator.core.api.drift import DataQuality
from perennial_operator.core.api.metric_table import LOSSES
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.validation import Against, ValidationSpec
from perennial_operator.core.api.values import shown
from perennial_operator.core.rules.data_quality import MISSING, NEW
from perennial_operator.core.rules.job_results import RefitMeasured, Validated
from perennial_operator.core.rules.validation_gate import failed_slice, failed_thresholds
from perennial_operator.core.world import World

NEGLIGIBLE = 1e-6
"""Models whose answers differ by no more, as a share of the target's variance, answer alike."""


def judged_refit(world: World, version: ModelVersion, against: Against, result: Validated) -> Refit | None:
    """The refit of a version that passes the gate, with whether it serves or why not; None without one."""
    refit = version.status.refit
    if refit is None or refit.artifact is None:
        return refit
    live = world.live.name if world.live else None
    quality = world.spec.drift.quality if world.spec.drift else DataQuality()
    blocker = next(_blockers(world, refit, quality), None) or next(
        _failed_guards(world.spec.validation, against, result, live), None
    )
    if blocker is None:
        return refit.model_copy(update={"serves": True, "message": f"the model that serves is {_what(refit)}"})
    return refit.model_copy(
        update={"serves": False, "message": f"the validated model serves, and not its refit: {blocker}"}
    )


def is_unwanted(world: World, version: ModelVersion) -> bool:
    """Whether the refit of a candidate was to serve, and spec.training.refit is false by now."""
    refit = version.status.refit
    return refit is not None and refit.serves and not world.spec.training.refit


def artifact_fields(refit: Refit | None) -> dict[str, Any]:
    """The fields of the status by which one of the two models serves."""
    if refit is None or refit.artifact is None:
        return {}
    return {"refit": refit, "artifact": refit.artifact if refit.serves else refit.proven}


def proving_fields(version: ModelVersion) -> dict[str, Any]:
    """The fields of the status by which the model that is validated is the version's artifact again."""
    refit = version.status.refit
    if refit is None or not refit.serves:
        return {}
    return artifact_fields(refit.model_copy(update={"serves": False, "message": f"a second model is {_what(refit)}"}))


def _what(refit: Refit) -> str:
    if refit.rows is None:
        return "the validated models with weights that all rows of the holdout decide"
    return f"the proven recipe fitted again to {refit.rows} rows, the holdout included"


def _blockers(world: World, refit: Refit, quality: DataQuality) -> Iterator[str]:
    """What the spec says against the refit, whatever the validation has measured."""
    if not world.spec.training.refit:
        yield "spec.training.refit is false"
    if refit.proven is None:
        yield "its status does not say which model was validated"
    limits = {MISSING: ("maxMissing", quality.max_missing), NEW: ("maxNew", quality.max_new)}
    what = {MISSING: "is missing in {:.0%} more of the holdout rows than of the training rows"}
    for each in refit.quality:
        field, limit = limits.get(each.name, ("", None))
        if limit is not None and each.value > limit:
            text = what.get(each.name, "has a value that is new in {:.0%} of the holdout rows").format(each.value)
            yield f"{each.feature} {text}, and spec.drift.quality.{field} is {limit:g}"


def _failed_guards(validation: ValidationSpec, against: Against, result: Validated, live: str | None) -> Iterator[str]:
    measured = result.refit
    if measured is None:
        yield "the validation has not measured it"
        return
    yield from (each.message for each in failed_thresholds(validation, measured.metrics, result.holdout_rows))
    yield from _worse(against.metric, measured, result)
    if measured.difference > max(measured.error, NEGLIGIBLE):
        yield (
            f"its answers on the holdout differ from those of the validated model by {shown(measured.difference)}, and "
            f"those differ from the target by only {shown(measured.error)}"
        )
    if live is not None:
        failed = (failed_slice(limit, measured.slices, live) for limit in validation.slices)
        yield from (each.message for each in failed if each)


def _worse(metric: str, measured: RefitMeasured, result: Validated) -> Iterator[str]:
    """Rows that a model has learned are never worse to it than before, if its fit went well."""
    new, old = measured.metrics.get(metric), result.metrics.candidate.get(metric)
    if new is None or old is None:
        yield f"{metric} was not measured on the holdout"
    elif measured.difference > NEGLIGIBLE and (new > old if metric in LOSSES else new < old):
        yield f"its {metric} on the holdout is {shown(new)}, worse than the validated model's {shown(old)}"
