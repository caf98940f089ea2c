"""Keras's networks as scikit-learn's estimators: `keras.Sequential` of layers from the allow-list.

Importing this costs ten seconds of processor time; it is done only for `model.framework: keras`.
"""

import copy
import os
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it when it is imported

import keras
import numpy as np
from keras.wrappers import SKLearnClassifier, SKLearnRegressor
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions

from perennial_trainer.contract.task import Kind
from perennial_trainer.models import keras_layers as layers
from perennial_trainer.progress import Progress

SEED = 0
AT_ONCE = 65_536  # rows that a network is asked for in one call
LATE = 0.1  # share of the training rows, the newest, by which `patience` judges

if keras.backend.backend() == "tensorflow":
    import tensorflow

    tensorflow.config.experimental.enable_op_determinism()  # the same artifact from the same data, bit for bit


class _Network:
    """What both estimators share; the parameters are what `model.parameters` and `training.search.space` may name."""

    _parameter_constraints: Mapping[str, Any] = {
        "layers": [list],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [StrOptions({"adam", "adamw", "rmsprop", "sgd"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "patience": [None, Interval(Integral, 1, None, closed="left")],
    }
    warm_start = False
    model_: Any

    def __init__(
        self,
        layers: Any = ({"class": "Dense", "units": 32},),
        epochs: int = 20,
        batch_size: int = 32,
        optimizer: str = "adam",
        learning_rate: float = 0.001,
        patience: int | None = None,
    ) -> None:
        self.layers = list(layers) if isinstance(layers, tuple) else layers
        self.epochs, self.batch_size, self.patience = epochs, batch_size, patience
        self.optimizer, self.learning_rate = optimizer, learning_rate

    def __sklearn_clone__(self) -> Any:
        """The wrapper's own clone forgets how to fit."""
        return type(self)(**copy.deepcopy(self.get_params(deep=False)))  # type: ignore[attr-defined]

    def _validate_params(self) -> None:
        super()._validate_params()  # type: ignore[misc]
        try:
            layers.read(self.layers)
        except ValueError as error:
            raise InvalidParameterError(str(error)) from error

    def fit(self, rows: Any, target: Any) -> Any:
        """Fitted, and stripped of what only a training needs."""
        super().fit(rows, target)  # type: ignore[misc]
        entry = keras.Input(self.model_.input_shape[1:], name="input")
        self.model_ = keras.Sequential([entry, *self.model_.layers, *self._last()], name="network")
        return self

    def _last(self) -> list[Any]:
        """Layers that come after those that learn."""
        return []

    @property
    def fit_kwargs(self) -> dict[str, Any]:
        """How Keras fits."""
        kwargs: dict[str, Any] = {"epochs": self.epochs, "batch_size": self.batch_size, "verbose": 0}
        if self.patience is None:
            return kwargs | {"callbacks": [_Told(self.epochs)]}
        patient = keras.callbacks.EarlyStopping(patience=self.patience, restore_best_weights=True)
        return kwargs | {"callbacks": [_Told(self.epochs), patient], "validation_split": LATE}

    def _compiled(self, inputs: int, outputs: int, activation: str, loss: str) -> Any:
        """An unfitted network, its weights drawn from the seed; its parts are named by their place."""
        keras.utils.set_random_seed(SEED)
        hidden = [
            getattr(keras.layers, layer.kind)(name=f"{place}_{layer.kind.lower()}", **_fields(layer))
            for place, layer in enumerate(layers.read(self.layers))
        ]
        last = keras.layers.Dense(outputs, activation=activation, name="output")
        network = keras.Sequential([keras.Input((inputs,), name="input"), *hidden, last], name="network")
        optimizer = keras.optimizers.get(
            {"class_name": self.optimizer, "config": {"learning_rate": self.learning_rate}}
        )
        network.compile(optimizer=optimizer, loss=loss)
        return network

    def _answers(self, rows: Any) -> NDArray[np.float64]:
        """What the network says; called as it is, since `predict` makes a hundred milliseconds of a row's one."""
        inputs = np.asarray(rows, dtype=np.float32)
        parts = [inputs[at : at + AT_ONCE] for at in range(0, len(inputs), AT_ONCE)]
        told = [keras.ops.convert_to_numpy(self.model_(part, training=False)) for part in parts]
        return np.concatenate(told).astype(np.float64)


class Regressor(_Network, SKLearnRegressor):  # type: ignore[misc]
    """Learns the standardised target; its last layer takes the answers back to the target's own units."""

    def predict(self, rows: Any) -> NDArray[np.float64]:
        return self._answers(rows).reshape(-1)

    def _last(self) -> list[Any]:
        return [keras.layers.Rescaling(scale=self._scale, offset=self._offset, name="units")]

    def _get_model(self, rows: Any, _target: Any) -> Any:
        return self._compiled(rows.shape[1], 1, "linear", "mean_squared_error")

    def _process_target(self, target: Any, reset: bool = False) -> Any:  # noqa: ARG002 - the wrapper passes it by name
        self._offset, self._scale = float(np.mean(target)), float(np.std(target)) or 1.0
        return ((np.asarray(target, dtype=np.float64) - self._offset) / self._scale).reshape(-1, 1)


class Classifier(_Network, SKLearnClassifier):  # type: ignore[misc]
    """Learns the probability of each class."""

    def predict(self, rows: Any) -> Any:
        return self.classes_[self._answers(rows).argmax(axis=1)]

    def predict_proba(self, rows: Any) -> NDArray[np.float64]:
        return self._answers(rows)

    def _get_model(self, rows: Any, target: Any) -> Any:
        return self._compiled(rows.shape[1], target.shape[1], "softmax", "categorical_crossentropy")


ESTIMATORS: dict[Kind, type[Any]] = {"regression": Regressor, "classification": Classifier}


class _Told(keras.callbacks.Callback):  # type: ignore[misc]
    """The log says which epoch it is."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._progress, self._epochs = Progress("network, epochs", epochs), epochs

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._progress.advance(1, f"epoch {epoch + 1} of {self._epochs}, loss {(logs or {}).get('loss', np.nan):.4g}")

    def on_train_end(self, _logs: Mapping[str, float] | None = None) -> None:
        self._progress.__exit__()


def _fields(layer: layers.Hidden) -> dict[str, Any]:
    return {name: getattr(layer, name) for name in layer.__struct_fields__}
