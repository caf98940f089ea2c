"""`report`: opens the page of a version's training, or of the newest drift report.

The page lies in the model's storage, which only its pods have credentials for. What this machine can reach is opened:
http(s) by the browser, a file that is here, and other stores through fsspec where that and the store's driver are
installed. Else the address is printed, and how to get there.
"""

from __future__ import annotations

import tempfile
import webbrowser
from argparse import Namespace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console

from kubectl_perennial.client import Cluster
from kubectl_perennial.errors import SorryError, UsageError
from kubectl_perennial.selection import Meant, meant
from kubectl_perennial.views.overview import newest_first

PAGE = "report.html"
DRIVERS = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
CLAIMS = "/mnt/perennial/"


def run(cluster: Cluster, asked: Namespace, console: Console) -> None:
    of = meant(cluster, asked.names)
    uri = _of_drift(cluster, of) if asked.drift else _of_version(of)
    if asked.print:
        console.print(uri, soft_wrap=True)
        return
    page = uri if uri.startswith(("http://", "https://")) and not asked.to else _fetched(of, uri, asked.to).as_uri()
    if asked.to:
        console.print(f"{uri} → {asked.to}", soft_wrap=True)
    elif webbrowser.open(page):
        console.print(f"opened {uri}", soft_wrap=True)
    else:
        console.print(f"no browser here; open {page}", soft_wrap=True)


def _of_version(of: Meant) -> str:
    """The address of the page beside the model of the version that is named, or that serves."""
    if len(of.named) > 1:
        raise UsageError(f"one version at a time, and {len(of.named)} were named")
    version = of.named[0] if of.named else of.live or of.candidate
    if version is None:
        raise SorryError(f"{of.name} has no version yet, so there is no page")
    artifact = (version.get("status") or {}).get("artifact")
    if artifact is None:
        phase = (version.get("status") or {}).get("phase", "Training")
        raise SorryError(
            f"{version['metadata']['name']} has no stored model (it is {phase}), so there is no page beside it"
        )
    return str(artifact["uri"]).rsplit("/", 1)[0] + f"/{PAGE}"


def _of_drift(cluster: Cluster, of: Meant) -> str:
    if of.named:
        raise UsageError("--drift opens the newest drift report's page of a model; leave the version out")
    pages = [
        body["spec"]["details"]
        for body in newest_first(cluster.list("DriftReport", of=of.name))
        if body["spec"].get("details")
    ]
    if not pages:
        raise SorryError(f"no DriftReport about {of.name} names a page in spec.details")
    return str(pages[0])


def _fetched(of: Meant, uri: str, to: str | None) -> Path:
    """The page as a file of this machine."""
    parts = urlsplit(uri)
    if parts.scheme in ("", "file"):
        here = Path(unquote(parts.path))
        if not here.is_file():
            raise SorryError(f"{uri} is a path inside the model's pods; {_how_inside(of, parts.path)}")
        return _copied(here.read_bytes(), to) if to else here
    try:
        import fsspec  # no dependency: who has it has it for the sake of the drivers

        with fsspec.open(uri, "rb") as stream:
            return _copied(stream.read(), to)
    except ImportError as error:
        driver = DRIVERS.get(parts.scheme, "aiohttp" if parts.scheme.startswith("http") else "the store's driver")
        raise SorryError(f"the page lies at {uri}; to open it from here: pip install fsspec {driver}") from error
    except Exception as error:
        raise SorryError(
            f"the page at {uri} cannot be read from here: {_first_line(error)}; are your credentials set?"
        ) from error


def _how_inside(of: Meant, path: str) -> str:
    """How a person gets at what lies on a claim, or in a pod's own volume."""
    claim = path.removeprefix(CLAIMS).partition("/")[0] if path.startswith(CLAIMS) else ""
    there = f"it lies on PersistentVolumeClaim {claim}" if claim else "it lies on a volume of theirs"
    if of.live is None:
        return f"{there}, which a pod must mount"
    where = f"-n {of.deployment['metadata']['namespace']} deploy/{of.live['metadata']['name']}"
    return f"{there}: kubectl exec {where} -- cat {path} > {PAGE}"


def _copied(content: bytes, to: str | None) -> Path:
    if to:
        try:
            Path(to).write_bytes(content)
        except OSError as error:
            raise SorryError(f"{to} cannot be written: {error.strerror}; give another file by --to") from error
        return Path(to).resolve()
    with tempfile.NamedTemporaryFile(suffix=f"-{PAGE}", delete=False) as file:
        file.write(content)
    return Path(file.name)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
