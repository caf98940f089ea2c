"""Which files a URI means, and which columns their folders name."""

from typing import Any
from urllib.parse import unquote

import numpy as np

from perennial_trainer.contract.errors import Failure, Refusal, listed
from perennial_trainer.redaction import without_password
from perennial_trainer.storage import store as storage

SUFFIXES = (".csv", ".csv.gz", ".parquet")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def found(store: Any, path: str, uri: str) -> list[str]:
    """The csv and parquet files of a path, a glob or a folder, by name; a Refusal, NoFilesMatched, if there is none."""
    over_http = "http" in store.protocol
    try:
        if any(character in path for character in ("*[" if over_http else "*?[")):
            names = store.glob(path)
        elif over_http or not store.isdir(path):
            names = [path] if store.exists(path) else []
        else:
            names = [name for name in store.find(path) if not _own(name[len(path) :])]
    except FileNotFoundError:
        names = []
    except Exception as error:  # each store has its own exceptions for "denied" and "unreachable"
        raise Failure("DataUnreachable", f"{shown(uri)} could not be listed: {storage.named(error)}") from error
    wanted = sorted(name for name in names if shown(name).endswith(SUFFIXES))
    if not wanted:
        raise Refusal("NoFilesMatched", f"{shown(uri)} matches no file that ends in {listed(SUFFIXES)}: mend the URI")
    return wanted


def partitions(name: str) -> dict[str, Any]:
    """The columns that the file's folders name, as Hive and Spark write them: `region=eu/day=2026-11-22/a.parquet`.

    Values are text, as they stand there; Hive's word for none is a missing value.
    """
    folders = [folder.partition("=") for folder in shown(name).split("/")[:-1] if "=" in folder]
    return {unquote(key): np.nan if value == _NO_VALUE else unquote(value) for key, _, value in folders if key}


def shown(uri: str) -> str:
    """The URI without its query, which is the secret of a presigned address, and without a password."""
    return without_password(uri.partition("?")[0] if uri.startswith("http") else uri)


def _own(path: str) -> bool:
    """Spark, Hive and Delta keep their own files below names such as _delta_log and .part.crc."""
    return any(part.startswith(("_", ".")) for part in path.split("/"))
