"""The results of the tasks about the ledger."""

from typing import Any, Literal

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from perennial_trainer.contract.result import ResultPart, TaskResult

LONGEST_TEXT = 300  # of a recovered version, if its record is long


class RecordResult(TaskResult, frozen=True, kw_only=True, tag="record"):
    outcome: Literal["Succeeded"] = "Succeeded"
    entry: str  # its URI

    def shortened(self, share: float) -> "RecordResult":  # noqa: ARG002
        return self


class ListEdit(ResultPart, frozen=True, kw_only=True):
    """From the place `at` so many items are removed, and these are added there."""

    at: int
    removed: int
    added: list[str] | UnsetType = UNSET


class RecipeChange(ResultPart, frozen=True, kw_only=True):
    """The field at the path has another value, is an edited list of texts, or, without both, is not there."""

    path: list[str]
    value: Any = UNSET
    edits: list[ListEdit] | UnsetType = UNSET


class StoredVersion(ResultPart, frozen=True, kw_only=True):
    """A version of the ledger; `recipe` is there only if it differs from the one of the task, and `changes` says how.

    The whole recipe is for an operator that does not know `changes`; it is left out first.
    """

    version: str
    number: int
    entry: str
    trigger: dict[str, Any]
    parent: str | UnsetType = UNSET
    recipe: dict[str, Any] | UnsetType = UNSET
    changes: list[RecipeChange] | UnsetType = UNSET
    status: dict[str, Any]

    def with_short_texts(self) -> "StoredVersion":
        return replace(self, trigger=_with_short_texts(self.trigger), status=_with_short_texts(self.status))


class RecoverResult(TaskResult, frozen=True, kw_only=True, tag="recover"):
    """`number` is the greatest in storage; `versions` begins with the one to serve."""

    outcome: Literal["Succeeded"] = "Succeeded"
    number: int
    versions: list[StoredVersion]
    passed_over: list[str]

    def shortened(self, share: float) -> "RecoverResult":  # noqa: ARG002
        """Without whole recipes, then without the chosen parameters, with short texts, without the last version."""
        if any(each.recipe and each.changes for each in self.versions):
            return replace(self, versions=[replace(each, recipe=UNSET) for each in self.versions])
        if any("parameters" in each.status for each in self.versions):
            without_parameters = [
                replace(each, status={k: v for k, v in each.status.items() if k != "parameters"})
                for each in self.versions
            ]
            return replace(self, versions=without_parameters)
        short = [each.with_short_texts() for each in self.versions]
        if short != self.versions:
            return replace(self, message=self.message[:LONGEST_TEXT], versions=short)
        if not self.versions:
            return replace(self, message=self.message[:LONGEST_TEXT], passed_over=self.passed_over[:3])
        dropped = self.versions[-1].version
        message = f"{self.message[:LONGEST_TEXT]}; the record of {dropped} is too long to be reported"
        return replace(self, message=message, versions=self.versions[:-1], passed_over=[*self.passed_over[:9], dropped])


def _with_short_texts(record: dict[str, Any]) -> dict[str, Any]:
    return {k: v[:LONGEST_TEXT] if k == "message" and isinstance(v, str) else v for k, v in record.items()}
