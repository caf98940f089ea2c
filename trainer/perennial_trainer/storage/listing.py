"""Which data files a URI matches, and which columns their folders name."""

from typing import Any
from urllib.parse import unquote

import numpy as np

from perennial_trainer.contract.errors import FailedTask, RejectedTask, join_names
from perennial_trainer.redaction import redact_passwords
from perennial_trainer.storage.store import describe_error

SUFFIXES = (".csv", ".csv.gz", ".parquet")
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def list_files(filesystem: Any, path: str, uri: str) -> list[str]:
    """The sorted csv and parquet files of a path, a glob or a folder; a RejectedTask, NoFilesMatched, without any."""
    over_http = "http" in filesystem.protocol
    wildcards = "*[" if over_http else "*?["
    try:
        if any(character in path for character in wildcards):
            names = filesystem.glob(path)
        elif over_http or not filesystem.isdir(path):
            names = [path] if filesystem.exists(path) else []
        else:
            names = [name for name in filesystem.find(path) if not _is_internal(name[len(path) :])]
    except FileNotFoundError:
        names = []
    except Exception as error:  # each store has its own exceptions for "denied" and "unreachable"
        raise FailedTask(
            "DataUnreachable", f"{display_uri(uri)} could not be listed: {describe_error(error)}"
        ) from error
    data_files = sorted(name for name in names if display_uri(name).endswith(SUFFIXES))
    if not data_files:
        raise RejectedTask(
            "NoFilesMatched", f"{display_uri(uri)} matches no file that ends in {join_names(SUFFIXES)}: correct the URI"
        )
    return data_files


def partition_columns(name: str) -> dict[str, Any]:
    """The columns that the file's folders name, as Hive and Spark write them: `region=eu/day=2026-11-22/a.parquet`.

    Values are text as written; the null partition of Hive is a missing value.
    """
    folders = [folder.partition("=") for folder in display_uri(name).split("/")[:-1] if "=" in folder]
    return {unquote(key): np.nan if value == _HIVE_NULL else unquote(value) for key, _, value in folders if key}


def display_uri(uri: str) -> str:
    """The URI without a password and, over HTTP, without its query, which holds the signature of a presigned URL."""
    return redact_passwords(uri.partition("?")[0] if uri.startswith("http") else uri)


def _is_internal(path: str) -> bool:
    """Whether Spark, Hive or Delta keeps the file for itself: below names such as _delta_log and .part.crc."""
    return any(part.startswith(("_", ".")) for part in path.split("/"))
