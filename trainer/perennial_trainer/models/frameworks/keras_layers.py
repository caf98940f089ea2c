"""The parameters of a network and the layers it may have: a short list of values, no code and no class by name."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from perennial_trainer.contract.errors import join_names
from perennial_trainer.contract.fields import StrictStruct

Activation = Literal["relu", "gelu", "silu", "elu", "selu", "tanh", "sigmoid", "softplus", "linear"]
Optimizer = Literal["adam", "adamw", "rmsprop", "sgd"]
Width = Annotated[int, Meta(ge=1, le=65536)]


class Layer(StrictStruct, frozen=True, kw_only=True, rename=None, tag_field="class"):
    """The fields are the layer's own, by Keras's names."""

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class Dense(Layer, frozen=True, kw_only=True, tag="Dense"):
    units: Width
    activation: Activation = "relu"
    use_bias: bool = True


class Dropout(Layer, frozen=True, kw_only=True, tag="Dropout"):
    rate: Annotated[float, Meta(ge=0, lt=1)]


class BatchNormalization(Layer, frozen=True, kw_only=True, tag="BatchNormalization"):
    momentum: Annotated[float, Meta(gt=0, lt=1)] = 0.99


class LayerNormalization(Layer, frozen=True, kw_only=True, tag="LayerNormalization"):
    pass


HiddenLayer = Dense | Dropout | BatchNormalization | LayerNormalization


class NetworkParameters(StrictStruct, frozen=True, kw_only=True, rename=None):
    """The values that `model.parameters` and `training.search.space` may have; each may be left out."""

    layers: list[HiddenLayer] | None = None
    epochs: Annotated[int, Meta(ge=1)] = 1
    batch_size: Annotated[int, Meta(ge=1)] = 1
    optimizer: Optimizer = "adam"
    learning_rate: Annotated[float, Meta(gt=0)] = 1.0
    patience: Annotated[int, Meta(ge=1)] | None = None


def parse_layers(layers: Any) -> list[HiddenLayer]:
    """The hidden layers that a task describes. Raises ValueError that names the place and the problem."""
    try:
        return msgspec.convert(layers, list[HiddenLayer])
    except msgspec.ValidationError as error:
        raise ValueError(_message(error, "layers")) from error


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Raises ValueError that names the place and the problem."""
    if "layers" in parameters:
        parse_layers(parameters["layers"])
    if parameters.get("optimizer", "adam") not in get_args(Optimizer):
        raise ValueError(
            f"optimizer {parameters['optimizer']} is unknown: use one of {join_names(get_args(Optimizer))}"
        )
    try:
        msgspec.convert(dict(parameters), NetworkParameters)
    except msgspec.ValidationError as error:
        raise ValueError(_message(error, "")) from error


def _message(error: msgspec.ValidationError, field: str) -> str:
    problem, _, path = str(error).replace("`", "").partition(" - at $")
    return f"{field}{path}".lstrip(".") + f": {problem[:1].lower()}{problem[1:]}"
