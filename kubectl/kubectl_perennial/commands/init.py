"""`init`: a manifest from a file of rows alone. It needs no cluster and no network.

The packages of the trainer are imported only once the command runs.
"""

from __future__ import annotations

import re
import shlex
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from rich.console import Console

from kubectl_perennial.errors import CommandError
from kubectl_perennial.terminal import console as output
from perennial_operator.core.api.printable_text import printable

if TYPE_CHECKING:
    from kubectl_perennial.simulation.drafting.draft import Places

EXTRA = "pip install 'perennial[backtest]'"
IN_CONFIG_MAP = 1_000_000
"""Bytes of the file; a ConfigMap has at most 1 MiB."""
KEY = re.compile(r"[-._a-zA-Z0-9]+")
"""A name of a file that a ConfigMap takes."""
FOLDER, WIDTH = "/data", 80


def run(arguments: Namespace, console: Console) -> None:
    """Prints the manifest, with a comment for each decision."""
    try:
        from kubectl_perennial.simulation.drafting.draft import draft_manifest, name_of_file
        from kubectl_perennial.simulation.drafting.table import given_form
        from kubectl_perennial.simulation.trying.source import local_uri
        from kubectl_perennial.views.trial import manifest_text
    except ImportError as error:
        raise CommandError(f"init runs the trainer's code, and {error.name} is missing: {EXTRA}") from error
    uri = local_uri(arguments.data)
    name = arguments.name or name_of_file(arguments.data)
    places, notes, objects = _places(arguments, name)
    csv = given_form(arguments.decimal, arguments.thousands)
    draft = draft_manifest(uri, arguments.target, name, places, datetime.now(UTC), csv)
    documents = [dict(draft.manifest.body), *objects]
    if arguments.output == "json":
        console.print(output.printed({"notes": [*draft.notes, *notes], "documents": documents}, "json"), soft_wrap=True)
        return
    form: dict[str, Any] = {"initial_indent": "# ", "subsequent_indent": "#   ", "break_long_words": False}
    lines = [line for each in draft.notes for line in wrap(printable(each), WIDTH, **form)]
    lines += [f"# {printable(each)}" for each in notes]  # commands, which a line break would end
    console.print("\n".join(lines) + "\n" + manifest_text(documents), soft_wrap=True, end="")


def _places(arguments: Namespace, name: str) -> tuple[Places, list[str], list[dict[str, Any]]]:
    """Where the rows and versions will be, how they come there, and the objects for it."""
    from kubectl_perennial.simulation.drafting.draft import Places

    notes: list[str] = []
    objects: list[dict[str, Any]] = []
    pod = None
    if arguments.uri:
        training = {"uri": arguments.uri}
    else:
        file = Path(arguments.data).expanduser()
        if not file.is_file() or file.stat().st_size > IN_CONFIG_MAP:
            raise CommandError(
                f"{arguments.data} is not one file of at most {IN_CONFIG_MAP:,} bytes, which a ConfigMap holds: put "
                "it where pods can read it, and give the address, such as --uri s3://bucket/rows.csv"
            )
        rows = f"{name}-rows"
        ending = "".join(re.findall(r"(?i)\.[a-z]+(?:\.(?:gz|zst))?$", file.name))
        training = {"uri": f"file://{FOLDER}/*{ending}"}
        pod = {
            "volumes": [{"name": "rows", "configMap": {"name": rows}}],
            "volumeMounts": [{"name": "rows", "mountPath": FOLDER, "readOnly": True}],
        }
        key = "" if KEY.fullmatch(file.name) else f"rows{ending}="
        source = shlex.quote(f"{key}{arguments.data}")
        notes.append(f"the rows: kubectl create configmap {rows} --from-file={source}")
    if arguments.storage:
        return Places(training, {"uri": arguments.storage}, pod), notes, objects
    claim = f"{name}-models"
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    objects.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim}, "spec": spec})
    storage = {"persistentVolumeClaim": {"claimName": claim}, "sameNode": True}
    return Places(training, storage, pod), notes, objects
