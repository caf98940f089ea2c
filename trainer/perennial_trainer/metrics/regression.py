"""Metrics of numbers: mse, rmse, mae and r2."""

import numpy as np

from perennial_trainer.metrics.computation import (
    Computation,
    Measurement,
    mean_of_rows,
)
from perennial_trainer.metrics.scored_rows import Floats, Groups, ScoredRows
from perennial_trainer.metrics.totals import Totals


def _squared_errors(scored: ScoredRows) -> Floats:
    errors: Floats = scored.target - scored.prediction
    return errors**2


def _absolute_errors(scored: ScoredRows) -> Floats:
    errors: Floats = np.abs(scored.target - scored.prediction)
    return errors


MSE = mean_of_rows("mse", _squared_errors)
MAE = mean_of_rows("mae", _absolute_errors)


def _rmse(scored: ScoredRows, group: Groups, weights: Floats) -> Floats:
    return np.sqrt(MSE.resampled(scored, group, weights))


def _rmse_from_totals(totals: Totals) -> Measurement:
    mse = totals.row_values["mse"]
    return Measurement(float(np.sqrt(mse.mean)), _error_of_root(mse.mean, mse.standard_error))


def _error_of_root(mse: float, error: float | None) -> float | None:
    """se(mse) / (2 rmse), by the delta method."""
    return None if error is None or mse == 0 else error / (2 * float(np.sqrt(mse)))


def _r2(scored: ScoredRows, group: Groups, weights: Floats) -> Floats:
    """1 - (sum of squared errors) / (sum of squared distances from the resample's own mean)."""
    centred = scored.target - scored.target.mean()  # the mean of all rows, so that the sums stay exact
    size = scored.sums(np.ones(len(scored)), group, weights)
    total = scored.sums(centred**2, group, weights) - scored.sums(centred, group, weights) ** 2 / size
    return 1 - scored.sums(_squared_errors(scored), group, weights) / np.where(total > 0, total, np.nan)


def _r2_from_totals(totals: Totals) -> Measurement:
    if totals.target.squares == 0:
        return Measurement(np.nan)
    return Measurement(1 - totals.row_values["mse"].mean * totals.target.size / totals.target.squares)


RMSE = Computation(_rmse, _rmse_from_totals)
R2 = Computation(_r2, _r2_from_totals)
