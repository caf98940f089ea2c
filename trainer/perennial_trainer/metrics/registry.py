"""The computation of every quality metric of the metric table."""

from perennial_trainer.metrics.classification import ACCURACY, F1, LOG_LOSS
from perennial_trainer.metrics.computation import Computation
from perennial_trainer.metrics.precision_recall import PRECISION, RECALL
from perennial_trainer.metrics.regression import MAE, MSE, R2, RMSE
from perennial_trainer.metrics.roc_auc import ROC_AUC
from perennial_trainer.metrics.scored_rows import Floats, ScoredRows

COMPUTATIONS: dict[str, Computation] = {
    "mse": MSE,
    "rmse": RMSE,
    "mae": MAE,
    "r2": R2,
    "accuracy": ACCURACY,
    "f1": F1,
    "log_loss": LOG_LOSS,
    "roc_auc": ROC_AUC,
    "precision": PRECISION,
    "recall": RECALL,
}


def row_values(name: str, scored: ScoredRows) -> Floats | None:
    """The value of each row of a metric that is a mean of rows; None without such values."""
    values = COMPUTATIONS[name].row_values
    return values(scored) if values else None
