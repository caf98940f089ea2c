"""How much less error a blend would have with weights that fit the recent rows: nothing is fitted but the weights."""

import numpy as np
import pandas as pd

from perennial_trainer.artifacts.metadata import load_metadata
from perennial_trainer.contract.metric_table import WEIGHTS_REGRET
from perennial_trainer.contract.result import NotMeasured
from perennial_trainer.contract.task import Version
from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.computation import Measurement, standard_error_of_mean
from perennial_trainer.models.blend import Floats, answers, fitted_weights, members_of, truth, weights_of

FEWEST = 30  # rows of each half


def weights_regret(live: Version, blend: object, rows: Rows) -> Measurement | NotMeasured:
    """The share of the loss that other weights would save on rows that the version has not learned.

    The weights that each half of the rows decides are scored on the other half.
    """
    end = load_metadata(live).data.end
    if rows.time is not None and end is not None:
        rows = rows.take(np.asarray(rows.time > pd.Timestamp(end), dtype=np.bool_))
    members = list(members_of(blend).values())
    target = truth(members[0], rows)
    half = len(rows) // 2
    if half < FEWEST:
        return NotMeasured(
            metric=WEIGHTS_REGRET,
            reason=f"{len(rows)} recent rows with a target are newer than {live.name}, fewer than {2 * FEWEST}",
        )
    each, now = [answers(member, rows) for member in members], weights_of(blend)
    parts = slice(0, half), slice(half, None)
    gains: list[Floats] = []
    for learned, scored in (parts, parts[::-1]):
        other = fitted_weights([answer[learned] for answer in each], target[learned], now)
        on = [answer[scored] for answer in each]
        gains.append(_losses(on, now, target[scored]) - _losses(on, other, target[scored]))
    loss, gain = float(_losses(each, now, target).mean()), np.concatenate(gains)
    error = standard_error_of_mean(gain)
    if error is None or not np.isfinite(loss) or not loss:
        return NotMeasured(metric=WEIGHTS_REGRET, reason="a prediction is not a finite number, or none has an error")
    return Measurement(float(gain.mean()) / loss, error / loss)


def _losses(each: list[Floats], weights: Floats, target: Floats) -> Floats:
    """The squared error of each row: of the prediction, or of the probabilities."""
    return np.asarray(((np.tensordot(weights, np.asarray(each), 1) - target) ** 2).sum(axis=1))
