"""Who writes to a model's folder: the field of every task that writes."""

from typing import Annotated

from msgspec import Meta

from perennial_trainer.contract.fields import StrictStruct, Uri


class Owner(StrictStruct, frozen=True, kw_only=True):
    """The ModelDeployment by its uid, and the model's folder; `take_over`: also from another ModelDeployment."""

    uid: Annotated[str, Meta(min_length=1, max_length=63)]
    folder: Uri
    take_over: bool = False
