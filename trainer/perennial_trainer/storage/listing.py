"""Which files a URI means, and which columns their folders name."""

from typing import Any
from urllib.parse import unquote

import numpy as np

from perennial_trainer.contract.errors import FailedTask, RejectedTask, join_names
from perennial_trainer.redaction import redact_passwords
from perennial_trainer.storage import store

SUFFIXES = (".csv", ".csv.gz", ".parquet")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def list_files(filesystem: Any, path: str, uri: str) -> list[str]:
    """The csv and parquet files of a path, a glob or a folder, by name; RejectedTask, NoFilesMatched, without any."""
    over_http = "http" in filesystem.protocol
    try:
        if any(character in path for character in ("*[" if over_http else "*?[")):
            names = filesystem.glob(path)
        elif over_http or not filesystem.isdir(path):
            names = [path] if filesystem.exists(path) else []
        else:
            names = [name for name in filesystem.find(path) if not _own(name[len(path) :])]
    except FileNotFoundError:
        names = []
    except Exception as error:  # each store has its own exceptions for "denied" and "unreachable"
        raise FailedTask(
            "DataUnreachable", f"{display_uri(uri)} could not be listed: {store.describe_error(error)}"
        ) from error
    wanted = sorted(name for name in names if display_uri(name).endswith(SUFFIXES))
    if not wanted:
        raise RejectedTask(
            "NoFilesMatched", f"{display_uri(uri)} matches no file that ends in {join_names(SUFFIXES)}: mend the URI"
        )
    return wanted


def partition_columns(name: str) -> dict[str, Any]:
    """The columns that the file's folders name, as Hive and Spark write them: `region=eu/day=2026-11-22/a.parquet`.

    Values are text, as they stand there; Hive's word for none is a missing value.
    """
    folders = [folder.partition("=") for folder in display_uri(name).split("/")[:-1] if "=" in folder]
    return {unquote(key): np.nan if value == _NO_VALUE else unquote(value) for key, _, value in folders if key}


def display_uri(uri: str) -> str:
    """The URI without its query, which is the secret of a presigned address, and without a password."""
    return redact_passwords(uri.partition("?")[0] if uri.startswith("http") else uri)


def _own(path: str) -> bool:
    """Spark, Hive and Delta keep their own files below names such as _delta_log and .part.crc."""
    return any(part.startswith(("_", ".")) for part in path.split("/"))
