"""The API reference, generated from the CRDs: `python docs/reference.py` writes docs/api.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
CRDS = ("modeldeployments", "modelversions", "driftreports")
INTRODUCTION = """# API reference

`perennial.dev/v1alpha1`. Generated from the CRDs by `make crds`; `kubectl explain mdep.spec.drift` shows the same.
Each metric that a threshold can name, and which one to choose: [metrics](metrics.md).
"""


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([INTRODUCTION, *(line for name in CRDS for line in kind(name))]) + "\n"


def kind(name: str) -> Iterator[str]:
    definition = yaml.safe_load((ROOT / "manifests" / "crds" / f"{name}.yaml").read_text())["spec"]
    version = definition["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    yield f"## {definition['names']['kind']}\n"
    yield f"Short name `{definition['names']['shortNames'][0]}`. {schema['description']}\n"
    for part in ("spec", "status"):
        yield f"### {definition['names']['kind']}.{part}\n"
        yield "| field | type | default | what it is |"
        yield "| --- | --- | --- | --- |"
        yield from rows(schema["properties"][part], "")
        yield ""
    yield from rules(schema, definition["names"]["kind"])


def rows(schema: Mapping[str, Any], prefix: str) -> Iterator[str]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        default = "*required*" if name in required else shown_default(field["default"]) if "default" in field else ""
        yield f"| `{path}` | {type_of(field)} | {default} | {escaped(field.get('description', ''))} |"
        inner, mark = (field.get("items", {}), "[].") if field.get("type") == "array" else (field, ".")
        yield from rows(inner, path + mark)


def rules(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    refusals = list(messages(schema, path))
    if refusals:
        yield "Refused by `kubectl apply`:\n"
        yield from (f"- `{where}`: {escaped(message)}" for where, message in refusals)
        yield ""


def messages(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", []):
        yield path, rule.get("message") or rule["messageExpression"]
    for name, field in schema.get("properties", {}).items():
        yield from messages(field, f"{path}.{name}")
    if isinstance(schema.get("items"), Mapping):
        yield from messages(schema["items"], f"{path}[]")


def type_of(field: Mapping[str, Any]) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {type_of(field['items'])}"
    limits = [f"≥ {field['minimum']:g}"] if "minimum" in field else []
    limits += [f"≤ {field['maximum']:g}"] if "maximum" in field else []
    return str(field.get("type", "any")) + (f" ({', '.join(limits)})" if limits else "")


def shown_default(default: object) -> str:
    text = yaml.safe_dump(default, default_flow_style=True, width=1000).strip().removesuffix("...").strip()
    return f"`{text}`" if len(text) <= 40 else "see its fields"


def escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    (ROOT / "docs" / "api.md").write_text(page(), encoding="utf-8")
