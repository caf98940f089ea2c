"""Which layers a network may have: a short list of values, no code and no class by name."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from perennial_trainer.contract.task import StrictStruct

Activation = Literal["relu", "gelu", "silu", "elu", "selu", "tanh", "sigmoid", "softplus", "linear"]
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


Hidden = Dense | Dropout | BatchNormalization | LayerNormalization


def read(layers: Any) -> list[Hidden]:
    """The hidden layers that a task describes. Raises a ValueError that names the place, the value and the mend."""
    try:
        return msgspec.convert(layers, list[Hidden])
    except msgspec.ValidationError as error:
        problem, _, path = str(error).replace("`", "").partition(" - at $")
        raise ValueError(f"layers{path}: {problem[:1].lower()}{problem[1:]}") from error
