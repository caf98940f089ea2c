"""What a training has made, in words and in the result: a blend, other weights, or one fit and why."""

from typing import Any

from perennial_trainer.artifacts.adopted import MAY_FLATTER
from perennial_trainer.contract import result
from perennial_trainer.contract.task import TrainTask
from perennial_trainer.storage.listing import display_uri
from perennial_trainer.training.blending.blend import Blend
from perennial_trainer.training.row_sets import RowSets

MAX_REASON = 200  # characters of why there is no blend


def what_was_made(task: TrainTask, rows: RowSets, blend: Blend | None) -> str:
    """What the training did, and why it made no blend if the task asked for one."""
    if task.adopt:
        return f"adopted {display_uri(task.adopt.uri)} ({task.adopt.format}) and fitted nothing; {MAY_FLATTER}"
    fitted = f"fitted {task.model.estimator} to {len(rows.fitted)} rows (window: {rows.span.name})"
    made = blend_result(task, rows, blend)
    if blend:
        return blend.described(fitted)
    return f"{fitted}, {made.message}" if made else fitted


def blend_result(task: TrainTask, rows: RowSets, blend: Blend | None) -> result.Blend | None:
    """What became of the blend; None if the task asks for none."""
    if task.blend is None or task.live is None:
        return None
    if blend is None:
        return result.Blend(models=1, fits=1, message=f"no blend: {rows.no_blend[:MAX_REASON]}")
    models = len(blend.members)
    message = f"{models} models: {models - blend.fits} of {task.live.name}, {blend.fits} fitted by this training"
    return result.Blend(models=models, fits=blend.fits, message=message)


def blend_facts(task: TrainTask, rows: RowSets, blend: Blend | None) -> dict[str, Any] | None:
    """The same with the weight of each model, as metrics.json and the model card have it."""
    made = blend_result(task, rows, blend)
    return {"message": made.message, "weights": blend.weight_of if blend else {}} if made else None
