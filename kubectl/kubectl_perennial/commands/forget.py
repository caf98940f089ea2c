"""`forget`: requests that the captured rows of keys are deleted. The cluster gets the keys' HMACs, and never a key."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from getpass import getpass

from rich.console import Console

from kubectl_perennial.client import Body, Cluster
from kubectl_perennial.errors import CommandError, UsageError
from kubectl_perennial.selection import get_deployment
from kubectl_perennial.terminal.console import warn
from kubectl_perennial.views.times import now
from perennial_operator.core import names
from perennial_operator.core.api.upkeep import UpkeepFacts
from perennial_operator.core.stages.storage.forget_requests import ForgetRequest, unfinished_requests
from perennial_trainer.captured.keys import SECRET, captured_key
from perennial_trainer.contract.features.category_text import name_of_text

STDIN = "-"
MOST_BYTES = 256 * 1024
"""Of all annotations of an object together, by the API server."""


def run(cluster: Cluster, arguments: Namespace, console: Console) -> None:
    model = get_deployment(cluster, arguments.name)
    secret, keys = _secret(cluster, model), _keys(arguments)
    # By the cluster's clock: a request that seems to be older than the last upkeep would be done already.
    at = cluster.time or now()
    requests = [ForgetRequest.of(captured_key(secret, key), at) for key in keys]
    changes = _done(model) | {each.annotation: each.value for each in requests}
    _require_room(model, changes, requests)
    cluster.annotate("ModelDeployment", arguments.name, changes)
    what = "1 key" if len(requests) == 1 else f"{len(requests)} keys"
    console.print(
        f"{arguments.name}: the captured rows of {what} are deleted by Job {names.upkeep_job(arguments.name)}"
        f"{_why_waiting(model)}, and what pods still had in memory an hour later; "
        f"kubectl perennial status {arguments.name} says how many"
    )
    for line in _what_stays(model):
        warn(f"# {line}")


def _keys(arguments: Namespace) -> list[str]:
    """The keys by their one text: of the argument, of standard input, or of the person who is asked."""
    if arguments.key not in (None, STDIN):
        given = [arguments.key]
    elif sys.stdin.isatty():
        given = [getpass("key (it is not shown): ")]
    else:
        # A key may have other characters at which Python ends a line.
        given = sys.stdin.read().replace("\r\n", "\n").split("\n")
    keys = list(dict.fromkeys(name_of_text(key) for key in given if key))
    if not keys:
        raise UsageError("there is no key; give it as an argument, or one a line on standard input")
    return keys


def _require_room(model: Body, changes: Mapping[str, str | None], requests: Sequence[ForgetRequest]) -> None:
    """The annotations fit; else a CommandError says how many keys would."""
    before = model["metadata"].get("annotations") or {}
    others = {name: value for name, value in before.items() if name not in changes}
    room = MOST_BYTES - sum(len(f"{name}{value}".encode()) for name, value in others.items())
    fit = room // len(f"{requests[0].annotation}{requests[0].value}")
    if len(requests) > fit:
        name = model["metadata"]["name"]
        raise CommandError(
            f"{len(requests)} keys are more than the annotations of {name} have room for, which is {max(0, fit)}: give "
            f"so many, and the others once these are done, as kubectl perennial status {name} says"
        )


def _secret(cluster: Cluster, model: Body) -> bytes:
    """The secret of the model's keys: from the environment, or from the Secret, which the user must be able to read."""
    if given := os.environ.get(SECRET):
        return given.encode()
    capture = (model["spec"].get("serving") or {}).get("capture")
    if capture is None:
        raise CommandError(
            f"{model['metadata']['name']} has no spec.serving.capture; set the variable {SECRET} to the secret of then"
        )
    name = capture["secretRef"]["name"]
    secret = cluster.secret_value(name, SECRET)
    if secret is None:
        raise CommandError(
            f"Secret {name} with {SECRET} cannot be read: ask for the right to get it, or set the variable {SECRET}"
        )
    return secret


def _done(model: Body) -> dict[str, str | None]:
    """The annotations of earlier requests that are done, to be removed."""
    status, annotations = model.get("status") or {}, model["metadata"].get("annotations") or {}
    facts = UpkeepFacts.model_validate(status["upkeep"]) if status.get("upkeep") else None
    left = {each.annotation for each in unfinished_requests(annotations, facts)}
    return {name: None for name in annotations if name.startswith(names.FORGET) and name not in left}


def _why_waiting(model: Body) -> str:
    if model["spec"].get("suspend"):
        return " once spec.suspend is false"
    return "" if (model.get("status") or {}).get("liveVersion") else " once a version is live"


def _what_stays(model: Body) -> list[str]:
    """What the Job does not delete."""
    stays = ["Holdouts and models that were trained of such rows stay as long as the files of their versions."]
    labels = (model["spec"].get("data") or {}).get("labels")
    if labels:
        place = labels.get("uri") or "the place in spec.data.labels"
        stays.insert(0, f"Labels are yours: delete the rows with the key from {place}, column {labels['key']}.")
    return [*stays, "A later request with the key is captured again."]
