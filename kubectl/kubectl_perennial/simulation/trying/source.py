"""Where the rows of a trial are: on this machine, or at an address that it can read."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubectl_perennial.errors import CommandError, UsageError
from kubectl_perennial.simulation.history import as_uri


def source_uri(data: str | None, spec: Mapping[str, Any]) -> str:
    """The address of the given rows, or else of the manifest's. An error in a sentence if they are not here."""
    if data is not None:
        return local_uri(data)
    training = spec["data"]["training"]
    uri = training.get("uri")
    is_here = uri and (not uri.startswith("file://") or _is_here(uri.removeprefix("file://")))
    if not is_here:
        kinds = {"sql": "a query of a database", "delta": "a Delta table", "iceberg": "an Iceberg table"}
        inside = next((text for kind, text in kinds.items() if kind in training), "on a claim")
        where = f"{uri} is a path inside the pods" if uri else f"data.training is {inside}"
        raise UsageError(f"{where}, which this machine does not have: give the rows, as in `try model.yaml rows.csv`")
    return str(uri)


def local_uri(data: str) -> str:
    """The address of a file, a folder or a glob of this machine, or the address as it is."""
    path = Path(data).expanduser()
    if "://" not in data and not _is_here(str(path)):
        raise CommandError(f"{data} does not exist: correct the name")
    if path.is_file():
        try:
            path.open("rb").close()
        except OSError as error:
            raise CommandError(f"{data} cannot be read: {error.strerror}") from error
    return as_uri(data)


def _is_here(path: str) -> bool:
    """Whether the path, or the glob, names something of this machine."""
    return bool(glob.glob(path))  # noqa: PTH207 - the path may be absolute, which Path.glob refuses
