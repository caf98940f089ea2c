"""Loads the fitted model of a stored version: nothing is read from its bytes before their digest is checked."""

import logging
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perennial_trainer.contract.errors import FailedTask, RejectedTask
from perennial_trainer.contract.task import Version
from perennial_trainer.storage import store
from perennial_trainer.storage.digest import read_verified
from perennial_trainer.storage.version_files import file_digests, read_version_file

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from perennial_trainer.compiled.model import CompiledModel

log = logging.getLogger(__name__)


def load_model(uri: str, sha256: str, file_format: str | None = None) -> "Pipeline":
    """The fitted pipeline stored at `uri`, whose bytes have the digest `sha256`.

    `file_format` is by default what the file's name ends in. Raises RejectedTask: ArtifactMissing, DigestMismatch,
    LibraryMismatch (stored by another scikit-learn), UntrustedArtifact, UnreadableArtifact.
    """
    from perennial_trainer.models.frameworks.registry import format_of_file  # a second, for scikit-learn

    return parse_model(uri, _read_model(uri, sha256), file_format or format_of_file(uri))


def load_version(version: Version) -> "Pipeline":
    """The fitted pipeline of a stored version. Raises the same as `load_model`."""
    return load_model(version.uri, version.sha256, version.format)


def load_compiled(version: Version) -> "CompiledModel | None":
    """What gives the same answers as the fitted pipeline, if the training could store that beside its file.

    The pipeline's own bytes are checked as well, since they are what was validated. Raises a RejectedTask,
    ArtifactMissing or DigestMismatch, about them alone: without a usable compiled model the pipeline answers.
    """
    if version.metadata_sha256 is None:  # of an earlier release, or of another trainer
        return None
    from perennial_trainer.compiled import file  # a tenth of a second, for NumPy

    try:
        name = file.file_name(version.uri.rpartition("/")[2])
        if name not in file_digests(version.uri, version.metadata_sha256):
            return None
        uri = store.sibling_uri(version.uri, name)
        model = file.decode(uri, read_version_file(version, name), version.sha256)
        model.load()
    except FailedTask:
        raise
    except Exception as error:  # also of libraries of trees, which this image may lack or have in another version
        log.warning("the pipeline of %s answers, since its compiled model cannot be used: %s", version.name, error)
        return None
    _read_model(version.uri, version.sha256)
    return model


def load_scorer(version: Version) -> Any:
    """What is asked for the predictions of a stored version: compiled, or else the pipeline. Raises as `load_model`."""
    compiled = load_compiled(version)
    if compiled is None:
        return load_version(version)
    from perennial_trainer.compiled.pipeline import CompiledPipeline

    return CompiledPipeline(compiled)


def _read_model(uri: str, sha256: str) -> bytes:
    try:
        return read_verified(uri, sha256)
    except FileNotFoundError as error:
        raise RejectedTask(
            "ArtifactMissing", f"{uri} does not exist: train a new version, or restore the file"
        ) from error


def parse_model(uri: str, content: bytes, file_format: str) -> "Pipeline":
    """The pipeline in bytes whose digest was checked; `uri` is for the messages."""
    from perennial_trainer.models.frameworks.registry import framework_of_format

    framework = framework_of_format(file_format)
    pipeline: Pipeline = parsed(uri, file_format, lambda: framework.load_pipeline(uri, content, file_format))
    return pipeline


def parsed(uri: str, file_format: str, parse: Callable[[], Any]) -> Any:
    """What `parse` returns. Raises RejectedTask: LibraryMismatch, UnreadableArtifact, and those that it raises."""
    from sklearn.exceptions import InconsistentVersionWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        try:
            return parse()
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
                "UnreadableArtifact", f"{uri} is not a {file_format} model: {store.describe_error(error)}"
            ) from error
