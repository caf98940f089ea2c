"""`report`: opens the page of a version's training, or of the newest drift report.

The page is in the model's storage, for which only its pods have credentials. An http(s) address is opened by the
browser, a file of this machine as it is, and another store is read through fsspec if that and the store's driver are
installed. Otherwise the error says how to get the page. Anyone who may write a DriftReport can name any address in it:
only a page below the model's own storage is opened as it is, and one at https:// after a question.
"""

from __future__ import annotations

import sys
import tempfile
import webbrowser
from argparse import Namespace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console

from kubectl_perennial.client import Cluster
from kubectl_perennial.errors import CommandError, UsageError
from kubectl_perennial.selection import Selection, select
from kubectl_perennial.terminal.console import warn
from kubectl_perennial.views.overview import newest_first
from perennial_operator.core.api.places import Storage
from perennial_operator.core.manifests.pods import Mounts
from perennial_operator.core.manifests.storage_addresses import is_below

PAGE = "report.html"
DRIVERS = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
CLAIMS = "/mnt/perennial/"


def run(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    selection = select(cluster, arguments.names)
    uri = _of_drift(cluster, selection) if arguments.drift else _of_version(selection)
    if arguments.print:
        console.print(uri, soft_wrap=True)
        return
    if arguments.drift:
        _ask_if_foreign(selection, uri)
    page = (
        uri
        if uri.startswith(("http://", "https://")) and not arguments.to
        else _fetched(selection, uri, arguments.to).as_uri()
    )
    if arguments.to:
        console.print(f"{uri} → {arguments.to}", soft_wrap=True)
    elif webbrowser.open(page):
        console.print(f"opened {uri}", soft_wrap=True)
    else:
        console.print(f"no browser here; open {page}", soft_wrap=True)


def _of_version(selection: Selection) -> str:
    """The address of the page beside the model of the named version, or of the live one."""
    if len(selection.named) > 1:
        raise UsageError(f"one version at a time, and {len(selection.named)} were named")
    version = selection.named[0] if selection.named else selection.live or selection.candidate
    if version is None:
        raise CommandError(f"{selection.name} has no version yet, so there is no page")
    artifact = (version.get("status") or {}).get("artifact")
    if artifact is None:
        phase = (version.get("status") or {}).get("phase", "Training")
        raise CommandError(
            f"{version['metadata']['name']} has no stored model (it is {phase}), so there is no page beside it"
        )
    if deleted := version["status"].get("filesDeletedAt"):
        raise CommandError(
            f"the page of {version['metadata']['name']} was deleted with its files, because of spec.history.artifacts "
            f"(at {deleted})"
        )
    return str(artifact["uri"]).rsplit("/", 1)[0] + f"/{PAGE}"


def _of_drift(cluster: Cluster, selection: Selection) -> str:
    if selection.named:
        raise UsageError("--drift opens the newest drift report's page of a model; leave the version out")
    pages = [
        body["spec"]["details"]
        for body in newest_first(cluster.list("DriftReport", model=selection.name))
        if body["spec"].get("details")
    ]
    if not pages:
        raise CommandError(f"no DriftReport about {selection.name} names a page in spec.details")
    return str(pages[0])


def _ask_if_foreign(selection: Selection, uri: str) -> None:
    """The page is below the model's own storage, or at https:// and the user wants it; else a CommandError."""
    metadata, spec = selection.deployment["metadata"], selection.deployment["spec"]
    root = Mounts().uri(Storage.model_validate(spec["storage"])).rstrip("/")
    folder = f"{root}/{metadata['namespace']}/{metadata['name']}"
    if is_below(uri, folder):
        return
    if not uri.startswith("https://") or "::" in uri:
        raise CommandError(
            f"the page {uri} is neither below {folder}/, the model's storage, nor at https://; it is not opened"
        )
    warn(f"The page {uri} is not below {folder}/, the model's storage: a DriftReport names it. Open it? [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("the page was not opened")


def _fetched(selection: Selection, uri: str, to: str | None) -> Path:
    """The page as a file on this machine."""
    parts = urlsplit(uri)
    if parts.scheme in ("", "file"):
        local = Path(unquote(parts.path))
        if not local.is_file():
            raise CommandError(f"{uri} is a path inside the model's pods; {_how_inside(selection, parts.path)}")
        return _copied(local.read_bytes(), to) if to else local
    try:
        import fsspec  # optional: installed together with the drivers

        with fsspec.open(uri, "rb") as stream:
            return _copied(stream.read(), to)
    except ImportError as error:
        driver = DRIVERS.get(parts.scheme, "aiohttp" if parts.scheme.startswith("http") else "the store's driver")
        raise CommandError(f"the page is at {uri}; to open it from here: pip install fsspec {driver}") from error
    except Exception as error:
        raise CommandError(
            f"the page at {uri} cannot be read from here: {_first_line(error)}; are your credentials set?"
        ) from error


def _how_inside(selection: Selection, path: str) -> str:
    """How to copy a file from a claim, or from another volume of a pod."""
    claim = path.removeprefix(CLAIMS).partition("/")[0] if path.startswith(CLAIMS) else ""
    place = f"it is on PersistentVolumeClaim {claim}" if claim else "it is on a volume of the pods"
    if selection.live is None:
        return f"{place}, which a pod must mount"
    where = f"-n {selection.deployment['metadata']['namespace']} deploy/{selection.live['metadata']['name']}"
    return f"{place}: kubectl exec {where} -- cat {path} > {PAGE}"


def _copied(content: bytes, to: str | None) -> Path:
    if to:
        try:
            Path(to).write_bytes(content)
        except OSError as error:
            raise CommandError(f"{to} cannot be written: {error.strerror}; give another file by --to") from error
        return Path(to).resolve()
    with tempfile.NamedTemporaryFile(suffix=f"-{PAGE}", delete=False) as file:
        file.write(content)
    return Path(file.name)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
