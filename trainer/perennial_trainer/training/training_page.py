"""The page of a training: how good the version is on its holdout, and how it was made."""

import json

from perennial_trainer.artifacts.metadata import Metadata
from perennial_trainer.contract.task import TrainTask
from perennial_trainer.metrics.computation import Measurement
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.reporting import html
from perennial_trainer.reporting.model_card import asked_for, model_card_sections
from perennial_trainer.reporting.prediction_figures import draw_predictions
from perennial_trainer.reporting.scores import Scores


def draw_training(
    task: TrainTask,
    record: Metadata,
    metrics: bytes,
    scored: ScoredRows,
    measurements: dict[str, Measurement],
    baseline: dict[str, Measurement],
    what: str,
) -> bytes:
    """The page for a version's metrics.json; `what` says what was fitted."""
    scores = Scores(
        task.model.task,
        task.model.target,
        task.version,
        {name: each.value for name, each in measurements.items()},
        {name: each.standard_error for name, each in measurements.items() if each.standard_error is not None},
        {name: each.value for name, each in baseline.items()},
    )
    stored = json.loads(metrics)
    facts = [f"{record.estimator} for {task.model.task} of {task.model.target}: {what}.", *asked_for(stored)]
    return html.render_page(
        f"{task.version}: training of {task.model_deployment}",
        scores.beside_baseline(len(scored)),
        [
            scores.table(),
            *draw_predictions({task.version: scored}, task.model.target),
            *model_card_sections(record, stored),
        ],
        facts,
    )
