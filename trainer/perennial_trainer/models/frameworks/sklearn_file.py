"""A scikit-learn pipeline as bytes and back, in the formats joblib and skops."""

import io
import json
import zipfile
from typing import Any

from sklearn.pipeline import Pipeline

from perennial_trainer.contract.errors import RejectedTask, join_names

# skops asks which types it may build; scikit-learn's own and NumPy's dtypes are all that the trainer's pipelines hold.
TRUSTED_TYPES = ("sklearn.", "numpy.dtype")


def dump_joblib(pipeline: Pipeline) -> bytes:
    """The same bytes for the same pipeline.

    Except for `sklearn.neighbors`: the nodes of its trees have padding bytes that are not initialized.
    """
    import joblib

    buffer = io.BytesIO()
    joblib.dump(pipeline, buffer)
    return buffer.getvalue()


def load_joblib(content: bytes) -> Pipeline:
    """The object in the file, whose code runs: its digest must be checked before."""
    import joblib

    return joblib.load(io.BytesIO(content))


def dump_skops(pipeline: Pipeline) -> bytes:
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
    """The pipeline in the file, of trusted types only. Raises RejectedTask: UntrustedArtifact."""
    import skops.io

    types = skops.io.get_untrusted_types(data=content)
    foreign = [name for name in types if not name.startswith(TRUSTED_TYPES)]
    if foreign:
        raise RejectedTask("UntrustedArtifact", f"{uri} has types that no stored version has: {join_names(foreign)}")
    return skops.io.loads(content, trusted=types)


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
