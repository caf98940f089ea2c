"""The computation of every quality metric of the metric table."""

from perennial_trainer.metrics.classification import ACCURACY, F1, LOG_LOSS
from perennial_trainer.metrics.computation import Computation
from perennial_trainer.metrics.precision_recall import PRECISION, RECALL
from perennial_trainer.metrics.regression import MAE, MSE, R2, RMSE
from perennial_trainer.metrics.roc_auc import ROC_AUC

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
