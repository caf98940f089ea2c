"""The fitted model as bytes and back: nothing is loaded before its digest has been checked."""

import hashlib
import io
import json
import warnings
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.contract.task import Format
from perennial_trainer.storage import store

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# skops asks which types it may build; scikit-learn's own and NumPy's dtypes are all that a pipeline of ours holds.
TRUSTED = ("sklearn.", "numpy.dtype")


def load(uri: str, sha256: str, stored_as: Format | None = None) -> "Pipeline":
    """The fitted pipeline stored at `uri`, whose bytes had exactly the digest `sha256`.

    `stored_as` is joblib, skops or keras, by default what the file's name ends in. Raises RejectedTask:
    ArtifactMissing, DigestMismatch, LibraryMismatch (stored by another scikit-learn), UntrustedArtifact,
    UnreadableArtifact.
    """
    try:
        content = store.read_bytes(uri)
    except FileNotFoundError as error:
        raise RejectedTask(
            "ArtifactMissing", f"{uri} is not there: train a new version, or restore the file"
        ) from error
    check_digest(uri, content, sha256)
    return loads(uri, content, stored_as or _format(uri))


def check_digest(uri: str, content: bytes, sha256: str) -> None:
    """The content has the digest; else a RejectedTask, DigestMismatch."""
    found = digest(content)
    if found != sha256:
        raise RejectedTask(
            "DigestMismatch", f"{uri} has sha256 {found}, not {sha256}: it was changed after it was stored"
        )


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def loads(uri: str, content: bytes, stored_as: Format) -> "Pipeline":
    """The pipeline in bytes whose digest was checked; `uri` is for the messages."""
    from sklearn.exceptions import InconsistentVersionWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        try:
            return _LOADERS[stored_as](uri, content)
        except InconsistentVersionWarning as error:
            raise RejectedTask(
                "LibraryMismatch",
                f"{uri} was stored by scikit-learn {error.original_sklearn_version}, this image has "
                f"{error.current_sklearn_version}: use the image it was trained with, or train it again",
            ) from error
        except RejectedTask:
            raise
        except Exception as error:
            raise RejectedTask(
                "UnreadableArtifact", f"{uri} is no {stored_as} model: {store.describe_error(error)}"
            ) from error


def dumps(pipeline: "Pipeline", stored_as: Format) -> bytes:
    """The same bytes for the same fitted pipeline, in every process.

    Except for `sklearn.neighbors`: the nodes of its trees have padding that nobody has set.
    """
    if stored_as == "keras":
        from perennial_trainer.models import keras_archive as network_file

        return network_file.dumps(pipeline, dumps(pipeline[:-1], "skops"))
    if stored_as == "skops":
        import skops.io

        return _without_addresses(skops.io.dumps(pipeline))
    import joblib

    buffer = io.BytesIO()
    joblib.dump(pipeline, buffer)
    return buffer.getvalue()


def _format(uri: str) -> Format:
    ending = uri.rpartition(".")[2]
    return "skops" if ending == "skops" else "keras" if ending == "keras" else "joblib"


def _joblib(_uri: str, content: bytes) -> "Pipeline":
    import joblib

    pipeline: Pipeline = joblib.load(io.BytesIO(content))
    return pipeline


def _skops(uri: str, content: bytes) -> "Pipeline":
    import skops.io

    types = skops.io.get_untrusted_types(data=content)
    foreign = [name for name in types if not name.startswith(TRUSTED)]
    if foreign:
        raise RejectedTask(
            "UntrustedArtifact", f"{uri} holds types that no version of ours holds: {join_names(foreign)}"
        )
    pipeline: Pipeline = skops.io.loads(content, trusted=types)
    return pipeline


def _keras(uri: str, content: bytes) -> "Pipeline":
    from sklearn.pipeline import Pipeline

    from perennial_trainer.models import keras_archive as network_file
    from perennial_trainer.models.pipeline import STEP

    columns = _skops(uri, network_file.columns_of(content))
    return Pipeline([*columns.steps, (STEP, network_file.loads(uri, content))])


_LOADERS: dict[Format, Callable[[str, bytes], "Pipeline"]] = {"joblib": _joblib, "skops": _skops, "keras": _keras}


def _without_addresses(content: bytes) -> bytes:
    """A skops file names its parts by their addresses in memory and the time of day; here they are numbered."""
    numbers: dict[str, int] = {}

    def renumber(node: Any) -> Any:
        if isinstance(node, list):
            return [renumber(item) for item in node]
        if not isinstance(node, dict):
            return node
        node = {key: renumber(value) for key, value in node.items()}
        if isinstance(node.get("__id__"), int):
            node["__id__"] = numbers.setdefault(str(node["__id__"]), len(numbers))
        if isinstance(node.get("file"), str) and node["file"] in names:
            node["file"] = renamed.setdefault(node["file"], f"{len(renamed)}.{node['file'].rpartition('.')[2]}")
        return node

    renamed: dict[str, str] = {}
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(result, "w") as target:
        names = set(source.namelist())
        schema = renumber(json.loads(source.read("schema.json")))
        target.writestr(zipfile.ZipInfo("schema.json"), json.dumps(schema))
        for old, new in renamed.items():
            target.writestr(zipfile.ZipInfo(new), source.read(old))
    return result.getvalue()
