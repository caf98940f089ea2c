"""Keras: networks of layers from a short list, in images that have Keras and TensorFlow."""

import inspect
from collections.abc import Mapping
from typing import Any

from sklearn.pipeline import Pipeline

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Model
from perennial_trainer.models.frameworks import keras_layers, sklearn_file
from perennial_trainer.models.frameworks.allow_list import Nested
from perennial_trainer.models.frameworks.framework import STEP

FILE_FORMATS = ("keras",)
LIBRARIES = ("keras", "tensorflow-cpu")
CAN_BE_CALIBRATED = False


def file_format(model: Model) -> str:  # noqa: ARG001 - there is only one
    return "keras"


def estimator_class(model: Model, field: str = "model") -> type[Any]:
    """The estimator that is a network. Raises RejectedTask: UnknownEstimator, FrameworkNotInstalled."""
    if model.estimator != "keras.Sequential":
        raise RejectedTask(
            "UnknownEstimator",
            f"{field}.estimator {model.estimator} is not on the allow-list: of Keras it has only keras.Sequential",
        )
    try:
        from perennial_trainer.models.frameworks.keras_estimators import ESTIMATORS
    except ImportError as error:
        raise RejectedTask(
            "FrameworkNotInstalled",
            "model.framework keras is not part of this image: name one that was built with REQUIREMENTS=trainer-keras "
            "in training.pod.image, or use framework sklearn",
        ) from error
    return ESTIMATORS[model.task]


def parameter_names(estimator_class: type[Any]) -> list[str]:
    return sorted(inspect.signature(estimator_class).parameters)


def nested_parameters(estimator_class: type[Any]) -> dict[str, Nested]:  # noqa: ARG001
    return {}


def defaults(estimator_class: type[Any]) -> dict[str, Any]:  # noqa: ARG001 - a network draws from a fixed seed
    return {}


def check_values(estimator_class: type[Any], parameters: Mapping[str, Any]) -> None:  # noqa: ARG001 - both are alike
    """Raises ValueError, whose text names the parameter, for a value that a network does not take."""
    keras_layers.check_parameters(parameters)


def fixed_iterations(estimator: Any) -> dict[str, Any] | None:
    """Its epochs; with `patience`, those are chosen by the rows that it stops by, which a refit has not."""
    return None if estimator.patience is not None else {}


def dump_pipeline(pipeline: Pipeline, file_format: str) -> bytes:  # noqa: ARG001
    from perennial_trainer.models.frameworks import keras_file

    return keras_file.dump_network(pipeline[-1], sklearn_file.dump_skops(pipeline[:-1]))


def load_pipeline(uri: str, content: bytes, file_format: str) -> Pipeline:  # noqa: ARG001
    """The preprocessing and the network. Raises RejectedTask: UntrustedArtifact, FrameworkNotInstalled."""
    from perennial_trainer.models.frameworks import keras_file

    preprocessing = sklearn_file.load_skops(uri, keras_file.read_preprocessing(content))
    return Pipeline([*preprocessing.steps, (STEP, keras_file.load_network(uri, content))])
