"""Which version of the ledger in storage may serve again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from perennial_operator.core.api.cel import matching
from perennial_operator.core.api.values import Value

Number = Annotated[str, *matching(r"v[1-9][0-9]{0,8}", "give the number of a version, such as v12", 10)]


class RecoverSpec(Value):
    """What an empty cluster may restore from the ledger in storage."""

    at_least: Number | None = Field(
        None,
        description="Oldest version that is restored, such as v12; spec.pin may name an older one. Who can delete files "
        "in the storage can otherwise bring back an older version.",
    )

    @property
    def least_number(self) -> int:
        return int(self.at_least[1:]) if self.at_least else 0
