"""The text of a manifest with some fields changed; comments, order and all other lines stay as they were."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, SequenceNode

Body = Mapping[str, Any]
STYLE: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 1_000_000}


class _Edit(NamedTuple):
    """The characters from `begin` to before `end` become `text`."""

    begin: int
    end: int
    text: str


def rewritten(text: str, wanted: Body) -> str:
    """The file with its ModelDeployment as wanted. A file whose lines cannot be edited is written again."""
    before, node = _model_in(text)
    edits = _edits(_Text(text), node, before, wanted) if node is not None else ()
    changed = text
    for edit in sorted(edits, reverse=True):
        changed = changed[: edit.begin] + edit.text + changed[edit.end :]
    try:
        is_as_wanted = _model_in(changed)[0] == wanted
    except yaml.YAMLError:
        is_as_wanted = False
    return changed if is_as_wanted else yaml.safe_dump(dict(wanted), **STYLE)


def model_text(text: str) -> str:
    """The text of the ModelDeployment alone: other objects of the file, such as Secrets, are left out."""
    node = _model_in(text)[1]
    assert node is not None
    place = _Text(text)
    return text[node.start_mark.index : place.next_line(place.end(node))]


class Change(NamedTuple):
    """A field that differs; None where it is not set."""

    field: str
    before: Any
    after: Any


def changes(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """The innermost fields that differ, in the order of their paths."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in (*before, *(name for name in after if name not in before)):
            yield from changes(before.get(name), after.get(name), f"{path}.{name}".removeprefix("."))
    elif isinstance(before, list) and isinstance(after, list) and (pairs := _pairs(before, after)):
        for place, item in enumerate(before):
            yield from changes(item, pairs.get(place), f"{path}[{place}]")
    else:
        yield Change(path, before, after)


def _model_in(text: str) -> tuple[Any, Node | None]:
    """The ModelDeployment of the file, and where it is."""
    nodes = list(yaml.compose_all(text, yaml.SafeLoader))
    for body, node in zip(yaml.safe_load_all(text), nodes, strict=True):
        if isinstance(body, dict) and body.get("kind") == "ModelDeployment":
            return body, node
    return None, None


class _Text:
    """Places in the text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def line(self, index: int) -> int:
        """Where the line begins."""
        return self.text.rfind("\n", 0, index) + 1

    def next_line(self, index: int) -> int:
        end = self.text.find("\n", index)
        return len(self.text) if end < 0 else end + 1

    def end(self, node: Node) -> int:
        """After the last character of the node: a block ends only where the next token begins."""
        if isinstance(node, CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            return self.end(last[1] if isinstance(last, tuple) else last)
        return node.start_mark.index + len(self.text[node.start_mark.index : node.end_mark.index].rstrip())

    def without_lines(self, begin: int, last: Node, column: int) -> _Edit:
        """The lines from that of `begin` to that of the node's end, and the comments right above."""
        first = self.line(begin)
        while first:
            above = self.text[self.line(first - 1) : first]
            if not above.lstrip().startswith("#") or len(above) - len(above.lstrip()) != column:
                break
            first = self.line(first - 1)
        return _Edit(first, self.next_line(self.end(last)), "")


def _edits(text: _Text, node: Node, before: Any, after: Any) -> Iterator[_Edit]:
    if before == after:
        return
    is_block = isinstance(node, CollectionNode) and not node.flow_style and bool(after)
    if is_block and isinstance(node, MappingNode) and isinstance(after, dict):
        yield from _edits_of_fields(text, node, before, after)
    elif is_block and isinstance(node, SequenceNode) and isinstance(after, list) and (pairs := _pairs(before, after)):
        for place, item in enumerate(node.value):
            if place in pairs:
                yield from _edits(text, item, before[place], pairs[place])
            else:
                yield text.without_lines(item.start_mark.index, item, node.start_mark.column)
    else:
        yield _Edit(node.start_mark.index, text.end(node), _flow(after))


def _edits_of_fields(text: _Text, node: MappingNode, before: Body, after: Body) -> Iterator[_Edit]:
    known = {key.value for key, _ in node.value}
    for key, value in node.value:
        if key.value in after:
            yield from _edits(text, value, before[key.value], after[key.value])
        else:
            yield text.without_lines(key.start_mark.index, value, node.start_mark.column)
    added = {name: value for name, value in after.items() if name not in known}
    if added:
        place = text.next_line(text.end(node))
        lines = textwrap.indent("".join(map(_lines, added.items())), " " * node.start_mark.column)
        yield _Edit(place, place, lines if text.text[:place].endswith("\n") else f"\n{lines}")


def _pairs(before: Sequence[Any], after: Sequence[Any]) -> dict[int, Any]:
    """The place of an old item → the new one, if items were only removed or changed; else nothing."""
    pairs: dict[int, Any] = {}
    place = 0
    for item in after:
        while place < len(before) and _name(before[place]) != _name(item):
            place += 1
        if place == len(before):
            return {}
        pairs[place] = item
        place += 1
    return pairs


def _name(item: Any) -> Any:
    """What tells that an item is the same one: a threshold is that of its metric."""
    return item.get("metric", item.get("name")) if isinstance(item, dict) else item


def _lines(field: tuple[str, Any]) -> str:
    """The field as a person would write it: the innermost values in one line."""
    name, value = field
    if not isinstance(value, dict | list):
        return f"{name}: {_flow(value)}\n"
    return str(yaml.safe_dump({name: value}, default_flow_style=None, **STYLE))


def _flow(value: Any) -> str:
    """The value in one line."""
    return str(yaml.safe_dump([value], default_flow_style=True, **STYLE)).strip()[1:-1]
