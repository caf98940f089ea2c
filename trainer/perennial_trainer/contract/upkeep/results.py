"""The result of an upkeep."""

from typing import Literal

from perennial_trainer.contract.result import TaskResult


class UpkeepResult(TaskResult, frozen=True, kw_only=True, tag="upkeep"):
    """How many files were deleted, with how many bytes, and how many were put together into larger ones.

    `forgotten_rows` are those that were deleted because of their keys.
    """

    outcome: Literal["Succeeded"] = "Succeeded"
    deleted_files: int
    freed_bytes: int
    compacted_files: int
    forgotten_rows: int

    def shortened(self, share: float) -> "UpkeepResult":  # noqa: ARG002
        return self
