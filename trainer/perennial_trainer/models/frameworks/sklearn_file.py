"""A scikit-learn pipeline as bytes and back, in the formats joblib and skops."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from sklearn.pipeline import Pipeline

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.models.frameworks.skops_types import PROTOCOL, TYPES


def dump_joblib(pipeline: Pipeline) -> bytes:
    """The same bytes for the same pipeline.

    Except for `sklearn.neighbors`: the nodes of its trees have padding bytes that are not initialized.
    """
    import joblib

    buffer = io.BytesIO()
    joblib.dump(pipeline, buffer)
    return buffer.getvalue()


def load_joblib(uri: str, content: bytes) -> Pipeline:
    """The object in the file, whose code runs: its digest must be checked before. Raises RejectedTask."""
    import joblib

    try:
        return joblib.load(io.BytesIO(content))
    except ModuleNotFoundError as error:
        raise RejectedTask(
            "FrameworkNotInstalled",
            f"{uri} needs the module {error.name}, which this image does not have: name the image that trained "
            "the version in serving.pod.image or training.pod.image, or remove the one that is named there",
        ) from error


def dump_skops(pipeline: Pipeline) -> bytes:
    """The pipeline as a skops file that `load_skops` accepts. Raises RejectedTask: UntrustedArtifact."""
    content = skops_bytes(pipeline)
    if foreign := _foreign_types(content):
        raise RejectedTask(
            "UntrustedArtifact",
            f"model.format skops cannot store {type(pipeline[-1]).__name__} with these parameters, since it contains "
            f"{join_names(foreign)}: use other parameters, or model.format joblib",
        )
    return content


def skops_bytes(pipeline: Pipeline) -> bytes:
    """The same bytes for the same pipeline: skops' names by memory address become numbers, and times go."""
    import skops.io

    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(pipeline))) as source, zipfile.ZipFile(result, "w") as target:
        schema = json.loads(source.read("schema.json"))
        new_names = _number_nodes(schema, set(source.namelist()))
        target.writestr(zipfile.ZipInfo("schema.json"), json.dumps(schema))
        for old, new in new_names.items():
            target.writestr(zipfile.ZipInfo(new), source.read(old))  # a ZipInfo has the same time always
    return result.getvalue()


def load_skops(uri: str, content: bytes) -> Pipeline:
    """The pipeline in the file, of listed classes only. Raises RejectedTask: UntrustedArtifact."""
    loaded = load_listed(uri, content)
    if not isinstance(loaded, Pipeline):
        raise RejectedTask("UntrustedArtifact", f"{uri} has a {type(loaded).__name__}, and every version a Pipeline")
    return loaded


def load_listed(uri: str, content: bytes) -> Any:
    """The object in the file, of listed classes only. Raises RejectedTask: UntrustedArtifact.

    No class is imported before every node of the file is found in the list; skops checks the types again.
    """
    import skops.io

    if foreign := _foreign_types(content):
        raise RejectedTask("UntrustedArtifact", f"{uri} has types that no stored version has: {join_names(foreign)}")
    return skops.io.loads(content, trusted=sorted({name for names in TYPES.values() for name in names}))


def skops_nodes(content: bytes) -> Iterator[tuple[str, str]]:
    """Each node of the file: the loader that builds it, and the full name of the class."""
    pending = [_read_schema(content)]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            if "__loader__" in node or "__class__" in node:
                yield str(node.get("__loader__")), f"{node.get('__module__')}.{node.get('__class__')}"
            pending.extend(node.values())


def _foreign_types(content: bytes) -> list[str]:
    """What is in the file and not in the list."""
    schema = _read_schema(content)
    protocol = schema.get("protocol") if isinstance(schema, dict) else None
    old = [] if isinstance(protocol, int) and protocol >= PROTOCOL else [f"protocol {protocol} of skops"]
    nodes = set(skops_nodes(content))
    return old + sorted(f"{name} ({loader})" for loader, name in nodes if name not in TYPES.get(loader, ()))


def _read_schema(content: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return json.loads(file.read("schema.json"))


def _number_nodes(schema: Any, files: set[str]) -> dict[str, str]:
    """Numbers the ids and files of a skops schema in place; the new name of each file by its old one."""
    numbers: dict[int, int] = {}
    new_names: dict[str, str] = {}

    def visit(node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                visit(item)
        if not isinstance(node, dict):
            return
        for value in node.values():
            visit(value)
        if isinstance(node.get("__id__"), int):
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
        name = node.get("file")
        if isinstance(name, str) and name in files:
            node["file"] = new_names.setdefault(name, f"{len(new_names)}.{name.rpartition('.')[2]}")

    visit(schema)
    return new_names
