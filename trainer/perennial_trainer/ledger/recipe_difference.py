"""How does a recorded recipe differ from that of the current spec? Only the differences are reported."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from msgspec import UNSET

from perennial_trainer.contract.ledger_results import ListEdit, RecipeChange

Path = tuple[str, ...]


def recipe_changes(current: dict[str, Any], recorded: dict[str, Any]) -> list[RecipeChange]:
    """What makes the recorded recipe of the current one, in this order; each item of a list is named at most once."""
    return list(_changes(current, recorded, ()))


def _changes(current: Any, recorded: Any, path: Path) -> Iterator[RecipeChange]:
    if current == recorded:
        return
    if isinstance(current, dict) and isinstance(recorded, dict):
        for name in (*current, *(name for name in recorded if name not in current)):
            if name not in recorded:
                yield RecipeChange(path=[*path, name])
            elif name not in current:
                yield RecipeChange(path=[*path, name], value=recorded[name])
            else:
                yield from _changes(current[name], recorded[name], (*path, name))
    elif _are_texts(current) and _are_texts(recorded):
        yield RecipeChange(path=list(path), edits=_edits(current, recorded))
    else:
        yield RecipeChange(path=list(path), value=recorded)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _edits(current: list[str], recorded: list[str]) -> list[ListEdit]:
    """From the end of the list to its start, so that no edit moves the place of a later one."""
    blocks = SequenceMatcher(a=current, b=recorded, autojunk=False).get_opcodes()
    return [
        ListEdit(at=start, removed=end - start, added=recorded[first:last] or UNSET)
        for kind, start, end, first, last in reversed(blocks)
        if kind != "equal"
    ]
