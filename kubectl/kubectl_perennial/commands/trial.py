"""`try`: what would happen if a manifest were applied, played on this machine. It needs no cluster and no network.

The packages of the trainer are imported only once the command runs.
"""

from __future__ import annotations

import json
import sys
import tempfile
import webbrowser
from argparse import Namespace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from kubectl_perennial.errors import CommandError
from kubectl_perennial.terminal import console as output
from kubectl_perennial.terminal.trial import draw

EXTRA = "pip install 'perennial[backtest]'"
MANIFEST = "manifest.yaml"


def run(arguments: Namespace, console: Console) -> None:
    """Prints what happened and the manifest to apply, which is also in the folder. An error if nothing would answer."""
    try:
        from kubectl_perennial.simulation.manifest import read_manifest
        from kubectl_perennial.simulation.progress import Bar
        from kubectl_perennial.simulation.trying.source import source_uri
        from kubectl_perennial.simulation.trying.trial import STEPS, try_manifest
        from kubectl_perennial.views.trial import manifest_text, trial_fields
    except ImportError as error:
        raise CommandError(f"try runs the trainer's code, and {error.name} is missing: {EXTRA}") from error
    manifest = read_manifest(arguments.manifest)
    uri = source_uri(arguments.data, manifest.spec)
    folder = _folder(arguments.folder)
    with Bar(sys.stderr) as bar:

        def show(step: str) -> None:
            if step in STEPS:
                bar.step(f"{step} {manifest.name}", STEPS.index(step) + 1, len(STEPS))

        trial = try_manifest(manifest, uri, folder, progress=show)
    text = manifest_text(_documents(arguments.manifest, dict(trial.manifest.body)))
    fields = trial_fields(trial, uri, arguments.data, text)
    if trial.request:
        (folder / MANIFEST).write_text(text, encoding="utf-8")
        (folder / "request.json").write_text(json.dumps(trial.request.body), encoding="utf-8")
        (folder / "answer.json").write_text(trial.request.answer, encoding="utf-8")
    if arguments.output:
        console.print(output.printed(fields, arguments.output), soft_wrap=True)
    else:
        draw(fields, str(folder), console)
        if trial.is_live:
            console.print(f"\nThe manifest, in {folder / MANIFEST}", style="bold", soft_wrap=True)
            console.print(text, soft_wrap=True, end="")
    if fields["pages"] and sys.stdout.isatty() and not arguments.no_open:
        webbrowser.open(Path(fields["pages"][0]).as_uri())
    if not trial.is_live:
        raise CommandError(f"{manifest.name} would not go live: fix what is named above, and try again")
    if trial.request and trial.request.status != HTTPStatus.OK:
        raise CommandError(f"{manifest.name} would refuse requests such as the one above: the answer says why")


def _folder(given: str | None) -> Path:
    """An empty folder: the given one, or a new one of this machine's temporary files."""
    if given is None:
        return Path(tempfile.mkdtemp(prefix="perennial-try-"))
    folder = Path(given).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CommandError(f"{given} is not empty: give another folder by --folder")
    except OSError as error:
        raise CommandError(f"{given} cannot be written: {error.strerror}; give another folder by --folder") from error
    return folder


def _documents(file: str, model: dict[str, Any]) -> list[Any]:
    """All objects of the file, with this ModelDeployment in the place of its own."""
    if file == "-":
        return [model]
    documents = yaml.safe_load_all(Path(file).expanduser().read_text(encoding="utf-8"))
    return [model if each.get("kind") == model["kind"] else each for each in documents if isinstance(each, dict)]
