"""Which recipe does a version of the ledger have, if the trainer reports only how it differs from the current one?"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from perennial_operator.core.api.values import Nested, Value


class ListEdit(Value):
    """From the place `at` so many items are removed, and these are added there."""

    at: int = Field(ge=0)
    removed: int = Field(ge=0)
    added: list[str] = Field(default_factory=list)


class RecipeChange(Value):
    """The field at the path has another value, is an edited list of texts, or, without both, is not there."""

    path: list[str] = Field(min_length=1, max_length=32)
    value: Nested[Any] = None
    edits: list[ListEdit] | None = None


def changed_recipe(current: Mapping[str, Any], changes: Sequence[RecipeChange]) -> dict[str, Any]:
    """The recipe after the changes. ValueError if they are not about this recipe."""
    recipe: dict[str, Any] = copy.deepcopy(dict(current))
    for change in changes:
        *above, name = change.path
        node: Any = recipe
        for each in above:
            node = node.get(each) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            raise ValueError(f"the recipe has no {'.'.join(above)}")
        if change.edits is not None:
            node[name] = _edited(node.get(name), change)
        elif change.value is None:
            node.pop(name, None)
        else:
            node[name] = change.value
    return recipe


def _edited(items: Any, change: RecipeChange) -> list[Any]:
    if not isinstance(items, list):
        raise ValueError(f"{'.'.join(change.path)} is not a list")
    result = list(items)
    for edit in change.edits or ():
        if edit.at + edit.removed > len(items):
            raise ValueError(f"{'.'.join(change.path)} has only {len(items)} items")
        result[edit.at : edit.at + edit.removed] = edit.added
    return result
