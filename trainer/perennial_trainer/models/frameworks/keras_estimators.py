"""Keras networks as scikit-learn estimators: `keras.Sequential` of layers from the allow-list.

Importing this costs ten seconds of processor time; it is done only for `model.framework: keras`.
"""

import copy
import os
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it when it is imported

import keras
import numpy as np
from keras.wrappers import SKLearnClassifier, SKLearnRegressor
from numpy.typing import NDArray

from perennial_trainer.contract.task import Kind
from perennial_trainer.models.frameworks.keras_layers import HiddenLayer, parse_layers
from perennial_trainer.models.seed import SEED
from perennial_trainer.progress import Progress

CHUNK_ROWS = 65_536  # rows that a network predicts in one call
VALIDATION_SHARE = 0.1  # of the training rows, the newest, by which `patience` judges

if keras.backend.backend() == "tensorflow":
    import tensorflow

    tensorflow.config.experimental.enable_op_determinism()  # the same artifact from the same data, bit for bit


class _Network:
    """What both estimators share; `model.parameters` and `training.search.space` may name its parameters."""

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

    def fit(self, rows: Any, target: Any) -> Any:
        """Fits the network and removes what only training needs."""
        super().fit(rows, target)  # type: ignore[misc]
        entry = keras.Input(self.model_.input_shape[1:], name="input")
        self.model_ = keras.Sequential([entry, *self.model_.layers, *self._output_layers()], name="network")
        return self

    def _output_layers(self) -> list[Any]:
        """Layers that follow the trained ones."""
        return []

    @property
    def fit_kwargs(self) -> dict[str, Any]:
        """The arguments of Keras's `fit`."""
        kwargs: dict[str, Any] = {"epochs": self.epochs, "batch_size": self.batch_size, "verbose": 0}
        if self.patience is None:
            return kwargs | {"callbacks": [_EpochProgress(self.epochs)]}
        early_stopping = keras.callbacks.EarlyStopping(patience=self.patience, restore_best_weights=True)
        return kwargs | {
            "callbacks": [_EpochProgress(self.epochs), early_stopping],
            "validation_split": VALIDATION_SHARE,
        }

    def _compile_network(self, inputs: int, outputs: int, activation: str, loss: str) -> Any:
        """An unfitted network, its weights drawn from the seed; layers are named by their position."""
        keras.utils.set_random_seed(SEED)
        hidden = [
            getattr(keras.layers, layer.kind)(name=f"{position}_{layer.kind.lower()}", **_layer_fields(layer))
            for position, layer in enumerate(parse_layers(self.layers))
        ]
        last = keras.layers.Dense(outputs, activation=activation, name="output")
        network = keras.Sequential([keras.Input((inputs,), name="input"), *hidden, last], name="network")
        optimizer = keras.optimizers.get(
            {"class_name": self.optimizer, "config": {"learning_rate": self.learning_rate}}
        )
        network.compile(optimizer=optimizer, loss=loss)
        return network

    def _predict_chunks(self, rows: Any) -> NDArray[np.float64]:
        """The network's output. It is called directly: Keras's `predict` takes 100 ms for a row, this 1 ms."""
        inputs = np.asarray(rows, dtype=np.float32)
        chunks = [inputs[start : start + CHUNK_ROWS] for start in range(0, len(inputs), CHUNK_ROWS)]
        outputs = [keras.ops.convert_to_numpy(self.model_(chunk, training=False)) for chunk in chunks]
        return np.concatenate(outputs).astype(np.float64)


class Regressor(_Network, SKLearnRegressor):  # type: ignore[misc]
    """Learns the standardised target; its last layer converts predictions back to the target's own units."""

    def predict(self, rows: Any) -> NDArray[np.float64]:
        return self._predict_chunks(rows).reshape(-1)

    def _output_layers(self) -> list[Any]:
        return [keras.layers.Rescaling(scale=self._scale, offset=self._offset, name="units")]

    def _get_model(self, rows: Any, _target: Any) -> Any:
        return self._compile_network(rows.shape[1], 1, "linear", "mean_squared_error")

    def _process_target(self, target: Any, reset: bool = False) -> Any:  # noqa: ARG002 - the wrapper passes it by name
        self._offset, self._scale = float(np.mean(target)), float(np.std(target)) or 1.0
        return ((np.asarray(target, dtype=np.float64) - self._offset) / self._scale).reshape(-1, 1)


class Classifier(_Network, SKLearnClassifier):  # type: ignore[misc]
    """Learns the probability of each class."""

    def predict(self, rows: Any) -> Any:
        return self.classes_[self._predict_chunks(rows).argmax(axis=1)]

    def predict_proba(self, rows: Any) -> NDArray[np.float64]:
        return self._predict_chunks(rows)

    def _get_model(self, rows: Any, target: Any) -> Any:
        return self._compile_network(rows.shape[1], target.shape[1], "softmax", "categorical_crossentropy")


ESTIMATORS: dict[Kind, type[Any]] = {"regression": Regressor, "classification": Classifier}


class _EpochProgress(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports the epoch to the log."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._progress, self._epochs = Progress("network, epochs", epochs), epochs

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._progress.advance(1, f"epoch {epoch + 1} of {self._epochs}, loss {(logs or {}).get('loss', np.nan):.4g}")

    def on_train_end(self, _logs: Mapping[str, float] | None = None) -> None:
        self._progress.__exit__()


def _layer_fields(layer: HiddenLayer) -> dict[str, Any]:
    return {name: getattr(layer, name) for name in layer.__struct_fields__}
