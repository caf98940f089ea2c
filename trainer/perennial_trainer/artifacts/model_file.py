"""Loads the fitted model of a stored version: nothing is read from its bytes before their digest is checked."""

import warnings
from typing import TYPE_CHECKING

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Version
from perennial_trainer.storage import store
from perennial_trainer.storage.digest import read_verified

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def load_model(uri: str, sha256: str, file_format: str | None = None) -> "Pipeline":
    """The fitted pipeline stored at `uri`, whose bytes have the digest `sha256`.

    `file_format` is by default what the file's name ends in. Raises RejectedTask: ArtifactMissing, DigestMismatch,
    LibraryMismatch (stored by another scikit-learn), UntrustedArtifact, UnreadableArtifact.
    """
    from perennial_trainer.models.frameworks.registry import format_of_file  # a second, for scikit-learn

    try:
        content = read_verified(uri, sha256)
    except FileNotFoundError as error:
        raise RejectedTask(
            "ArtifactMissing", f"{uri} does not exist: train a new version, or restore the file"
        ) from error
    return parse_model(uri, content, file_format or format_of_file(uri))


def load_version(version: Version) -> "Pipeline":
    """The fitted pipeline of a stored version. Raises the same as `load_model`."""
    return load_model(version.uri, version.sha256, version.format)


def parse_model(uri: str, content: bytes, file_format: str) -> "Pipeline":
    """The pipeline in bytes whose digest was checked; `uri` is for the messages."""
    from sklearn.exceptions import InconsistentVersionWarning

    from perennial_trainer.models.frameworks.registry import framework_of_format

    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        try:
            return framework_of_format(file_format).load_pipeline(uri, content, file_format)
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
