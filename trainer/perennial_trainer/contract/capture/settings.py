"""Which requests the server captures, and how."""

from typing import Annotated

from msgspec import Meta

from perennial_trainer.contract.errors import join_names
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.contract.fields import Share, StrictStruct, Uri

RESERVED = "perennial."
"""The names of the columns that are added to captured rows begin with this."""


class Capture(StrictStruct, frozen=True, kw_only=True):
    """The environment has the secret of the keys, and the credentials of the store."""

    share: Share
    key: Annotated[str, Meta(min_length=1)] | None = None  # an input that is not a feature, or a parameter; else the id
    exclude: tuple[str, ...] = ()  # inputs that are never written
    key_in_clear: bool = False
    storage: Uri  # the folder of the captured rows
    shadow_port: Annotated[int, Meta(ge=1, le=65535)] | None = None  # where copies of requests arrive

    def check(self, features: Features) -> None:
        """Raises a ValueError for a key that is a feature, and for an excluded column that requests do not have."""
        if self.key in (*features.names, *features.inputs):
            raise ValueError(f"capture.key {self.key} is a feature: name another input, or a parameter")
        unknown = [name for name in self.exclude if name not in features.inputs]
        if unknown:
            raise ValueError(f"capture.exclude names {join_names(unknown)}, which is not an input: correct it")
