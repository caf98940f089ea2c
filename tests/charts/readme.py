"""What values.yaml says of each value, told where people look for it.

`python -m tests.charts.readme` writes the table of the chart's README.md and the descriptions of values.schema.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.charts.chart import PATH

README, SCHEMA, VALUES = PATH / "README.md", PATH / "values.schema.json", PATH / "values.yaml"
TABLE = re.compile(r"(?<=<!-- values -->\n).*(?=<!-- /values -->)", re.DOTALL)
LINE = re.compile(r"(?P<indent> *)(?:# (?P<comment>.*)|(?P<key>\w+):(?P<rest>.*))")


@dataclass(frozen=True)
class Described:
    """One value that a comment in values.yaml describes."""

    path: tuple[str, ...]
    default: Any
    description: str


def described(text: str) -> Iterator[Described]:
    """The values of a values.yaml with the comments that stand above them; what is deeper in a described value is its default."""
    defaults = yaml.safe_load(text)
    above: list[str] = []
    words: list[str] = []
    for line in text.splitlines():
        parts = LINE.fullmatch(line)
        assert parts, f"values.yaml holds only comments and keys, and {line!r} is neither"
        if parts["comment"]:
            words.append(parts["comment"])
            continue
        above = [*above[: len(parts["indent"]) // 2], parts["key"]]
        default = defaults
        for key in above:
            default = default[key]
        if words:
            yield Described(tuple(above), default, " ".join(words))
        words = []


def table(values: list[Described]) -> str:
    rows = [f"| `{'.'.join(value.path)}` | {value.description} | `{json.dumps(value.default)}` |" for value in values]
    return "\n".join(["| value | what it is | default |", "| --- | --- | --- |", *rows, ""])


def with_descriptions(schema: dict[str, Any], values: list[Described]) -> dict[str, Any]:
    """The schema in which each described value has its description."""
    schema = json.loads(json.dumps(schema))
    for value in values:
        node = schema
        for key in value.path:
            node = node["properties"][key]
        rest = {key: value for key, value in node.items() if key != "description"}
        node.clear()
        node.update({"description": value.description, **rest})
    return schema


def made() -> dict[Path, str]:
    """File → its text with what values.yaml says."""
    values = list(described(VALUES.read_text()))
    schema = with_descriptions(json.loads(SCHEMA.read_text()), values)
    return {
        README: TABLE.sub(lambda _: table(values), README.read_text()),
        SCHEMA: json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
    }


if __name__ == "__main__":
    for file, text in made().items():
        file.write_text(text)
